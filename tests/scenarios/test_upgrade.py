"""A connection changes its protocol only when its client asked for it, and only to WebSocket (RFC 9110 section 7.8)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase

ASK = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
)
ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class WebSocketTests(ScenarioTestCase):
    """An upgrade that was asked for."""

    def test_asked_and_accepted(self) -> None:
        """The request reaches the origin with its Upgrade, the 101 the client, then bytes go both ways."""
        for mode, target in ((self.forward, URL), (self.reverse, b"/")):
            gateway = mode()
            origin = gateway.origin()
            client = gateway.client()
            client.send(request(target, *ASK))
            self.assertEqual(origin.request.get("upgrade"), b"websocket")
            self.assertEqual((origin.request.get("connection") or b"").lower(), b"upgrade")
            origin.send(ACCEPT)
            head = client.responses()[0]
            self.assertEqual(
                (head.status, head.get("upgrade"), head.get("connection")),
                (101, b"websocket", b"Upgrade"),
            )
            self.assertEqual(head.get("sec-websocket-accept"), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            self.assertEqual(head.get("content-length"), None)
            self.assertEqual(head.get("transfer-encoding"), None)
            client.take()
            origin.connection.take()
            client.send(b"\x81\x05hello")
            origin.send(b"\x81\x05world")
            self.assertEqual(origin.connection.take(), b"\x81\x05hello")
            self.assertEqual(client.take(), b"\x81\x05world")

    def test_bytes_behind_the_heads(self) -> None:
        """Bytes that came with either head belong to the new protocol, in order and once."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK) + b"early up")
        origin.connection.take()
        origin.send(ACCEPT + b"early down")
        client.send(b" more")
        origin.send(b" more")
        self.assertTrue(client.received.endswith(b"\r\n\r\nearly down more"))
        self.assertEqual(origin.connection.take(), b"early up more")

    def test_end(self) -> None:
        """The end of one direction is passed on as that, then the other's; the log has bytes both ways."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK))
        origin.send(ACCEPT)
        client.send(b"last words")
        client.end()
        self.assertEqual(origin.connection.closed, "fin")
        origin.send(b"farewell")
        origin.connection.end()
        self.assertEqual(client.closed, "fin")
        self.assertTrue(client.received.endswith(b"farewell"))
        self.assertLine(
            gateway,
            status=101,
            outcome="tunnelled",
            bytes_in=10,
            bytes_out=len(client.received),
            method="GET",
        )

    def test_reset(self) -> None:
        """A reset of one side resets the other."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK))
        origin.send(ACCEPT)
        origin.connection.reset()
        self.assertEqual(client.closed, "reset")

    def test_refused(self) -> None:
        """An origin that ignores the wish just answers, and the connection goes on as before."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"no"))
        client = gateway.client()
        client.send(request(URL, *ASK))
        client.send(request(URL))
        self.assertEqual([found.status for found in client.responses()], [200, 200])
        self.assertEqual(len(origin.connections), 1)

    def test_interim_before(self) -> None:
        """Interim responses may come before the 101."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK))
        origin.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ACCEPT)
        self.assertEqual([found.status for found in client.responses()], [103, 101])

    def test_inactive(self) -> None:
        """A tunnel without a byte for its time is reset on both sides."""
        gateway = self.forward({"timeouts.tunnel": "60s"})
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK))
        origin.send(ACCEPT)
        gateway.advance(59.0)
        self.assertEqual(client.closed, "")
        gateway.advance(2.0)
        self.assertEqual((client.closed, origin.connection.closed), ("reset", "reset"))
        self.assertLine(gateway, status=101)


class RefusedTests(ScenarioTestCase):
    """What is not asked for, or not passed on."""

    def test_unasked(self) -> None:
        """A 101 that nobody asked for is no answer: 502, and the origin's connection is broken off."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(ACCEPT + b"smuggled")
        self.assertEqual(client.response().status, 502)
        self.assertEqual(origin.connection.closed, "reset")
        self.assertNotIn(b"smuggled", client.received)
        self.assertLine(gateway, status=502, reason="upstream_protocol")

    def test_without_upgrade_field(self) -> None:
        """A 101 that does not say what to is none either."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK))
        origin.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        self.assertEqual(client.response().status, 502)

    def test_to_another_protocol(self) -> None:
        """A 101 to something else than what was asked for is a fault of the origin."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, *ASK))
        origin.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        )
        self.assertEqual(client.response().status, 502)

    def test_h2c(self) -> None:
        """h2c is never asked for: it would be a way round everything here."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(
            request(
                URL,
                b"Connection: Upgrade, HTTP2-Settings",
                b"Upgrade: h2c",
                b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            )
        )
        self.assertEqual(
            set(origin.request.names) & {b"upgrade", b"http2-settings", b"connection"}, set()
        )
        self.assertEqual(client.response().status, 200)

    def test_h2c_among_others(self) -> None:
        """A list of protocols that has more than WebSocket in it is not asked for."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, b"Connection: Upgrade", b"Upgrade: websocket, h2c"))
        self.assertEqual(origin.request.get("upgrade"), None)

    def test_not_named_by_connection(self) -> None:
        """An Upgrade that Connection does not name is no wish."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, b"Upgrade: websocket"))
        self.assertEqual(origin.request.get("upgrade"), None)

    def test_with_content(self) -> None:
        """A request with content is not upgraded."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(request(URL, *ASK, method=b"POST", content=b"x"))
        self.assertEqual(origin.request.get("upgrade"), None)
        self.assertEqual(origin.request.content, b"x")

    def test_http10_client(self) -> None:
        """HTTP/1.0 knows no upgrade."""
        gateway = self.forward()
        origin = gateway.origin(reply=response())
        gateway.client().send(
            b"GET http://origin.example.com/ HTTP/1.0\r\n" + b"\r\n".join(ASK) + b"\r\n\r\n"
        )
        self.assertEqual(origin.request.get("upgrade"), None)
