"""Uploads are held to a limit: declared ones before any content, others at one byte too many."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase

LIMIT = {"limits.upload": "1000B"}
CHUNKED = b"Transfer-Encoding: chunked"


class DeclaredTests(ScenarioTestCase):
    """With a Content-Length."""

    def test_too_large(self) -> None:
        """413 before any content is read, no 100, and the origin is not asked."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Expect: 100-continue", b"Content-Length: 1001", method=b"POST"))
        found = client.response()
        self.assertEqual(
            (found.status, found.get("connection"), client.closed), (413, b"close", "fin")
        )
        self.assertIn(b"1001", found.content)
        self.assertEqual(origin.connections, [])
        self.assertLine(
            gateway, status=413, outcome="refused", reason="upload_limit", bytes_in=0, route="none"
        )

    def test_exactly_the_limit(self) -> None:
        """Exactly the limit passes."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=bytes(1000)))
        self.assertEqual((client.response().status, len(origin.request.content)), (200, 1000))

    def test_content_at_once(self) -> None:
        """Content that comes whole with the head is no reason to close: the next request is served."""
        gateway = self.forward(LIMIT)
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=bytes(30000)) + request(URL))
        self.assertEqual([found.status for found in client.responses()], [413, 200])

    def test_connect(self) -> None:
        """A tunnel is no upload."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        client.send(bytes(5000))
        self.assertEqual(len(origin.connection.received), 5000)


class ChunkedTests(ScenarioTestCase):
    """Without."""

    def test_too_large(self) -> None:
        """413 at one byte too many; the origin never sees a complete request, nor the byte."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST") + b"3e8\r\n" + bytes(1000) + b"\r\n")
        self.assertEqual(client.received, b"")
        self.assertEqual(len(origin.request.content), 1000)
        client.send(b"1\r\nx\r\n")
        self.assertEqual((client.response().status, client.closed), (413, "fin"))
        self.assertEqual((origin.request.complete, len(origin.request.content)), (False, 1000))
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(
            gateway, status=413, outcome="refused", reason="upload_limit", bytes_in=1001
        )

    def test_exactly_the_limit(self) -> None:
        """Exactly the limit passes."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST") + chunked(bytes(400), bytes(600)))
        self.assertEqual((client.response().status, len(origin.request.content)), (200, 1000))
        self.assertLine(gateway, status=200, bytes_in=1000)

    def test_at_once(self) -> None:
        """When all of it comes with the head, the origin is not even asked."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST") + chunked(bytes(1001)))
        self.assertEqual((client.response().status, origin.connections), (413, []))

    def test_while_connecting(self) -> None:
        """While the connection is still being made the limit holds too."""
        gateway = self.forward(LIMIT)
        gateway.origin().admitting = None
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST"))
        client.send(chunked(bytes(1001)))
        self.assertEqual(client.response().status, 413)
        self.assertEqual(gateway.network.connecting, 0)

    def test_after_the_answer_began(self) -> None:
        """When the answer has begun it is broken off instead."""
        gateway = self.forward(LIMIT)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, CHUNKED, method=b"POST") + b"3e8\r\n" + bytes(1000) + b"\r\n")
        origin.send(response(b"0123456789")[:-5])
        client.send(b"1\r\nx\r\n")
        self.assertFalse(client.response().complete)
        self.assertNotEqual(client.closed, "")
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, status=200, outcome="refused", reason="upload_limit")


class SiteTests(ScenarioTestCase):
    """A site's own limit."""

    def test_own_limit(self) -> None:
        """It wins over the general one, both ways."""
        sites: list[dict[str, object]] = [
            {"host": ["small.example.com"], "upload": "10B"},
            {"host": ["large.example.com"], "upload": "2000B"},
            {"host": ["usual.example.com"]},
            {"host": ["any.example.com"], "upload": 0},
        ]
        gateway = self.reverse(sites=list(sites), settings=LIMIT)
        gateway.origin(reply=response())
        found = []
        for host, size in (
            (b"small", 11),
            (b"small", 10),
            (b"large", 2000),
            (b"large", 2001),
            (b"usual", 1001),
            (b"any", 50000),
        ):
            client = gateway.client()
            client.send(
                request(b"/", b"Host: %b.example.com" % host, method=b"POST", content=bytes(size))
            )
            found.append(client.response().status)
        self.assertEqual(found, [413, 200, 200, 413, 413, 200])

    def test_without_the_plugin(self) -> None:
        """The limit is the plugin's: without it there is none."""
        gateway = self.forward({**LIMIT, "plugins.enabled": []})
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, method=b"POST", content=bytes(5000)))
        self.assertEqual(client.response().status, 200)
