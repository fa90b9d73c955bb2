"""A message that breaks off never looks complete on the other side (RFC 9112 section 8)."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import OriginConnection, ScriptedClient, request
from tests.scenarios.support import URL, ScenarioTestCase

HEADS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "inside a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "before the trailers' end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: b\r\n",
}
OLD = b"GET http://origin.example.com/ HTTP/1.0\r\n\r\n"


class TruncationTests(ScenarioTestCase):
    """Answers that break off."""

    def _broken(self, asked: bytes, answer: bytes, how: str) -> tuple[Harness, ScriptedClient]:
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(asked)
        origin.send(answer)
        getattr(origin.connection, how)()
        return gateway, client

    def test_visible(self) -> None:
        """However the origin breaks off, an HTTP/1.1 client has neither the whole length nor the last chunk."""
        for name, answer in HEADS.items():
            for how in ("close", "reset"):
                gateway, client = self._broken(request(URL), answer, how)
                self.assertFalse(client.response().complete, (name, how))
                self.assertNotEqual(client.closed, "", (name, how))
                self.assertTrue(client.response().content.startswith(b"abc"), (name, how))
                self.assertLine(gateway, status=200, outcome="aborted", reason="upstream")

    def test_http10_client_with_a_length(self) -> None:
        """An HTTP/1.0 client with a length can count."""
        _, client = self._broken(OLD, HEADS["length"], "close")
        self.assertEqual((client.response().complete, client.closed), (False, "fin"))

    def test_http10_client_without_a_length(self) -> None:
        """For an HTTP/1.0 client without a length an orderly close would be the end, so it is a reset."""
        for name in ("chunked", "inside a chunk"):
            for how in ("close", "reset"):
                gateway, client = self._broken(OLD, HEADS[name], how)
                self.assertEqual(client.closed, "reset", (name, how))
                self.assertLine(gateway, outcome="aborted", reason="upstream")

    def test_close_delimited_reset(self) -> None:
        """An answer up to the close that ends in a reset is not complete."""
        answer = b"HTTP/1.1 200 OK\r\n\r\nabc"
        _, client = self._broken(request(URL), answer, "reset")
        self.assertEqual(
            (client.response().framing, client.response().complete), ("chunked", False)
        )
        self.assertNotEqual(client.closed, "")
        _, client = self._broken(OLD, answer, "reset")
        self.assertEqual(client.closed, "reset")

    def test_close_delimited_end(self) -> None:
        """One that ends in order is."""
        answer = b"HTTP/1.1 200 OK\r\n\r\nabc"
        gateway, client = self._broken(request(URL), answer, "end")
        self.assertTrue(client.response().complete)
        self.assertLine(gateway, outcome="delivered")

    def test_bad_chunks(self) -> None:
        """Chunks that are none break the answer off."""
        for bad in (b"XYZ\r\n", b"3\r\nabcdef\r\n", b"3\nabc\n", b"-1\r\n", b"0x3\r\nabc\r\n"):
            gateway = self.forward()
            origin = gateway.origin()
            client = gateway.client()
            client.send(request(URL))
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            origin.send(bad)
            self.assertFalse(client.response().complete, bad)
            self.assertNotEqual(client.closed, "", bad)
            self.assertEqual(origin.connection.closed, "fin", bad)

    def test_reset_while_the_client_does_not_read(self) -> None:
        """What the client has not read yet of a broken answer does not make it whole."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"3e8\r\n"
            + bytes(1000)
            + b"\r\n"
        )
        origin.connection.reset()
        client.read_on()
        self.assertFalse(client.response().complete)
        self.assertNotEqual(client.closed, "")

    def test_in_the_head(self) -> None:
        """An answer that breaks off in its head is none: 502."""
        for answer in (b"HTTP/1.1 200 OK\r\nContent-Le", b"HTT", b""):
            for how in ("close", "reset"):
                gateway, client = self._broken(request(URL), answer, how)
                self.assertEqual(client.response().status, 502, (answer, how))
                self.assertEqual(client.closed, "")
                self.assertLine(gateway, status=502, outcome="failed", reason="upstream_closed")

    def test_upload(self) -> None:
        """A request whose client breaks off never looks complete to the origin."""
        for head, part in (
            (b"Content-Length: 10", b"abc"),
            (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n"),
        ):
            for how in ("close", "reset"):
                gateway = self.forward()
                origin = gateway.origin()
                client = gateway.client()
                client.send(request(URL, head, method=b"POST") + part)
                getattr(client, how)()
                connection: OriginConnection = origin.connection
                self.assertFalse(connection.request.complete)
                self.assertEqual(connection.closed, "reset")
                self.assertLine(gateway, outcome="aborted", reason="client", bytes_in=3)

    def test_bad_upload(self) -> None:
        """Content with bad chunks is answered with 400 and never complete for the origin."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Transfer-Encoding: chunked", method=b"POST") + b"3\r\nabc\r\n")
        client.send(b"nonsense\r\n")
        self.assertEqual((client.response().status, client.closed), (400, "fin"))
        self.assertFalse(origin.request.complete)
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, status=400, outcome="failed", reason="bad_request", bytes_in=3)
