"""Servers that speak HTTP/2 alone, under decryption: passed on unread where that may be, else a page that says why."""

from __future__ import annotations

import ssl
from typing import Any

from gateway.api import DECRYPTED_ONLY, NONE, Clean, Coverage, Intercept, Need, hookimpl
from gateway.testing.harness import Harness
from tests.scenarios.interception import GET, InterceptionTestCase, authority_der
from tests.scenarios.plugins import Base
from tests.scenarios.veils import TlsClient, TlsOrigin, Veil
from tests.unit.wire.test_server_hello import TLS_1_3, server_hello

_NO_APPLICATION_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"
BROWSER = ("h2", "http/1.1")
# The whole list as a ClientHello has it (RFC 7301 section 3.1): the first three bytes alone are found in one of some ten
# thousand, in a key share of 1,200 random bytes.
_OFFERED = b"\x00\x0c\x02h2\x08http/1.1"


class Http2Origin(TlsOrigin):
    """An origin that refuses whoever does not offer HTTP/2, with the alert that is meant for it (RFC 7301 section 3.2)."""

    def __init__(self, gateway: Harness, pem: Any) -> None:
        super().__init__(gateway, pem, None, alpn=("h2",))
        self.refused = 0
        # Whoever connects after a refusal is neither taken nor turned away.
        self.then_silent = False

    def accept(self, socket: Any) -> None:
        """Look at what is offered first."""
        super().accept(socket)
        connection: Any = self.connections[-1]
        came = connection._came

        def first() -> None:
            if _OFFERED in connection.received:
                connection._came = came
                came()
                return
            connection.take()
            self.refused += 1
            if self.then_silent:
                self.admitting = None
            connection.send(_NO_APPLICATION_PROTOCOL)
            connection.end()

        connection._came = first


class Http2OnlyTests(InterceptionTestCase):
    """What becomes of them."""

    def browser(self, gateway: Harness, *, root: bytes = b"", **more: Any) -> TlsClient:
        """Let a client that can speak HTTP/2 go through; it trusts the origin's authority, unless told otherwise."""
        more.setdefault("alpn", BROWSER)
        return TlsClient(gateway, root or authority_der(), **more)

    def refused(self, gateway: Harness, words: str, **more: Any) -> None:
        """See that a client is shown a page with these words, over a certificate that nobody trusts."""
        origin = Http2Origin(gateway, self.pem)
        client = self.browser(gateway, shake=False, **more)
        careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        careless.check_hostname = False
        careless.verify_mode = ssl.CERT_NONE
        careless.set_alpn_protocols(list(more.get("alpn", BROWSER)))
        name = more.get("name", "origin.example.com")
        client.veil = Veil(client.raw, careless, server=False, name=name)
        client.send(GET)
        page = client.response()
        self.assertEqual(page.status, 502)
        self.assertIn(b"HTTP/2", page.content)
        self.assertIn(words.encode(), page.content)
        connect, inside = gateway.log
        self.assertEqual((connect["reason"], inside["reason"]), ("tls_http2_only",) * 2)
        self.assertIn(words, connect["detail"])
        self.assertEqual(len(origin.connections), 1)

    def test_passed_on(self) -> None:
        """It is passed on unread, to a connection of its own, and the log says why."""
        gateway = self.intercepting()
        origin = Http2Origin(gateway, self.pem)
        client = self.browser(gateway)
        self.assertTrue(client.veil.shaken, client.veil.failed)
        self.assertEqual(client.veil.tls.selected_alpn_protocol(), "h2")
        client.send(b"PRI * HTTP/2.0\r\n\r\n")
        self.assertEqual(origin.shaken[-1].plain, b"PRI * HTTP/2.0\r\n\r\n")
        self.assertEqual((origin.refused, len(origin.connections)), (1, 2))
        client.raw.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        tls = line["tls"]
        self.assertEqual((tls["decision"], tls["why"]), ("tunnel", "http2_only"))
        self.assertEqual(tls["server_name"], "origin.example.com")
        self.assertEqual((tls["version"], tls["upstream_version"]), ("TLSv1.3", "TLSv1.3"))

    def test_remembered(self) -> None:
        """The next client is passed on at once, for an hour; then the server is asked anew."""
        gateway = self.intercepting()
        origin = Http2Origin(gateway, self.pem)
        for _ in range(3):
            client = self.browser(gateway)
            self.assertTrue(client.veil.shaken, client.veil.failed)
            client.raw.reset()
        self.assertEqual((origin.refused, len(origin.connections)), (1, 4))
        gateway.advance(3601)
        self.assertTrue(self.browser(gateway).veil.shaken)
        self.assertEqual(origin.refused, 2)
        decided = gateway.service.recorder.counters.tls.decisions
        self.assertEqual(decided["tunnel", "http2_only"], 4)
        self.assertEqual(decided["intercept", "decrypt_all"], 2)

    def test_remembered_for_no_other(self) -> None:
        """A client that asks for another name, or offers nothing else, is not let past by what was learnt."""
        gateway = self.intercepting()
        origin = Http2Origin(gateway, self.pem)
        self.assertTrue(self.browser(gateway).veil.shaken)
        for more in ({"name": "a.cdn.example.com"}, {"alpn": ("http/1.1",)}):
            client = self.browser(gateway, **more)
            self.assertFalse(client.veil.shaken)
            self.assertIn("certificate", client.veil.failed)
        self.assertEqual(origin.refused, 3)

    def test_decrypted_again(self) -> None:
        """When it has learnt HTTP/1.1 it is decrypted, after that hour."""
        gateway = self.intercepting()
        Http2Origin(gateway, self.pem)
        self.assertTrue(self.browser(gateway).veil.shaken)
        self.tls_origin(gateway)
        gateway.advance(3601)
        client = self.browser(gateway, root=self.ca(gateway))
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)

    def test_unreachable_meanwhile(self) -> None:
        """A server that can't be reached for the second time ends it, when the time for that is over."""
        gateway = self.intercepting()
        origin = Http2Origin(gateway, self.pem)
        client = self.browser(gateway, shake=False)
        origin.then_silent = True
        client.veil.go_on()
        self.assertEqual(origin.refused, 1)
        self.assertEqual(gateway.connections, 1)
        gateway.advance(31)
        self.assertEqual(gateway.connections, 0)
        self.assertNotEqual(client.raw.closed, "")
        line = self.assertLine(gateway, outcome="failed", reason="connect_timeout")
        self.assertEqual(line["tls"]["why"], "http2_only")

    def test_block(self) -> None:
        """Where it is not let through there is a page, and no second connection."""
        self.refused(self.intercepting({"tls.on_http2_only": "block"}), "lets nothing pass")
        self.refused(self.intercepting({"tls.on_unknown_protocol": "block"}), "lets nothing pass")

    def test_client_of_http_1(self) -> None:
        """A client that would be refused as well gets the page."""
        self.refused(self.intercepting(), "would not help", alpn=("http/1.1",))

    def test_content_wanted(self) -> None:
        """What plugins want to scan does not pass unseen, unless the setting says so; then the log does, too."""

        class Scans(Base):
            @hookimpl()
            def content_need(self, txn: Any, side: Any) -> Need:
                return NONE

            @hookimpl()
            def scan_content(self, job: Any) -> Clean:
                return Clean("test", "1", Coverage(job.size, True))

        self.refused(self.intercepting(plugins={"test": Scans()}), "looked at here")
        gateway = self.intercepting({"tls.on_http2_only": "tunnel"}, plugins={"test": Scans()})
        Http2Origin(gateway, self.pem)
        client = self.browser(gateway)
        self.assertTrue(client.veil.shaken, client.veil.failed)
        client.raw.reset()
        line = self.assertLine(gateway, outcome="tunnelled")
        self.assertEqual(line["notes"]["scan_response"], "tunnel")
        self.assertEqual(line["tls"]["why"], "http2_only")

    def test_plugin_wants_it(self) -> None:
        """Nor what a plugin wants decrypted, or says may pass only so; whatever the setting says."""

        class Wants(Base):
            @hookimpl()
            def client_hello(self, client: Any, hello: Any) -> Intercept:
                return Intercept("curious")

        class Marks(Base):
            @hookimpl()
            def request_headers(self, txn: Any) -> None:
                txn.store[DECRYPTED_ONLY] = True

        said = {"tls.on_http2_only": "tunnel"}
        self.refused(self.intercepting(said, plugins={"test": Wants()}), "a plugin wants")
        self.refused(self.intercepting(said, plugins={"test": Marks()}), "only if it is decrypted")


class OverheardTests(InterceptionTestCase):
    """Version and cipher of TLS that passes unread."""

    def test_never_decrypted(self) -> None:
        """They stand in the log beside the decision."""
        gateway = self.intercepting({"tls.never_decrypt": ["origin.example.com"]})
        self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().content, b"from the origin", client.veil.failed)
        client.raw.reset()
        tls = self.assertLine(gateway, outcome="tunnelled")["tls"]
        name, version, _ = client.veil.tls.cipher() or ("", "", 0)
        self.assertEqual((tls["cipher"], tls["version"]), (name, version))
        self.assertEqual((tls["upstream_cipher"], tls["upstream_version"]), (name, version))
        self.assertEqual(tls["why"], "never_decrypt")

    def test_older(self) -> None:
        """So does a version that the gateway itself might not speak."""
        gateway = self.forward()
        origin = gateway.origin(port=443)
        client = gateway.client()
        client.send(
            b"CONNECT origin.example.com:443 HTTP/1.1\r\nHost: origin.example.com:443\r\n\r\n"
        )
        client.take()
        said = server_hello(version=0x0301, cipher=0x002F, without_extensions=True)
        origin.send(said[:20])
        self.assertEqual(client.take(), said[:20])
        origin.send(said[20:] + b"and so on")
        self.assertEqual(client.take(), said[20:] + b"and so on")
        client.reset()
        tls = self.assertLine(gateway, outcome="tunnelled")["tls"]
        self.assertEqual((tls["version"], tls["cipher"]), ("TLSv1", "AES128-SHA"))
        self.assertEqual((tls["decision"], tls["why"]), ("tunnel", "off"))

    def test_decrypted_already(self) -> None:
        """What looks like TLS within TLS that was decrypted is content, and says nothing of the connection."""
        gateway = self.intercepting()
        origin = self.tls_origin(gateway, None, alpn=())
        client = self.client(gateway, alpn=())
        client.send(b"\x00\x01binary")
        origin.shaken[0].send(server_hello(TLS_1_3, cipher=0x1303))
        client.raw.reset()
        tls = self.assertLine(gateway, outcome="tunnelled")["tls"]
        self.assertNotEqual(tls["cipher"], "TLS_CHACHA20_POLY1305_SHA256")
        self.assertEqual(tls["why"], "unknown_protocol")
