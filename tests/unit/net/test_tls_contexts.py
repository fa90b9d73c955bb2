"""Tests of L{gateway.net.tls_contexts}: what two ends agree on, and what they do not."""

from __future__ import annotations

import contextlib
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.certificates import CertificateAndKey, Certificates
from gateway.net.tls_contexts import (
    KEY_SECONDS,
    ClientAuthorities,
    ServerContexts,
    ServerSide,
    TlsPolicy,
    accepting,
    client_context,
    server_context,
)
from tests.effort import spare_what_lasts
from tests.unit.net.certificates import Made, leaf, root
from tests.unit.net.tls_ends import Trusting, as_client, response, reused, shake

WWW = "www.example.com"


def shown(made: Made, *, lasting: bool = True, staple: bytes | None = None) -> CertificateAndKey:
    """Make what a listener shows."""
    one = CertificateAndKey.of(made.certificate, (root().certificate,), made.key)
    return CertificateAndKey(one.chain, one.key, one.names, staple, lasting)


class HandshakeCase(SynchronousTestCase):
    """A listener with certificates."""

    def setUp(self) -> None:
        self.www = shown(leaf(WWW))
        self.other = shown(leaf("other.example.com"))
        self.choice = Certificates([self.www, self.other])

    def server(self, context: SSL.Context | None = None, **more: Any) -> SSL.Connection:
        """Make a server's side."""
        side = ServerSide(self.choice.for_name, **more)
        return accepting(context or server_context(TlsPolicy()), side)

    def client(
        self,
        policy: TlsPolicy | None = None,
        *,
        name: str = WWW,
        context: SSL.Context | None = None,
    ) -> SSL.Connection:
        """Make a client's side."""
        return as_client(context or client_context(policy or TlsPolicy(), Trusting()), name)


class PolicyTests(HandshakeCase):
    """Versions and ciphers."""

    def test_versions(self) -> None:
        """The highest version that both allow is spoken; without one there is no handshake."""
        old, new = TlsPolicy(max_version="1.2"), TlsPolicy(min_version="1.3")
        for server, client, expected in (
            (TlsPolicy(), TlsPolicy(), "TLSv1.3"),
            (TlsPolicy(), old, "TLSv1.2"),
            (old, TlsPolicy(), "TLSv1.2"),
            (new, TlsPolicy(), "TLSv1.3"),
        ):
            one = self.client(client)
            shake(one, self.server(server_context(server)))
            self.assertEqual(one.get_protocol_version_name(), expected)
        self.assertRaises(SSL.Error, shake, self.client(old), self.server(server_context(new)))

    def test_no_policy(self) -> None:
        """A policy that allows no version is none."""
        self.assertRaises(ValueError, TlsPolicy, "1.3", "1.2")

    def test_modern_ciphers(self) -> None:
        """Modern is forward secrecy and authenticated encryption; what else clients offer is refused."""
        weak = TlsPolicy("1.2", "1.2", "compatible")
        for offered, accepted in (
            (b"ECDHE-ECDSA-AES128-GCM-SHA256", True),
            (b"ECDHE-ECDSA-CHACHA20-POLY1305", True),
            (b"ECDHE-ECDSA-AES128-SHA", False),
        ):
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_cipher_list(offered)
            context.set_max_proto_version(SSL.TLS1_2_VERSION)
            Trusting().install(context)
            if accepted:
                shake(self.client(context=context), self.server())
            else:
                self.assertRaises(SSL.Error, shake, self.client(context=context), self.server())
            # What is compatible takes all of them.
            one = self.client(context=context)
            shake(one, self.server(server_context(weak)))
            self.assertEqual(one.get_cipher_name(), offered.decode())

    def test_never(self) -> None:
        """Neither policy has RC4, 3DES, export, NULL or anonymous ciphers, also for old versions."""
        for policy in (
            TlsPolicy(),
            TlsPolicy(ciphers="compatible"),
            TlsPolicy("1.0", "1.3", "compatible"),
        ):
            names = self.client(policy).get_cipher_list()
            self.assertTrue(names)
            for name in names:
                for bad in ("RC4", "DES", "EXP", "NULL", "ADH", "AECDH", "PSK", "SRP", "MD5"):
                    self.assertNotIn(bad, name)

    def test_modern_list(self) -> None:
        """Every cipher of the modern list has forward secrecy and authenticates."""
        for name in self.client(TlsPolicy()).get_cipher_list():
            self.assertTrue(name.startswith(("TLS_", "ECDHE-")), name)
            self.assertTrue("GCM" in name or "CHACHA20" in name, name)

    def test_old_version_by_exception(self) -> None:
        """An exception for an old host speaks its version; without one it is refused."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_max_proto_version(SSL.TLS1_VERSION)
        made = leaf(WWW)
        context.use_certificate(made.certificate)
        context.use_privatekey(made.key)

        def old() -> SSL.Connection:
            connection = SSL.Connection(context, None)
            connection.set_accept_state()
            return connection

        self.assertRaises(SSL.Error, shake, self.client(), old())
        one = self.client(TlsPolicy("1.0"))
        shake(one, old())
        self.assertEqual(one.get_protocol_version_name(), "TLSv1")


class NameTests(HandshakeCase):
    """The certificate for the name."""

    def test_by_name(self) -> None:
        """A client gets the certificate of the name it asks for, in any case, with its issuers."""
        for name, expected in ((WWW, self.www), ("OTHER.example.com", self.other)):
            client, server = self.client(name=name), self.server()
            shake(client, server)
            chain = client.get_peer_cert_chain(as_cryptography=True)
            assert chain is not None
            self.assertEqual(
                [one.subject for one in chain],
                [expected.chain[0].to_cryptography().subject, root().certificate.subject],
            )
            self.assertIs(server.get_app_data().chosen, expected)

    def test_no_name(self) -> None:
        """A client that names nobody, or somebody unknown, gets the first one."""
        for name in ("", "unknown.example.net"):
            server = self.server()
            shake(self.client(name=name), server)
            self.assertIs(server.get_app_data().chosen, self.www)

    def test_minted(self) -> None:
        """A certificate that was minted is set on the connection, and the context keeps to itself the issuers."""
        minted = shown(leaf(WWW), lasting=False)
        self.choice = Certificates([minted])
        client = self.client()
        shake(client, self.server(server_context(TlsPolicy(), issuers=(root().certificate,))))
        chain = client.get_peer_cert_chain(as_cryptography=True)
        assert chain is not None
        self.assertEqual(
            [one.serial_number for one in chain],
            [minted.chain[0].get_serial_number(), root().certificate.serial_number],
        )
        self.assertEqual(minted.contexts, {})

    def test_none(self) -> None:
        """Where no certificate is given there is no handshake."""
        self.choice = Certificates([])
        self.assertRaises(SSL.Error, shake, self.client(), self.server())

    def test_failing_choice(self) -> None:
        """A choice that fails ends this handshake, and is logged."""

        def fail(name: str) -> CertificateAndKey | None:
            raise RuntimeError("no disk")

        server = accepting(server_context(TlsPolicy()), ServerSide(fail))
        self.assertRaises(SSL.Error, shake, self.client(), server)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_asked_once(self) -> None:
        """After a HelloRetryRequest, with a second ClientHello, the choice stands."""
        asked: list[str] = []

        def choose(name: str) -> CertificateAndKey | None:
            asked.append(name)
            return self.www

        server = accepting(server_context(TlsPolicy()), ServerSide(choose))
        client = self.client()
        # Shares for a group that the server does not take; pyOpenSSL itself has no word for groups.
        set_groups(client.get_context(), b"X448:P-256")
        set_groups(server.get_context(), b"P-256")
        client = self.client(context=client.get_context())
        server = accepting(server.get_context(), ServerSide(choose))
        shake(client, server)
        self.assertEqual(asked, [WWW])
        self.assertEqual(client.get_group_name(), "secp256r1")


class AlpnTests(HandshakeCase):
    """What is spoken within."""

    def spoken(self, *offered: bytes, ours: tuple[bytes, ...] = (b"http/1.1",)) -> bytes:
        """Shake hands with a client that offers this; the client must agree with the server."""
        client, server = self.client(), self.server(alpn=ours)
        if offered:
            client.set_alpn_protos(list(offered))
        shake(client, server)
        self.assertEqual(client.get_alpn_proto_negotiated(), server.get_alpn_proto_negotiated())
        return server.get_alpn_proto_negotiated()

    def test_http(self) -> None:
        """HTTP/1.1 is chosen when it is offered, wherever it stands."""
        self.assertEqual(self.spoken(b"h2", b"http/1.1"), b"http/1.1")

    def test_nothing_of_ours(self) -> None:
        """A client that offers nothing, or nothing of ours, is not sent away."""
        self.assertEqual(self.spoken(), b"")
        self.assertEqual(self.spoken(b"h2", b"spdy/3"), b"")
        self.assertEqual(self.spoken(b"h2", ours=()), b"")

    def test_our_order(self) -> None:
        """Of what both speak, ours is the choice."""
        self.assertEqual(self.spoken(b"http/1.1", b"h2", ours=(b"h2", b"http/1.1")), b"h2")


class ResumptionTests(HandshakeCase):
    """Tickets."""

    def resumed(
        self, before: SSL.Connection, server: SSL.Connection, context: SSL.Context, name: str = WWW
    ) -> bool:
        """Resume with the session of a connection; tell whether the server took it."""
        session = before.get_session()
        assert session is not None
        client = self.client(context=context, name=name)
        client.set_session(session)
        shake(client, server)
        return reused(client)

    def test_resumed(self) -> None:
        """A client comes back with its ticket, with each version."""
        for version in ("1.2", "1.3"):
            contexts = ServerContexts(lambda: 0.0)
            policy = TlsPolicy("1.2", version)
            context = client_context(policy, Trusting())
            first = self.client(context=context)
            shake(first, self.server(contexts.get(policy)))
            self.assertFalse(reused(first))
            self.assertTrue(self.resumed(first, self.server(contexts.get(policy)), context))

    def test_over_a_new_certificate(self) -> None:
        """A ticket outlives the exchange of the certificate."""
        contexts = ServerContexts(lambda: 0.0)
        context = client_context(TlsPolicy(), Trusting())
        first = self.client(context=context)
        shake(first, self.server(contexts.get(TlsPolicy())))
        self.choice = Certificates([shown(leaf(WWW, "new.example.com"))])
        self.assertTrue(self.resumed(first, self.server(contexts.get(TlsPolicy())), context))

    def test_keys_end(self) -> None:
        """With new keys an old ticket makes a full handshake, and no fault."""
        time = [0.0]
        contexts = ServerContexts(lambda: time[0])
        context = client_context(TlsPolicy(), Trusting())
        first = self.client(context=context)
        shake(first, self.server(contexts.get(TlsPolicy())))
        old = contexts.get(TlsPolicy())
        time[0] = KEY_SECONDS - 1
        self.assertIs(contexts.get(TlsPolicy()), old)
        time[0] = KEY_SECONDS
        self.assertIsNot(contexts.get(TlsPolicy()), old)
        self.assertFalse(self.resumed(first, self.server(contexts.get(TlsPolicy())), context))

    def test_switched_off(self) -> None:
        """Without tickets every handshake is a full one."""
        served = server_context(TlsPolicy(), tickets=False)
        context = client_context(TlsPolicy(), Trusting())
        first = self.client(context=context)
        shake(first, self.server(served))
        self.assertFalse(self.resumed(first, self.server(served), context))

    def test_context_lives(self) -> None:
        """A connection can end its handshake although its first context was given up meanwhile."""
        import gc

        spare_what_lasts()
        server = self.server(server_context(TlsPolicy()))
        client = self.client()
        moved = 0
        for one in (client, server):
            try:
                one.do_handshake()
            except SSL.WantReadError:
                moved += 1
        gc.collect()
        shake(client, server)
        gc.collect()
        client.send(b"x")
        server.bio_write(client.bio_read(1000))
        self.assertEqual(server.recv(10), b"x")


class ClientCertificateTests(HandshakeCase):
    """Mutual TLS."""

    def asking(self, *, required: bool = True) -> SSL.Context:
        """Make a context that trusts the root for clients."""
        clients = ClientAuthorities((root().certificate,), required=required)
        return server_context(TlsPolicy(), clients=clients)

    def presenting(self, made: Made | None) -> SSL.Context:
        """Make a client's context with a certificate."""
        context = client_context(TlsPolicy(), Trusting())
        if made is not None:
            context.use_certificate(made.certificate)
            context.use_privatekey(made.key)
        return context

    def test_verified(self) -> None:
        """A certificate of a trusted authority is let in and known, also when the session is resumed."""
        served, context = self.asking(), self.presenting(leaf("alice"))
        first, server = self.client(context=context), self.server(served)
        shake(first, server)
        session = first.get_session()
        assert session is not None
        for resumes in (False, True):
            client, server = self.client(context=context), self.server(served)
            if resumes:
                client.set_session(session)
            shake(client, server)
            self.assertEqual(reused(client), resumes)
            shown = server.get_peer_certificate(as_cryptography=True)
            assert shown is not None
            self.assertEqual(shown, leaf("alice").certificate)

    def test_required(self) -> None:
        """Without one, or with one of somebody else, there is no connection."""
        for context in (self.presenting(None), self.presenting(stranger())):
            client, server = self.client(context=context), self.server(self.asking())
            self.assertRaises(SSL.Error, shake, client, server)

    def test_optional(self) -> None:
        """Where it is optional, a client without one comes in, and one with a bad one does not."""
        server = self.server(self.asking(required=False))
        shake(self.client(context=self.presenting(None)), server)
        self.assertIsNone(server.get_peer_certificate(as_cryptography=True))
        client = self.client(context=self.presenting(stranger()))
        self.assertRaises(SSL.Error, shake, client, self.server(self.asking(required=False)))

    def test_no_way_around(self) -> None:
        """A ticket from where no certificate was asked for, or from where it was optional, opens nothing."""
        contexts = ServerContexts(lambda: 0.0)
        context = self.presenting(None)
        roots = (root().certificate,)
        optional = ClientAuthorities(roots, required=False)
        for clients in (None, optional):
            first = self.client(context=context)
            shake(first, self.server(contexts.get(TlsPolicy(), clients=clients)))
            session = first.get_session()
            assert session is not None
            again = self.client(context=context)
            again.set_session(session)
            strict = self.server(contexts.get(TlsPolicy(), clients=ClientAuthorities(roots)))
            self.assertRaises(SSL.Error, shake, again, strict)


class StapleTests(HandshakeCase):
    """OCSP responses."""

    def test_sent(self) -> None:
        """The response of the certificate that is shown is sent to a client that asks."""
        staple = response(leaf(WWW))
        self.choice = Certificates([shown(leaf(WWW), staple=staple), self.other])
        got: list[bytes] = []
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        Trusting().install(context)

        def take(connection: SSL.Connection, data: bytes, more: object) -> bool:
            got.append(data)
            return True

        context.set_ocsp_client_callback(take)
        for name in (WWW, "other.example.com"):
            client = self.client(context=context, name=name)
            client.request_ocsp()
            shake(client, self.server())
        self.assertEqual(got, [staple, b""])


class KeyLogTests(HandshakeCase):
    """The key log."""

    def test_lines(self) -> None:
        """Both directions write lines when they are told to, and only then."""
        lines: list[bytes] = []

        def log(connection: SSL.Connection, line: bytes) -> None:
            lines.append(line)

        shake(self.client(), self.server())
        self.assertEqual(lines, [])
        shake(self.client(), self.server(server_context(TlsPolicy(), key_log=log)))
        self.assertTrue(any(line.startswith(b"SERVER_TRAFFIC_SECRET_0 ") for line in lines))
        lines.clear()
        context = client_context(TlsPolicy(), Trusting(), key_log=log)
        shake(self.client(context=context), self.server())
        self.assertTrue(any(line.startswith(b"CLIENT_TRAFFIC_SECRET_0 ") for line in lines))


class RenegotiationTests(HandshakeCase):
    """Renegotiation."""

    def test_refused(self) -> None:
        """A client of TLS 1.2 that wants to renegotiate gets no second handshake."""
        old = TlsPolicy(max_version="1.2")
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        Trusting().install(context)
        client, server = self.client(context=context), self.server(server_context(old))
        shake(client, server)
        client.renegotiate()
        with contextlib.suppress(SSL.Error):
            client.do_handshake()
        server.bio_write(client.bio_read(65536))
        self.assertRaises(SSL.Error, server.recv, 100)
        self.assertEqual(server.total_renegotiations(), 0)


def set_groups(context: SSL.Context, groups: bytes) -> None:
    """Choose the groups for key exchange."""
    from OpenSSL._util import lib

    assert lib.SSL_CTX_set1_curves_list(context._context, groups) == 1


def stranger() -> Made:
    """Make a certificate that nobody signed but itself."""
    import datetime

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mallory")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1))
        .sign(key, hashes.SHA256())
    )
    return Made(made, key)
