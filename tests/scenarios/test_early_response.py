"""An answer that comes before its request is complete (RFC 9112 section 9.5)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class EarlyResponseTests(ScenarioTestCase):
    """While the client still uploads."""

    def test_delivered(self) -> None:
        """The client gets it at once; with much content left the connection is closed then, in two steps."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 10000000", method=b"POST") + bytes(1000))
        origin.send(response(b"enough", status=b"403 Forbidden"))
        self.assertEqual((client.response().status, client.response().content), (403, b"enough"))
        self.assertEqual(client.closed, "fin")
        client.send(bytes(1000))
        self.assertEqual(client.closed, "fin")
        self.assertEqual(len(origin.connections), 1)
        self.assertLine(gateway, status=403, outcome="delivered")

    def test_says_so(self) -> None:
        """An answer after which the connection is closed says so."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 10000000", method=b"POST") + bytes(1000))
        origin.send(response(b"enough", status=b"403 Forbidden"))
        self.assertEqual(client.response().get("connection"), b"close")

    def test_nothing_of_the_rest_is_a_request(self) -> None:
        """What the client still sends is content and nothing else."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 100000", method=b"POST"))
        origin.send(response(b"enough"))
        client.send(request(URL + b"smuggled") * 10)
        self.assertEqual(len(client.responses()), 1)
        self.assertEqual(len(origin.requests), 1)

    def test_upload_that_ends_before_the_answer_does(self) -> None:
        """An answer that begins early but ends after the request leaves both connections in use."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 6", method=b"POST") + b"abc")
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nxyz")
        client.send(b"def")
        origin.send(b"uvw")
        self.assertEqual(client.response().content, b"xyzuvw")
        client.send(request(URL))
        self.assertEqual(len(origin.connections), 1)
        self.assertEqual([found.content for found in origin.requests], [b"abcdef", b""])
        origin.send(response())

    def test_origin_that_closes_behind_it(self) -> None:
        """An origin that answers and closes without reading on: the client gets the answer, not a reset."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 1000000", method=b"POST"))
        origin.connection.stop_reading()
        client.send(bytes(300000))
        origin.send(response(b"enough", b"Connection: close", status=b"413 Content Too Large"))
        origin.connection.reset()
        self.assertEqual((client.response().status, client.response().content), (413, b"enough"))

    def test_bytes_of_the_upload(self) -> None:
        """The log has the content that was received up to then."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Content-Length: 100000", method=b"POST") + bytes(1000))
        origin.send(response(b"enough"))
        self.assertLine(gateway, bytes_in=1000)
