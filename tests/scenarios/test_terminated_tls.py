"""TLS that ends at the gateway: what plugins, log and metrics know of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Client, ClientTls, Plugin, Transaction, hookimpl
from gateway.service import GatewayService
from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.peers import ScriptedClient, response
from tests.unit.net.certificates import client_context, leaf

HOST = "www.example.com"


class Sees(Plugin):
    """Keeps what it is told of the client's TLS."""

    name = "sees"

    def __init__(self) -> None:
        super().__init__(None, None)  # type: ignore[arg-type]
        self.clients: list[Client] = []
        self.tls: list[ClientTls | None] = []

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Note it."""
        self.clients.append(txn.client)
        self.tls.append(txn.client.tls)


class Browser:
    """A client that speaks TLS over a scripted connection."""

    def __init__(self, raw: ScriptedClient, context: SSL.Context, session: Any = None) -> None:
        self.raw = raw
        self.tls = SSL.Connection(context, None)
        self.tls.set_tlsext_host_name(HOST.encode())
        self.tls.set_alpn_protos([b"h2", b"http/1.1"])
        if session is not None:
            self.tls.set_session(session)
        self.tls.set_connect_state()
        self.got = b""

    def shake(self) -> None:
        """
        Shake hands.

        @raise SSL.Error: it came to nothing; the other side was told.
        """
        for _ in range(4):
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                pass
            finally:
                self._carry()

    def send(self, data: bytes) -> None:
        """Send, and take what comes."""
        self.tls.send(data)
        self._carry()
        try:
            while True:
                self.got += self.tls.recv(65536)
        except SSL.Error:
            return

    def _carry(self) -> None:
        try:
            while True:
                self.raw.send(self.tls.bio_read(65536))
        except SSL.Error:
            pass
        came = self.raw.take()
        if came:
            self.tls.bio_write(came)


class TerminatedTlsTests(SynchronousTestCase):
    """A site with a certificate."""

    def setUp(self) -> None:
        """Start a gateway."""
        self.start()

    def start(self, **settings: object) -> None:
        """Start a gateway with a site on TLS and one without."""
        folder = Path(self.mktemp())
        folder.mkdir()
        certificate = folder / "www.pem"
        certificate.write_bytes(leaf(HOST).pem)
        certificate.chmod(0o600)
        self.plugin = Sees()
        origins = [f"http://{ORIGIN}"]
        tls_site = {
            "host": [HOST],
            "origins": origins,
            "listen": ["192.0.2.1:443"],
            "certificate": str(certificate),
        }
        plain_site = {"host": ["plain.example.com"], "origins": origins, "listen": ["192.0.2.1:80"]}
        self.gateway = Harness(
            GatewayService,
            {"site": [tls_site, plain_site], **settings},
            folder=str(folder / "gateway"),
            plugins={"sees": self.plugin},
        )
        self.addCleanup(self.gateway.stop)
        self.gateway.origin(reply=response(b"welcome"))
        self.counters = self.gateway.service.recorder.counters.tls
        names = [listening.name for listening in self.gateway.service.listenings]
        (self.secure,) = (at for at, name in enumerate(names) if name.endswith(":443"))

    def browser(self, context: SSL.Context, session: Any = None) -> Browser:
        """Connect to the site on TLS."""
        return Browser(self.gateway.client(listener=self.secure), context, session)

    def test_what_is_known(self) -> None:
        """Plugin and log are told what was agreed on; each request of a connection has the same object."""
        browser = self.browser(client_context())
        browser.shake()
        for _ in range(2):
            browser.send(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertEqual(browser.got.count(b"welcome"), 2)
        first, second = self.plugin.tls
        assert first is not None
        self.assertIs(first, second)
        self.assertEqual(
            first,
            ClientTls(
                server_name=HOST,
                version="TLSv1.3",
                cipher=browser.tls.get_cipher_name() or "?",
                alpn="http/1.1",
                decision="terminate",
            ),
        )
        self.assertEqual(
            [line["tls"] for line in self.gateway.log],
            2
            * [
                {
                    "server_name": HOST,
                    "version": "TLSv1.3",
                    "cipher": first.cipher,
                    "alpn": "http/1.1",
                    "resumed": False,
                    "decision": "terminate",
                    "why": None,
                    "upstream_version": None,
                    "upstream_cipher": None,
                }
            ],
        )

    def test_resumed(self) -> None:
        """A session that is taken up again is told, and counted apart."""
        context = client_context()
        first = self.browser(context)
        first.shake()
        first.send(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        second = self.browser(context, first.tls.get_session())
        second.shake()
        second.send(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertEqual([line["tls"]["resumed"] for line in self.gateway.log], [False, True])
        self.assertEqual(self.counters.handshakes, {("client", "new"): 1, ("client", "resumed"): 1})
        self.assertGreater(self.counters.seconds["client"], 0.0)

    def test_request_of_a_proxy(self) -> None:
        """A trusted proxy in front speaks for its client; the TLS is that of the connection all the same."""
        self.start(**{"network.trusted_proxies": ["192.0.2.7"]})
        browser = self.browser(client_context())
        browser.shake()
        browser.send(
            b"GET / HTTP/1.1\r\nHost: www.example.com\r\nX-Forwarded-For: 203.0.113.50\r\n\r\n"
        )
        line = self.gateway.line
        self.assertEqual((line["client"], line["tls"]["server_name"]), ("203.0.113.50", HOST))

    def test_secrets_stay_secret(self) -> None:
        """No secret of the session is in the log or in what plugins are given, as a key log knows them."""
        secrets: list[str] = []
        context = client_context()
        context.set_keylog_callback(lambda _, line: secrets.append(line.decode().split()[-1]))
        browser = self.browser(context)
        browser.shake()
        browser.send(b"GET / HTTP/1.1\r\nHost: www.example.com\r\nCookie: id=4711\r\n\r\n")
        self.assertGreaterEqual(len(secrets), 5)
        found = f"{self.gateway.log} {self.plugin.tls}"
        master = browser.tls.master_key()
        assert master
        for secret in (*secrets, master.hex(), "4711", "welcome"):
            self.assertNotIn(secret, found)

    def test_client_that_does_not_believe_it(self) -> None:
        """A client that refuses the certificate is counted, and there is nothing to log."""
        stranger = SSL.Context(SSL.TLS_METHOD)
        stranger.set_verify(SSL.VERIFY_PEER, lambda *_: False)
        browser = self.browser(stranger)
        self.assertRaises(SSL.Error, browser.shake)
        self.assertEqual(self.counters.handshakes, {("client", "refused"): 1})
        self.assertEqual(self.gateway.log, [])

    def test_client_that_goes(self) -> None:
        """So is one that goes in the middle, and one that takes too long."""
        self.gateway.client(listener=self.secure).close()
        silent = self.gateway.client(listener=self.secure)
        self.gateway.advance(40.0)
        self.assertTrue(silent.closed)
        self.assertEqual(
            self.counters.handshakes, {("client", "closed"): 1, ("client", "timeout"): 1}
        )

    def test_without_tls(self) -> None:
        """Where there is no TLS nothing is known of it."""
        client = self.gateway.client(listener=1 - self.secure)
        client.send(b"GET / HTTP/1.1\r\nHost: plain.example.com\r\n\r\n")
        self.assertEqual(client.response().status, 200)
        self.assertEqual(self.plugin.tls, [None])
        self.assertIsNone(self.gateway.line["tls"])
        self.assertEqual(self.counters.handshakes, {})
