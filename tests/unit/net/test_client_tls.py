"""Tests of L{gateway.net.client_tls}: what is told of a handshake, with OpenSSL on both sides."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.transaction import ClientTls
from gateway.net.client_tls import client_tls, handshake_result, is_resumed
from gateway.net.tls import TlsFailed
from gateway.net.tls_faults import CERTIFICATE_TOKENS, HANDSHAKE_TOKENS, TlsFault
from tests.unit.net.certificates import client_context, server_context
from tests.unit.net.tls_ends import as_client, shake


class ClientTlsTests(SynchronousTestCase):
    """What was agreed on."""

    def setUp(self) -> None:
        """Make the contexts of both sides."""
        self.server_context = server_context("www.example.com")
        self.server_context.set_session_id(b"tests")
        self.client_context = client_context()

    def ends(
        self, name: str = "www.example.com", session: SSL.Session | None = None
    ) -> tuple[SSL.Connection, SSL.Connection]:
        """Shake hands and give both ends."""
        client = as_client(self.client_context, name)
        if session is not None:
            client.set_session(session)
        server = SSL.Connection(self.server_context, None)
        server.set_accept_state()
        shake(client, server)
        return client, server

    def test_what_was_agreed_on(self) -> None:
        """Name, version and cipher are those of the handshake, the name in lower case."""
        client, server = self.ends("WWW.Example.com")
        self.assertEqual(
            client_tls(server, "terminate"),
            ClientTls(
                server_name="www.example.com",
                version="TLSv1.3",
                cipher=client.get_cipher_name() or "?",
                decision="terminate",
            ),
        )

    def test_no_name(self) -> None:
        """A client that names no host has an empty name."""
        _, server = self.ends("")
        self.assertEqual(client_tls(server, "terminate").server_name, "")

    def test_alpn(self) -> None:
        """The protocol that was agreed on is told."""
        self.server_context.set_alpn_select_callback(lambda connection, offered: b"http/1.1")
        self.client_context.set_alpn_protos([b"h2", b"http/1.1"])
        _, server = self.ends()
        self.assertEqual(client_tls(server, "terminate").alpn, "http/1.1")

    def test_upstream(self) -> None:
        """Of an intercepted connection the server's side is told as well."""
        self.client_context.set_max_proto_version(SSL.TLS1_2_VERSION)
        client, server = self.ends()
        tls = client_tls(server, "intercept", "decrypt_all", upstream=client)
        self.assertEqual((tls.decision, tls.why), ("intercept", "decrypt_all"))
        self.assertEqual(
            (tls.version, tls.upstream_version, tls.upstream_cipher),
            ("TLSv1.2", "TLSv1.2", server.get_cipher_name()),
        )

    def test_resumed(self) -> None:
        """A session that is taken up again is told, on both sides; the one before it was new."""
        client, server = self.ends()
        self.assertEqual((is_resumed(client), client_tls(server, "").resumed), (False, False))
        client, server = self.ends(session=client.get_session())
        self.assertEqual((is_resumed(client), client_tls(server, "").resumed), (True, True))


class ResultTests(SynchronousTestCase):
    """Kinds of handshakes that failed."""

    def test_client(self) -> None:
        """What OpenSSL says of a client's handshake falls into one of a few kinds."""
        for reason, kind in (
            ("", "closed"),
            ("unexpected eof while reading", "closed"),
            ("tlsv1 alert unknown ca", "refused"),
            ("ssl/tls alert bad certificate", "refused"),
            ("sslv3 alert certificate unknown", "refused"),
            ("certificate verify failed", "refused"),
            ("peer did not return a certificate", "refused"),
            ("ssl/tls alert handshake failure", "failed"),
            ("no shared cipher", "failed"),
            ("tlsv1 alert access denied", "failed"),
        ):
            self.assertEqual(handshake_result(TlsFailed(reason)), kind, reason)

    def test_upstream(self) -> None:
        """So do all faults of servers."""
        kinds = {
            token: handshake_result(TlsFault(token, "It is."))
            for token in (*CERTIFICATE_TOKENS, *HANDSHAKE_TOKENS)
        }
        self.assertEqual({kinds[token] for token in CERTIFICATE_TOKENS}, {"refused"})
        self.assertEqual(kinds["client_certificate"], "refused")
        self.assertEqual((kinds["closed"], kinds["timeout"]), ("closed", "timeout"))
        others = set(HANDSHAKE_TOKENS) - {"client_certificate", "closed", "timeout"}
        self.assertEqual({kinds[token] for token in others}, {"failed"})
