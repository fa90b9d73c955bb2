"""Content keeps its bytes whatever its framing becomes (RFC 9112 section 6)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase

CHUNKED = b"Transfer-Encoding: chunked"


class RequestTests(ScenarioTestCase):
    """Uploads."""

    def test_length(self) -> None:
        """A declared length stays one."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, method=b"POST", content=b"abc"))
        self.assertEqual((origin.request.framing, origin.request.content), ("length", b"abc"))

    def test_chunked(self) -> None:
        """Chunks stay chunks, though not the same ones."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, CHUNKED, method=b"POST") + chunked(b"abc", b"def"))
        self.assertEqual((origin.request.framing, origin.request.content), ("chunked", b"abcdef"))

    def test_nothing(self) -> None:
        """A request without content gets no framing, and one with a length of 0 keeps that."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, method=b"POST"))
        client.send(request(URL, method=b"POST", content=b""))
        client.send(request(URL, CHUNKED, method=b"POST") + chunked())
        self.assertEqual(
            [found.framing for found in origin.requests], ["none", "length", "chunked"]
        )
        self.assertEqual([found.content for found in origin.requests], [b""] * 3)

    def test_chunk_extensions(self) -> None:
        """Chunk extensions end here."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(
            request(URL, CHUNKED, method=b"POST") + b'3;a="b"\r\nabc\r\n0;last\r\n\r\n'
        )
        self.assertEqual(origin.request.content, b"abc")
        self.assertNotIn(b";", origin.request.raw.partition(b"\r\n\r\n")[2])

    def test_cut_anywhere(self) -> None:
        """Where the bytes are cut makes no difference."""
        whole = request(URL, CHUNKED, method=b"POST") + chunked(b"abc", b"0123456789abcdefXYZ")
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        for cut in range(1, len(whole), 3):
            client = gateway.client()
            client.send(whole[:cut])
            client.send(whole[cut:])
            self.assertEqual(origin.connection.request.content, b"abc0123456789abcdefXYZ", cut)
            self.assertEqual(client.response().status, 200)
            client.close()
            origin.connection.close()

    def test_two_framings(self) -> None:
        """A request with both framings is refused, and nothing of it goes on."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST", content=chunked(b"abc")))
        self.assertEqual((client.response().status, client.closed), (400, "fin"))
        self.assertEqual(origin.connections, [])
        self.assertLine(
            gateway, status=400, outcome="failed", reason="bad_request", url="error:invalid-request"
        )

    def test_get_with_content(self) -> None:
        """Content of a GET means nothing and goes on nevertheless."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, content=b"abc"))
        self.assertEqual((origin.request.method, origin.request.content), (b"GET", b"abc"))

    def test_sent_at_once(self) -> None:
        """Each piece of an upload goes on as it comes."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST"))
        for piece in (b"a", b"bc", b"def"):
            origin.connection.take()
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.assertIn(piece, origin.connection.take())
        origin.send(response())


class ResponseTests(ScenarioTestCase):
    """Downloads."""

    def test_length(self) -> None:
        """A declared length stays one."""
        gateway = self.forward()
        gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual((client.response().framing, client.response().content), ("length", b"abc"))

    def test_chunked(self) -> None:
        """Chunks stay chunks."""
        gateway = self.forward()
        gateway.origin(
            reply=b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + chunked(b"abc", b"def")
        )
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(
            (client.response().framing, client.response().content), ("chunked", b"abcdef")
        )

    def test_cut_anywhere(self) -> None:
        """Where the bytes are cut makes no difference."""
        gateway = self.forward()
        origin = gateway.origin()
        for whole in (
            response(b"0123456789"),
            b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + chunked(b"0123", b"456789"),
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0123456789",
        ):
            for cut in range(1, len(whole), 3):
                client = gateway.client()
                client.send(request(URL))
                origin.send(whole[:cut])
                origin.send(whole[cut:])
                origin.connection.end()
                self.assertEqual(
                    (client.response().content, client.response().complete),
                    (b"0123456789", True),
                    cut,
                )
                client.close()

    def test_sent_at_once(self) -> None:
        """Head and each piece come as soon as they are there."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        self.assertEqual(client.response().status, 200)
        origin.send(b"abc")
        self.assertEqual(client.response().content, b"abc")
        origin.send(b"def")
        self.assertEqual(client.response().content, b"abcdef")

    def test_large(self) -> None:
        """Content of many reads comes whole."""
        content = bytes(range(256)) * 8000
        for reply in (
            response(content),
            b"HTTP/1.1 200 OK\r\n"
            + CHUNKED
            + b"\r\n\r\n"
            + chunked(content[:70000], content[70000:]),
        ):
            gateway = self.forward()
            gateway.origin(reply=reply)
            client = gateway.client()
            client.send(request(URL))
            self.assertEqual(client.response().content, content)
            self.assertLine(gateway, outcome="delivered", bytes_out=len(client.received))

    def test_two_framings(self) -> None:
        """An answer with both framings is none."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(chunked(b"abc"), CHUNKED))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().status, 502)
        self.assertNotEqual(origin.connection.closed, "")
        self.assertLine(gateway, status=502, outcome="failed", reason="upstream_protocol")

    def test_reason(self) -> None:
        """The reason phrase is passed on."""
        gateway = self.forward()
        gateway.origin(reply=response(status=b"299 Quite Fine"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().start, b"HTTP/1.1 299 Quite Fine")
