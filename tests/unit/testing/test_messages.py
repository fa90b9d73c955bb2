"""Messages taken apart by the kit, by another reader than the gateway's own."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.messages import read_requests, read_responses
from gateway.testing.peers import chunked, request, response


class MessageTests(SynchronousTestCase):
    """Requests and responses."""

    def test_requests(self) -> None:
        """Several requests are told apart by their framing."""
        data = (
            request(b"/a")
            + request(b"/b", method=b"POST", content=b"abc")
            + request(b"/c", b"Transfer-Encoding: chunked")
            + chunked(b"d", b"e")
        )
        found = read_requests(data)
        self.assertEqual(
            [(one.target, one.content, one.framing) for one in found],
            [(b"/a", b"", "none"), (b"/b", b"abc", "length"), (b"/c", b"de", "chunked")],
        )
        self.assertEqual(b"".join(one.raw for one in found), data)

    def test_incomplete(self) -> None:
        """What is not complete says so, wherever it was cut."""
        whole = request(b"/", b"Transfer-Encoding: chunked", method=b"POST") + chunked(
            b"abc", trailers=[b"X: y"]
        )
        for cut in range(1, len(whole)):
            self.assertFalse(read_requests(whole[:cut])[0].complete, cut)
        (found,) = read_requests(whole)
        self.assertEqual((found.complete, found.trailers), (True, [(b"x", b"y")]))

    def test_responses(self) -> None:
        """Which responses have no content depends on the request."""
        data = (
            b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n"
            + response(b"abc")
            + b"HTTP/1.1 204 X\r\n\r\n"
        )
        found = read_responses(data, [b"HEAD"])
        self.assertEqual(
            [(one.status, one.content) for one in found],
            [(103, b""), (200, b""), (200, b"abc"), (204, b"")],
        )
        self.assertTrue(all(one.complete for one in found))

    def test_until_the_close(self) -> None:
        """A response without a length ends with the connection."""
        data = b"HTTP/1.1 200 X\r\n\r\nabc"
        self.assertFalse(read_responses(data)[0].complete)
        self.assertTrue(read_responses(data, ended=True)[0].complete)

    def test_tunnels(self) -> None:
        """Behind a 101, and a 2xx to CONNECT, there are no more messages."""
        self.assertEqual(len(read_responses(b"HTTP/1.1 101 X\r\n\r\nHTTP/1.1 x")), 1)
        self.assertEqual(len(read_responses(b"HTTP/1.1 200 X\r\n\r\nHTTP/1.1 x", [b"CONNECT"])), 1)
        self.assertEqual(len(read_requests(request(b"a:1", method=b"CONNECT") + b"x")), 1)

    def test_fields(self) -> None:
        """Names are compared without case; a field that occurs twice has no one value."""
        (found,) = read_responses(response(b"", b"X-A: 1", b"x-a:2", b"X-B: 3"))
        self.assertEqual(
            (found.all("X-A"), found.get("x-b"), found.get("x-c")), ([b"1", b"2"], b"3", None)
        )
        self.assertRaises(AssertionError, found.get, "x-a")
        self.assertEqual(found.names, [b"x-a", b"x-a", b"x-b", b"content-length"])

    def test_odd(self) -> None:
        """What could be read in two ways fails the test."""
        for data in (
            response(b"abc", b"Transfer-Encoding: chunked"),
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            b"HTTP/1.1 200 X\r\nX : y\r\n\r\n",
            b"HTTP/1.1 200 X\r\nno field\r\n\r\n",
        ):
            self.assertRaises(AssertionError, read_responses, data)
