"""Tests of L{gateway.net.presented}: our own certificates, and that only those see them who should."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import ConfigError
from gateway.config.sections.tls import Tls, TlsClientCertificate
from gateway.net.presented import Presented
from gateway.net.trust import Trust
from gateway.net.upstream_contexts import UpstreamContexts
from gateway.net.upstream_sides import UpstreamSides
from gateway.net.verify import TrustStore
from tests.unit.net.certificates import Made, authority, issue
from tests.unit.net.tls_ends import shake

API = "api.example.com"
SERVERS = authority("Authority of servers")
CLIENTS = authority("Authority of clients")
MIDDLE = authority("Authority below that of clients", above=CLIENTS)


class PresentedCase(SynchronousTestCase):
    """A folder with our certificate: signed by an intermediate, so that its issuer has to be sent along."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.ours = issue(
            "gateway",
            MIDDLE,
            ("gateway.example.com",),
            usages=(x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH,),
        )
        pem = self.ours.pem + MIDDLE.pem.split(b"-----BEGIN PRIVATE")[0]
        self.path = self.folder / "client.pem"
        self.path.write_bytes(pem)

    def shown(self, host: str, path: Path | None = None) -> TlsClientCertificate:
        """Make one element of the setting."""
        return TlsClientCertificate(host=host, certificate=str(path or self.path))


class ChoiceTests(PresentedCase):
    """Which host gets which."""

    def test_hosts(self) -> None:
        """An exact name wins, then the longest wildcard, on whole labels; addresses match as they are."""
        hosts = (API, "*.example.com", "*.a.example.com", "192.0.2.1", "2001:db8::1")
        presented = Presented(map(self.shown, hosts))
        found = {
            host: presented.for_host(host)
            for host in (API, "API.example.com.", "b.example.com", "x.a.example.com")
        }
        self.assertIs(found[API], found["API.example.com."])
        self.assertEqual(len({id(one) for one in found.values()}), 3)
        for host in ("192.0.2.1", "[2001:db8::1]"):
            self.assertIsNotNone(presented.for_host(host))
        for host in ("example.com", "badexample.com", "192.0.2.10", ""):
            self.assertIsNone(presented.for_host(host), host)
        self.assertIsNone(Presented().for_host(API))

    def test_bad_file(self) -> None:
        """A file that is no good is named by its setting, and nothing of the key is told."""
        other = issue("other", None, ("other.example.com",))
        path = self.folder / "bad.pem"
        path.write_bytes(self.ours.pem.split(b"-----BEGIN PRIVATE")[0] + other.pem[-300:])
        error = self.assertRaises(ConfigError, Presented, [self.shown("a"), self.shown("b", path)])
        self.assertIn("tls.client_certificates[1].certificate: ", str(error))
        for line in other.pem.splitlines()[-4:-1]:
            self.assertNotIn(line.decode(), str(error))


class ShowingTests(PresentedCase):
    """A server that wants a certificate."""

    def server(self, version: int, made: Made | None = None) -> SSL.Connection:
        """Make one that takes those of the clients' root alone, for this version of TLS."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        made = made or issue(API, SERVERS, (API, "other.example.com"))
        context.use_certificate(crypto.X509.from_cryptography(made.certificate))
        context.use_privatekey(crypto.PKey.from_cryptography_key(made.key))
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(CLIENTS.certificate))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        context.set_session_id(b"tests")
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        return connection

    def sides(self) -> UpstreamSides:
        """Make our sides: the certificate is for one host."""
        tls = Tls(client_certificates=(self.shown(API),))
        store = TrustStore(Trust((SERVERS.certificate,), ()))
        presented = Presented(tls.client_certificates)
        contexts = UpstreamContexts(tls, store, lambda: 0.0, presented=presented)
        return UpstreamSides(store, contexts, lambda: 0.0, lambda host, fault: None)

    def connect(self, sides: UpstreamSides, host: str, server: SSL.Connection) -> Any:
        """Shake hands; gives our side's fault, and leaves what the server saw to it."""
        side = sides.side(host)
        connection = side.connection()
        try:
            shake(connection, server)
        except SSL.Error as error:
            return side.failed(connection, str(error.args[0][-1][-1]))
        return side.finish(connection)

    def test_shown(self) -> None:
        """The host that it is for gets it with its issuer, in TLS 1.2 and in TLS 1.3."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            server = self.server(version)
            self.assertIsNone(self.connect(self.sides(), API, server))
            seen = server.get_peer_certificate()
            assert seen is not None
            self.assertEqual(seen.to_cryptography(), self.ours.certificate)

    def test_not_shown_to_others(self) -> None:
        """A host that it is not for gets none."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            server = self.server(version)
            fault = self.connect(self.sides(), "other.example.com", server)
            # The server's own words.
            self.assertIn("did not return a certificate", fault.detail)
            self.assertIsNone(server.get_peer_certificate())

    def test_not_shown_to_impostors(self) -> None:
        """A server that is not believed never sees it."""
        impostor = issue(API, None, (API,))
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            server = self.server(version, impostor)
            fault = self.connect(self.sides(), API, server)
            self.assertEqual(fault.token, "self_signed")
            self.assertIsNone(server.get_peer_certificate())

    def test_asked(self) -> None:
        """It can be asked who gets one, for such connections are for one client each; their sessions are not kept."""
        sides = self.sides()
        self.assertTrue(sides.has_client_certificate(API))
        self.assertFalse(sides.has_client_certificate("other.example.com"))
        on = sides._contexts.for_host(API)
        self.assertTrue(on.presents)
        self.assertIsNot(on, sides._contexts.for_host("other.example.com"))
        server = self.server(SSL.TLS1_2_VERSION)
        side = sides.side(API)
        connection = side.connection()
        shake(connection, server)
        self.assertIsNone(side.finish(connection))

        class Ended:
            """As much of a transport as is asked."""

        ended: Any = Ended()
        ended.connection = connection
        with contextlib.suppress(SSL.Error):
            side.ended(ended)
        self.assertEqual(len(on.sessions), 0)
