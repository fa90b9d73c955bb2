"""HTTP/1.0 on either side (RFC 9112 sections 9.3 and 6.3; RFC 9110 section 2.5)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase

OLD = b"GET http://origin.example.com/ HTTP/1.0\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc", b"def")


class ClientTests(ScenarioTestCase):
    """HTTP/1.0 clients."""

    def test_closed_after_the_answer(self) -> None:
        """The connection is closed after the answer, which says so."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(OLD + b"\r\n")
        self.assertEqual((client.response().content, client.closed), (b"abc", "fin"))
        self.assertEqual(client.response().get("connection"), b"close")

    def test_unknown_length(self) -> None:
        """Content of unknown length ends with the connection, without chunks."""
        for reply in (CHUNKED, b"HTTP/1.1 200 OK\r\n\r\nabcdef"):
            gateway = self.forward()
            origin = gateway.origin(reply=reply)
            client = gateway.client()
            client.send(OLD + b"\r\n")
            origin.connection.end()
            found = client.response()
            self.assertEqual(
                (found.framing, found.content, client.closed), ("close", b"abcdef", "fin")
            )
            self.assertEqual(found.get("transfer-encoding"), None)

    def test_keep_alive_through_a_proxy(self) -> None:
        """A proxy does not keep an HTTP/1.0 connection: it may be a hop on the way that repeats the wish blindly."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(OLD + b"Connection: keep-alive\r\n\r\n")
        self.assertEqual((client.response().get("connection"), client.closed), (b"close", "fin"))

    def test_keep_alive_to_a_site(self) -> None:
        """A site keeps it, and says so."""
        gateway = self.reverse()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertEqual(
            [found.get("connection") for found in client.responses()], [b"keep-alive"] * 2
        )
        self.assertEqual(client.closed, "")

    def test_keep_alive_with_unknown_length(self) -> None:
        """But not where only the close can end the content."""
        gateway = self.reverse()
        gateway.origin(reply=CHUNKED)
        client = gateway.client()
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertEqual(
            (client.response().content, client.response().get("connection")), (b"abcdef", b"close")
        )
        self.assertEqual(client.closed, "fin")

    def test_upload(self) -> None:
        """Content needs a length, and gets through."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        self.assertEqual(origin.request.content, b"abc")

    def test_chunks(self) -> None:
        """Chunks do not exist in HTTP/1.0: whoever sends them may be read in two ways."""
        gateway = self.reverse()
        client = gateway.client()
        client.send(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc"))
        self.assertEqual((client.response().status, client.closed), (400, "fin"))

    def test_without_host(self) -> None:
        """A request without a Host goes to the site that takes every host."""
        gateway = self.reverse()
        origin = gateway.origin(reply=response())
        gateway.client().send(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(origin.request.start, b"GET / HTTP/1.1")
        self.assertEqual(origin.request.get("host"), b"198.51.100.1")

    def test_answer_version(self) -> None:
        """Our own version is 1.1, whatever the client's is."""
        gateway = self.forward()
        gateway.origin(reply=b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        client = gateway.client()
        client.send(OLD + b"\r\n")
        self.assertTrue(client.received.startswith(b"HTTP/1.1 200 "))


class OriginTests(ScenarioTestCase):
    """HTTP/1.0 origins."""

    def test_close_delimited(self) -> None:
        """Content up to the close comes to the client in chunks, and its connection stays."""
        gateway = self.forward()
        origin = gateway.origin(reply=b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nabc")
        client = gateway.client()
        client.send(request(URL))
        self.assertIn(b"abc", client.received)
        self.assertFalse(client.response().complete)
        origin.connection.end()
        found = client.response()
        self.assertEqual((found.framing, found.content, client.closed), ("chunked", b"abc", ""))

    def test_not_kept(self) -> None:
        """Its connection is not used again, though its answer had a length."""
        gateway = self.forward()
        origin = gateway.origin(reply=b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        client = gateway.client()
        client.send(request(URL) + request(URL))
        self.assertEqual([found.content for found in client.responses()], [b"abc", b"abc"])
        self.assertEqual(len(origin.connections), 2)
        self.assertEqual(origin.connections[0].closed, "fin")

    def test_kept(self) -> None:
        """Unless it says that it stays."""
        gateway = self.forward()
        origin = gateway.origin(
            reply=b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc"
        )
        client = gateway.client()
        client.send(request(URL) + request(URL))
        self.assertEqual(len(origin.connections), 1)

    def test_chunks(self) -> None:
        """An HTTP/1.0 answer with chunks can be read in two ways: 502."""
        gateway = self.forward()
        gateway.origin(
            reply=b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc")
        )
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().status, 502)

    def test_other_answers(self) -> None:
        """What is no HTTP/1 answer at all is a 502."""
        for reply in (
            b"ICY 200 OK\r\n\r\n",
            b"<html>hello</html>",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ):
            gateway = self.forward()
            gateway.origin(reply=reply)
            client = gateway.client()
            client.send(request(URL))
            self.assertEqual(client.response().status, 502, reply)
            self.assertLine(gateway, status=502, outcome="failed", reason="upstream_protocol")
