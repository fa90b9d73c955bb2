"""Expect: 100-continue goes from end to end, and a refusal comes without a 100 (RFC 9110 section 10.1.1)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase

EXPECT = b"Expect: 100-continue"


class ExpectTests(ScenarioTestCase):
    """A client that waits before it sends its content."""

    def test_origin_says_continue(self) -> None:
        """The expectation reaches the origin, its 100 the client, then the content goes."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, EXPECT, b"Content-Length: 4", method=b"PUT"))
        self.assertEqual(origin.request.get("expect"), b"100-continue")
        self.assertEqual(client.received, b"")
        origin.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(client.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"1234")
        self.assertEqual(origin.request.content, b"1234")
        origin.send(response(b"ok"))
        self.assertEqual([found.status for found in client.responses()], [100, 200])
        self.assertLine(gateway, outcome="delivered", bytes_in=4)

    def test_client_that_waits_no_longer(self) -> None:
        """Content that comes without a 100 goes on too."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL, EXPECT, b"Content-Length: 4", method=b"PUT"))
        client.send(b"1234")
        self.assertEqual([found.status for found in client.responses()], [200])
        self.assertEqual(origin.request.content, b"1234")

    def test_origin_refuses(self) -> None:
        """A refusal by the origin comes without a 100, and the content that was not sent is not waited for."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, EXPECT, b"Transfer-Encoding: chunked", method=b"PUT"))
        origin.send(response(b"no", status=b"403 Forbidden"))
        self.assertEqual([found.status for found in client.responses()], [403])
        self.assertEqual(client.closed, "fin")
        self.assertFalse(origin.request.complete)
        self.assertEqual(origin.connection.closed, "reset")

    def test_we_refuse(self) -> None:
        """So does ours, and no origin is asked."""
        gateway = self.forward({"limits.upload": "3B"})
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, EXPECT, b"Content-Length: 4", method=b"PUT"))
        self.assertEqual([found.status for found in client.responses()], [413])
        self.assertEqual(origin.connections, [])

    def test_upstream_that_fails(self) -> None:
        """A failure to reach the origin comes without a 100 too."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(URL, EXPECT, b"Content-Length: 4", method=b"PUT"))
        self.assertEqual([found.status for found in client.responses()], [502])

    def test_http10_client(self) -> None:
        """An HTTP/1.0 client is never sent a 100, whatever it expects."""
        gateway = self.reverse()
        origin = gateway.origin()
        client = gateway.client()
        client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n1234")
        origin.send(b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"ok"))
        self.assertEqual([found.status for found in client.responses()], [200])

    def test_unasked_continue(self) -> None:
        """A 100 that nobody asked for is passed on: a client must be able to read any number of them."""
        gateway = self.forward()
        gateway.origin(reply=b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"ok"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual([found.status for found in client.responses()], [100, 200])

    def test_other_expectation(self) -> None:
        """What we can't understand we can't promise: 417."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Expect: the-unexpected"))
        self.assertEqual(client.response().status, 417)
        self.assertEqual(origin.connections, [])

    def test_next_request(self) -> None:
        """After an exchange with 100 the connections are used again on both sides."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        for _ in range(2):
            client.send(request(URL, EXPECT, b"Transfer-Encoding: chunked", method=b"PUT"))
            origin.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            client.send(chunked(b"1234"))
            origin.send(response(b"ok"))
        self.assertEqual([found.status for found in client.responses()], [100, 200, 100, 200])
        self.assertEqual(len(origin.connections), 1)
