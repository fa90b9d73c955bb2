"""Tests of L{gateway.net.termination}: from what the configuration says to a handshake."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.client_certificate import ClientCertificate
from gateway.api.events import Event
from gateway.config.faults import BadValue
from gateway.config.tls import CertificateFiles, ListenerTls
from gateway.net.client_certificates import ClientCertificateOver, client_certificate
from gateway.net.termination import Termination
from gateway.net.tls_contexts import ServerContexts, TlsPolicy, client_context
from tests.unit.net.certificates import NOW, Made, leaf, root
from tests.unit.net.tls_ends import Trusting, as_client, reused, shake

WWW = "www.example.com"


class TerminationTests(SynchronousTestCase):
    """A listener with one certificate in a file."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.path = folder / "www.pem"
        self.path.write_bytes(leaf(WWW).pem)
        self.authorities = folder / "clients.pem"
        self.authorities.write_bytes(root().certificate.public_bytes(Encoding.PEM))
        self.clock = Clock()
        self.contexts = ServerContexts(self.clock.seconds)
        self.events: list[Event] = []

    def made(self, before: Termination | None = None, client_ca: str = "") -> Termination:
        """Make it as a snapshot does."""
        told = ListenerTls((CertificateFiles(str(self.path)),), client_ca)
        return Termination(told, TlsPolicy(), self.contexts, self.events.append, before=before)

    def client(self, made: Made | None = None) -> SSL.Context:
        """Make the context of a client."""
        context = client_context(TlsPolicy(), Trusting())
        if made is not None:
            context.use_certificate(made.certificate)
            context.use_privatekey(made.key)
        return context

    def test_accepts(self) -> None:
        """A client shakes hands and speaks HTTP/1.1."""
        client, server = as_client(self.client(), WWW), self.made().accept()
        client.set_alpn_protos([b"h2", b"http/1.1"])
        shake(client, server)
        self.assertEqual(client.get_alpn_proto_negotiated(), b"http/1.1")

    def test_reload(self) -> None:
        """Over a reload, with a new certificate, a client's ticket is good."""
        before = self.made()
        context = self.client()
        first = as_client(context, WWW)
        shake(first, before.accept())
        session = first.get_session()
        assert session is not None
        self.path.write_bytes(leaf(WWW, "new.example.com").pem)
        after = self.made(before)
        again = as_client(context, WWW)
        again.set_session(session)
        shake(again, after.accept())
        self.assertTrue(reused(again))
        fresh = as_client(context, WWW)
        shake(fresh, after.accept())
        self.assertEqual(
            fresh.get_peer_certificate(as_cryptography=True),
            leaf(WWW, "new.example.com").certificate,
        )

    def test_handshake_under_way(self) -> None:
        """A handshake that began before a reload ends after it."""
        before = self.made()
        client, server = as_client(self.client(), WWW), before.accept()
        self.assertRaises(SSL.WantReadError, client.do_handshake)
        self.path.write_bytes(leaf(WWW, "new.example.com").pem)
        self.made(before)
        before.stop()
        del before
        shake(client, server)

    def test_follows(self) -> None:
        """The files are followed from start to stop."""
        made = self.made()
        made.start(self.clock)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        made.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bad_file(self) -> None:
        """A file that is no good is a fault, and so is one of authorities."""
        self.assertRaises(BadValue, self.made, client_ca="none")
        self.path.write_bytes(b"")
        self.assertRaises(BadValue, self.made)

    def test_clients(self) -> None:
        """A client is known by its certificate; without one it does not come in."""
        made = self.made(client_ca=str(self.authorities))
        server = made.accept()
        shake(as_client(self.client(leaf("alice", "alice.example.com")), WWW), server)
        moment = datetime.datetime.now(datetime.UTC)
        alice = leaf("alice", "alice.example.com").certificate
        self.assertEqual(
            client_certificate(server, moment),
            ClientCertificate(
                "CN=alice",
                "CN=Root of tests",
                ("alice", "alice.example.com"),
                alice.fingerprint(alice.signature_hash_algorithm).hex(),  # type: ignore[arg-type]
                f"{alice.serial_number:x}",
            ),
        )
        # A session that is resumed later does not outlive the certificate.
        for later in (NOW + datetime.timedelta(6), NOW - datetime.timedelta(2)):
            self.assertRaises(ClientCertificateOver, client_certificate, server, later)
        self.assertRaises(SSL.Error, shake, as_client(self.client(), WWW), made.accept())

    def test_no_certificate(self) -> None:
        """A client that was not asked has no identity."""
        server = self.made().accept()
        shake(as_client(self.client(leaf("alice")), WWW), server)
        self.assertIsNone(client_certificate(server, NOW))
