"""Trailers pass both ways behind chunked content (RFC 9110 section 6.5)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase

CHUNKED = b"Transfer-Encoding: chunked"


class TrailerTests(ScenarioTestCase):
    """Of requests and responses."""

    def test_request(self) -> None:
        """Trailers of a request reach the origin, and so does the field that announces them."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(
            request(URL, CHUNKED, b"Trailer: X-Sum", method=b"PUT")
            + chunked(b"abc", trailers=[b"X-Sum: 1"])
        )
        self.assertEqual(origin.request.trailers, [(b"x-sum", b"1")])
        self.assertEqual(origin.request.get("trailer"), b"X-Sum")
        self.assertEqual(origin.request.content, b"abc")

    def test_response(self) -> None:
        """Trailers of a response reach the client."""
        gateway = self.forward()
        gateway.origin(
            reply=b"HTTP/1.1 200 OK\r\n"
            + CHUNKED
            + b"\r\n\r\n"
            + chunked(b"abc", trailers=[b"X-Sum: 1", b"X-Sum: 2"])
        )
        client = gateway.client()
        client.send(request(URL, b"TE: trailers", b"Connection: TE"))
        self.assertEqual(client.response().trailers, [(b"x-sum", b"1"), (b"x-sum", b"2")])
        self.assertEqual(client.response().content, b"abc")

    def test_in_pieces(self) -> None:
        """Where the trailer section is cut makes no difference."""
        whole = chunked(b"abc", trailers=[b"X-Sum: 1"])
        gateway = self.forward()
        origin = gateway.origin()
        for cut in range(len(whole)):
            client = gateway.client()
            client.send(request(URL))
            origin.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + whole[:cut])
            origin.send(whole[cut:])
            self.assertEqual(
                (client.response().content, client.response().trailers),
                (b"abc", [(b"x-sum", b"1")]),
            )
            client.close()
            origin.connection.close()

    def test_http10_client(self) -> None:
        """A client without chunks gets the content without them."""
        gateway = self.forward()
        gateway.origin(
            reply=b"HTTP/1.1 200 OK\r\n"
            + CHUNKED
            + b"\r\n\r\n"
            + chunked(b"abc", trailers=[b"X-Sum: 1"])
        )
        client = gateway.client()
        client.send(b"GET http://origin.example.com/ HTTP/1.0\r\n\r\n")
        self.assertEqual((client.response().content, client.closed), (b"abc", "fin"))

    def test_too_large(self) -> None:
        """A trailer section over its limit is refused on either side."""
        huge = chunked(b"abc", trailers=[b"X-Sum: " + bytes(9000).replace(b"\0", b"x")])
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"PUT") + huge)
        self.assertEqual(client.response().status, 431)
        self.assertNotEqual([found.complete for found in origin.requests], [True])

    def test_too_large_in_a_response(self) -> None:
        """And a response with one is broken off, visibly."""
        huge = chunked(b"abc", trailers=[b"X-Sum: " + bytes(9000).replace(b"\0", b"x")])
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n3\r\nabc\r\n")
        origin.send(huge)
        self.assertFalse(client.response().complete)
        self.assertNotEqual(client.closed, "")
