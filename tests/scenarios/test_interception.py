"""Decrypted tunnels: TLS with the server first, TLS with the client after what that has shown, HTTP within."""

from __future__ import annotations

from typing import Any

from gateway.api import Identity, hookimpl
from gateway.testing.peers import request
from tests.scenarios.interception import GET, PAGE, InterceptionTestCase
from tests.scenarios.plugins import Base
from tests.scenarios.veils import TARGET, TlsOrigin


class WithinTests(InterceptionTestCase):
    """A connection that is decrypted."""

    def test_request(self) -> None:
        """A request goes through the same pipeline, and reaches the server in origin-form with the client's Host."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        self.assertEqual(origin.request.start, b"GET /x HTTP/1.1")
        self.assertEqual(origin.request.get("host"), b"origin.example.com")
        self.assertEqual(origin.request.get("via"), b"1.1 gateway-under-test")
        connect, inside = gateway.log
        self.assertEqual((connect["method"], connect["outcome"]), ("CONNECT", "intercepted"))
        self.assertEqual(connect["status"], 200)
        self.assertEqual(inside["url"], "https://origin.example.com/x")
        self.assertEqual((inside["outcome"], inside["upstream"]), ("delivered", "198.51.100.1:443"))
        for line in (connect, inside):
            tls = line["tls"]
            self.assertEqual((tls["decision"], tls["why"]), ("intercept", "decrypt_all"))
            self.assertEqual(tls["server_name"], "origin.example.com")
            self.assertEqual((tls["version"], tls["upstream_version"]), ("TLSv1.3", "TLSv1.3"))

    def test_mirrored(self) -> None:
        """The client is shown the names that the server's certificate has."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        names = [name for _, name in client.shown["subjectAltName"]]
        self.assertEqual(names, ["origin.example.com", "*.cdn.example.com"])

    def test_kept_open(self) -> None:
        """One connection carries many requests, and the server's is kept for the next client."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        for _ in range(3):
            client.send(GET)
        self.assertEqual(len(client.responses()), 3)
        other = self.client(gateway)
        other.send(GET)
        self.assertEqual(other.response().content, b"from the origin")
        self.assertEqual(len(origin.connections), 1)

    def test_hello_with_the_request(self) -> None:
        """A ClientHello that comes right behind the CONNECT is not lost."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway, shake=False)
        early = gateway.client()
        early.send(request(TARGET, method=b"CONNECT") + client.veil.hello())
        self.assertIn(b"\r\n\r\n\x16\x03\x03", early.received)

    def test_no_server_name(self) -> None:
        """Without a server name the host of the CONNECT is verified and shown."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway, name=None)
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin")

    def test_no_alpn(self) -> None:
        """Without ALPN what the client says first tells that it is HTTP."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway, alpn=())
        client.send(GET[:2])
        self.assertEqual(origin.requests, [])
        client.send(GET[2:])
        self.assertEqual(client.response().content, b"from the origin")
        self.assertEqual(gateway.log[0]["outcome"], "intercepted")

    def test_misdirected(self) -> None:
        """A request for a host that the server has no certificate for is refused with 421; for one that it has, it passes."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(request(b"/", b"Host: other.example.com"))
        client.send(request(b"/", b"Host: origin.example.com:444"))
        client.send(request(b"/", b"Host: a.cdn.example.com"))
        self.assertEqual([found.status for found in client.responses()], [421, 421, 200])
        self.assertEqual([found.get("host") for found in origin.requests], [b"a.cdn.example.com"])

    def test_targets(self) -> None:
        """The absolute form is understood, a tunnel within is not, and plain http is not what comes by TLS."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(request(b"https://origin.example.com/y", b"Host: origin.example.com"))
        client.send(request(b"http://origin.example.com/y", b"Host: origin.example.com"))
        self.assertEqual([found.status for found in client.responses()], [200, 421])
        self.assertEqual(origin.request.start, b"GET /y HTTP/1.1")
        other = self.client(gateway)
        other.send(request(TARGET, method=b"CONNECT"))
        self.assertEqual(other.response(b"CONNECT").status, 405)

    def test_upgrade(self) -> None:
        """A WebSocket within becomes a tunnel between the two sides of TLS."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None)
        client = self.client(gateway)
        client.send(
            request(
                b"/", b"Host: origin.example.com", b"Connection: Upgrade", b"Upgrade: websocket"
            )
        )
        server = origin.shaken[0]
        server.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
        )
        self.assertTrue(client.veil.plain.endswith(b"\r\n\r\nhello"), client.veil.plain)
        client.send(b"from the client")
        self.assertTrue(server.plain.endswith(b"from the client"))

    def test_identity(self) -> None:
        """Who the CONNECT was authenticated for is who sends the requests within; nobody is asked again."""

        class Door(Base):
            @hookimpl()
            def authenticate(self, txn: Any) -> Identity:
                self.asked.append(txn.request.method)
                return Identity("anna")

        door = Door()
        gateway = self.intercepting(plugins={"test": door})
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().status, 200)
        self.assertEqual([line["user"] for line in gateway.log], ["anna", "anna"])
        self.assertEqual(door.asked, ["CONNECT"])

    def test_by_parent(self) -> None:
        """A parent is asked for the tunnel, and TLS goes through it."""
        gateway = self.intercepting({"forward.parent": [{"url": "http://192.0.2.3:3128"}]})
        parent = self.tls_origin(gateway, PAGE, address="192.0.2.3", port=3128)
        granting = _Granting(parent)
        client = self.client(gateway)
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin")
        self.assertTrue(
            granting.asked[0].startswith(b"CONNECT origin.example.com:443 HTTP/1.1\r\n")
        )
        self.assertEqual(gateway.log[1]["route"], "direct")


class _Granting:
    """Lets each connection of an origin begin as a parent proxy that grants the tunnel."""

    def __init__(self, origin: TlsOrigin) -> None:
        self.asked: list[bytes] = []
        accept = origin.accept

        def accepted(socket: Any) -> None:
            accept(socket)
            connection: Any = origin.connections[-1]
            came = connection._came

            def first() -> None:
                data = connection.take()
                self.asked.append(data)
                connection._came = came
                connection.send(b"HTTP/1.1 200 Granted\r\n\r\n")

            connection._came = first

        origin.accept = accepted  # type: ignore[method-assign]
