"""A real server that speaks HTTP/2 alone, under decryption: OpenSSL's, which refuses whoever does not offer it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import connected
from tests.live.processes import made_folder
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    openssl_server,
    roots_in,
    site_certificate,
    trusting,
    tunnelled,
)
from tests.unit.net.certificates import authority


class Http2OnlyTests(SynchronousTestCase):
    """Clients that could speak it."""

    def setUp(self) -> None:
        self.root = roots_in(made_folder(self), authority("Live root"))
        self.port = openssl_server(self, site_certificate(), options=["-alpn", "h2"])

    def test_passed_on(self) -> None:
        """The first and the second client get through to the server itself, and the log says how."""
        gateway = Intercepting(self, self.root)
        context = trusting(self.root)
        context.set_alpn_protocols(["h2", "http/1.1"])
        for _ in range(2):
            stream = tunnelled(connected(self, gateway.forward), self.port)
            with context.wrap_socket(stream.socket, server_hostname=HOST) as inside:
                self.assertEqual(inside.selected_alpn_protocol(), "h2")
                name, version, _ = inside.cipher() or ("", "", 0)
        for line in gateway.lines(2):
            tls = line["tls"]
            self.assertEqual(line["outcome"], "tunnelled")
            self.assertEqual((tls["decision"], tls["why"]), ("tunnel", "http2_only"))
            self.assertEqual((tls["version"], tls["cipher"]), (version, name))

    def test_refused(self) -> None:
        """Where it may not pass, the log says what is wrong."""
        gateway = Intercepting(self, self.root, tls='on_http2_only = "block"')
        context = trusting(gateway.ca)
        context.set_alpn_protocols(["h2", "http/1.1"])
        stream = tunnelled(connected(self, gateway.forward), self.port)
        with self.assertRaises(OSError), context.wrap_socket(stream.socket, server_hostname=HOST):
            self.fail("a certificate that is trusted")
        (line,) = gateway.lines(1)
        self.assertEqual((line["outcome"], line["reason"]), ("failed", "tls_http2_only"))
        self.assertIn("lets nothing pass", line["detail"])
