"""What passes a gateway that decrypts without being read: by the operator's rules, by a plugin's, or because it is no HTTP within TLS."""

from __future__ import annotations

from typing import Any

from gateway.api import ClientHello, Intercept, Tunnel, hookimpl
from gateway.testing.peers import request
from tests.scenarios.interception import GET, InterceptionTestCase, authority_der
from tests.scenarios.plugins import Base
from tests.scenarios.veils import TARGET, TlsClient


class UnreadTests(InterceptionTestCase):
    """What passes without being read."""

    def test_never(self) -> None:
        """A host of never_decrypt is tunnelled, without a look at it."""
        gateway = self.intercepting({"tls.never_decrypt": ["origin.example.com"]})
        origin = self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        client.raw.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(line["tls"]["why"], "never_decrypt")
        self.assertEqual(len(origin.connections), 1)

    def test_never_by_claim(self) -> None:
        """Whoever claims a name of never_decrypt for an address gets to that name, unread, and not to the address."""
        gateway = self.intercepting({"tls.never_decrypt": ["origin.example.com"]})
        origin = self.tls_origin(gateway)
        other = gateway.origin("203.0.113.9", 443)
        client = TlsClient(gateway, authority_der(), target=b"203.0.113.9:443")
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        self.assertEqual(other.connection.received, b"")
        self.assertEqual(len(origin.connections), 1)

    def test_never_by_claim_of_another(self) -> None:
        """To claim such a name for another one is of no use."""
        gateway = self.intercepting({"tls.never_decrypt": ["bank.example.com"]})
        self.tls_origin(gateway)
        client = self.client(gateway, name="bank.example.com")
        self.assertIn("unable to get local issuer", client.veil.failed)
        self.assertLine(gateway, reason="tls_wrong_host")

    def test_rules(self) -> None:
        """With "rules" only what is listed is decrypted, or what a plugin wants."""

        class Wants(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: ClientHello) -> Intercept | None:
                return Intercept("curious") if hello.alpn == ("http/1.1",) else None

        gateway = self.intercepting({"tls.decrypt": "rules"}, plugins={"test": Wants()})
        self.tls_origin(gateway)
        unread = TlsClient(gateway, authority_der(), alpn=())
        unread.send(GET)
        self.assertEqual(unread.response().status, 200, unread.veil.failed)
        read = self.client(gateway)
        read.send(GET)
        self.assertEqual(read.response().status, 200, read.veil.failed)
        self.assertEqual(read.shown["issuer"][0][0][1][:10], "Gateway CA")

    def test_plugin_tunnels(self) -> None:
        """A plugin may have a connection passed on."""

        class Leaves(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: ClientHello) -> Tunnel:
                return Tunnel("private")

        gateway = self.intercepting(plugins={"test": Leaves()})
        self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().status, 200, client.veil.failed)

    def test_http_2_only(self) -> None:
        """A client that wants nothing but HTTP/2 is passed on, or closed where unknown protocols are not let through."""
        gateway = self.intercepting()
        self.tls_origin(gateway, alpn=("h2",))
        client = TlsClient(gateway, authority_der(), alpn=("h2",))
        self.assertTrue(client.veil.shaken, client.veil.failed)
        closed = self.intercepting({"tls.on_unknown_protocol": "block"})
        self.tls_origin(closed, alpn=("h2",))
        other = TlsClient(closed, authority_der(), alpn=("h2",))
        self.assertIn("ACCESS_DENIED", other.veil.failed.upper())

    def test_no_tls(self) -> None:
        """What is no TLS is passed on, with all that was looked at."""
        gateway = self.intercepting()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.take()
        client.send(b"SSH-2.0-a\r\n")
        self.assertEqual(origin.connection.received, b"SSH-2.0-a\r\n")
        origin.send(b"SSH-2.0-b\r\n")
        self.assertEqual(client.take(), b"SSH-2.0-b\r\n")
        client.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(line["tls"]["why"], "unknown_protocol")

    def test_no_tls_closed(self) -> None:
        """Or closed."""
        gateway = self.intercepting({"tls.on_unknown_protocol": "block"})
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.send(b"SSH-2.0-a\r\n")
        self.assertEqual(origin.connection.received, b"")
        self.assertEqual(client.closed, "fin")
        self.assertLine(gateway, outcome="refused")

    def test_server_speaks_first(self) -> None:
        """A server that speaks first is heard, for then it is no TLS."""
        gateway = self.intercepting()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(request(TARGET, method=b"CONNECT"))
        client.take()
        origin.send(b"220 ready\r\n")
        self.assertEqual(client.take(), b"220 ready\r\n")
        client.send(b"EHLO a\r\n")
        self.assertEqual(origin.connection.received, b"EHLO a\r\n")

    def test_other_within(self) -> None:
        """What is no HTTP within TLS is passed on between the two, and the log says so."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        client.send(b"\x00\x01binary")
        self.assertEqual(origin.shaken[0].plain, b"\x00\x01binary")
        origin.shaken[0].send(b"answer")
        self.assertEqual(client.veil.plain, b"answer")
        client.raw.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(
            (line["tls"]["decision"], line["tls"]["why"]), ("tunnel", "unknown_protocol")
        )

    def test_other_within_closed(self) -> None:
        """Or closed."""
        gateway = self.intercepting({"tls.on_unknown_protocol": "block"})
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        client.send(b"\x00\x01binary")
        self.assertEqual(origin.shaken[0].plain, b"")
        self.assertTrue(client.veil.ended or client.raw.closed)
        self.assertLine(gateway, outcome="refused")

    def test_server_first_within(self) -> None:
        """A server that speaks first within TLS is heard."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        origin.shaken[0].send(b"* OK ready\r\n")
        self.assertEqual(client.veil.plain, b"* OK ready\r\n", client.veil.failed)

    def test_other_within_after_a_kept_one(self) -> None:
        """It gets a connection of its own to the server, also while one is kept for requests."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway)
        first = self.client(gateway)
        first.send(GET)
        self.assertEqual(first.response().status, 200)
        origin.reply = None
        other = self.client(gateway, alpn=())
        other.send(b"\x00\x01binary")
        self.assertEqual([veil.plain for veil in origin.shaken][1:], [b"\x00\x01binary"])
