"""Tests of L{gateway.net.verify}: a row for each thing that can be wrong with a server, and those that look alike and are right."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.trust import CertificateException, Trust
from gateway.net.verify import ClientSide, TrustStore
from tests.unit.net.certificates import (
    DAY,
    NOW,
    Made,
    authority,
    issue,
    key_usage,
    revocation_list,
    root,
    rsa_key,
    signed_anew,
)
from tests.unit.net.certificates import leaf as plain_leaf
from tests.unit.net.handshakes import Handshake, client, pass_on, server, store

HOST = "www.example.com"
ROOT = authority()
MIDDLE = authority("Intermediate of tests", above=ROOT)
STRANGER = authority("Stranger of tests")


def leaf(above: Made | None = MIDDLE, names: Iterable[str] = (HOST,), **more: object) -> Made:
    """Make a server's certificate."""
    return issue("leaf of tests", above, tuple(names), **more)  # type: ignore[arg-type]


def exception(
    made: Made, host: str = HOST, *, days: int = 1, fingerprint: bytes = b""
) -> CertificateException:
    """Make an exception for a certificate."""
    return CertificateException(
        host,
        fingerprint or made.certificate.fingerprint(hashes.SHA256()),
        (datetime.datetime.now(datetime.UTC) + days * DAY).date(),
        "a printer",
    )


def staple(
    made: Made,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    about: Made = MIDDLE,
    by: Made | None = None,
    valid: tuple[float, float] = (-1, 1),
) -> bytes:
    """Make a stapled response, by the issuer or by whom it delegated to."""
    signer = by or about
    revoked = NOW - DAY if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            made.certificate,
            about.certificate,
            hashes.SHA1(),
            status,
            NOW + valid[0] * DAY,
            NOW + valid[1] * DAY,
            revoked,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    )
    if by is not None:
        builder = builder.certificates([by.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


class VerifyCase(SynchronousTestCase):
    """Handshakes with a store that trusts one root."""

    def setUp(self) -> None:
        self.store = store(ROOT)

    def shake(self, *chain: Made, host: str = HOST, **more: object) -> Handshake:
        """Meet a server that shows this chain."""
        return Handshake(
            server(*chain, **more),  # type: ignore[arg-type]
            client(self.store),
            ClientSide(self.store, host),
        )

    def accepts(self, *chain: Made, host: str = HOST, **more: object) -> Handshake:
        """Meet a server that is to be believed."""
        done = self.shake(*chain, host=host, **more)
        self.assertIsNone(done.fault, done.fault and done.fault.detail)
        return done

    def refuses(self, token: str, *chain: Made, host: str = HOST, **more: object) -> Handshake:
        """Meet a server that is to be refused, for this reason, before it gets our Finished."""
        done = self.shake(*chain, host=host, **more)
        assert done.fault is not None, "accepted"
        self.assertEqual((done.fault.token, done.fault.page), (token, f"tls_{token}"))
        self.assertEqual(done.fault.status, 502)
        self.assertIs(done.side.fault, done.fault)
        self.assertTrue(done.alert.startswith(("tlsv1 ", "tls alert ", "sslv3 alert ")), done.alert)
        return done


class ChainTests(VerifyCase):
    """Who vouches for the server."""

    def test_good(self) -> None:
        """A certificate below a trusted root, with its intermediate, is good with both versions of TLS."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            done = self.accepts(leaf(), MIDDLE, version=version)
            self.assertEqual(done.side.faults, [])

    def test_root_may_be_sent(self) -> None:
        """A server that sends its root as well does no harm."""
        self.accepts(leaf(), MIDDLE, ROOT)

    def test_trusted_itself(self) -> None:
        """A certificate signed by itself is good where it is trusted itself, for its names alone."""
        made = leaf(None)
        self.store = store(made)
        self.accepts(made)
        self.refuses("wrong_host", made, host="other.example.com")

    def test_self_signed(self) -> None:
        """A certificate signed by itself is nobody's."""
        self.refuses("self_signed", leaf(None))

    def test_unknown_root(self) -> None:
        """A root that is not trusted vouches for nothing, whether it is sent or only its intermediate."""
        self.refuses("unknown_root", leaf(STRANGER), STRANGER)
        between = authority("Between", above=STRANGER)
        self.refuses("unknown_root", leaf(between), between)

    def test_incomplete_chain(self) -> None:
        """A missing intermediate is not looked for."""
        self.refuses("incomplete_chain", leaf())

    def test_no_partial_chain(self) -> None:
        """An intermediate that is trusted without its root ends no chain."""
        self.store = store(MIDDLE)
        self.refuses("unknown_root", leaf(), MIDDLE)

    def test_forged(self) -> None:
        """A certificate that names an authority and was not signed by its key is a forgery."""
        self.refuses("bad_signature", signed_anew(leaf(), STRANGER, "sha256"), MIDDLE)

    def test_issuer_is_no_authority(self) -> None:
        """Who has a certificate for a site can't issue others."""
        site = leaf()
        done = self.shake(leaf(site), site, MIDDLE)
        assert done.fault is not None
        self.assertEqual(done.fault.token, "key_usage")

    def test_path_length(self) -> None:
        """An authority that may have none below it has none."""
        short = issue("Short", ROOT, is_authority=True, path_length=0)
        below = authority("Below", above=short)
        self.refuses("path_length", leaf(below), below, short)
        self.accepts(leaf(short), short)

    def test_version_1(self) -> None:
        """A root of before authorities were marked as such is not taken for one; a lack of identifiers is forgiven."""
        key = crypto.PKey()
        key.generate_key(crypto.TYPE_RSA, 2048)
        old = crypto.X509()
        old.get_subject().CN = "Version 1"
        old.set_issuer(old.get_subject())
        old.set_serial_number(1)
        old.set_notBefore(f"{NOW - DAY:%Y%m%d%H%M%SZ}".encode())
        old.set_notAfter(f"{NOW + DAY:%Y%m%d%H%M%SZ}".encode())
        old.set_pubkey(key)
        old.sign(key, "sha256")
        signer = key.to_cryptography_key()
        assert isinstance(signer, rsa.RSAPrivateKey)
        made = Made(old.to_cryptography(), signer)
        self.store = store(made)
        self.refuses("key_usage", leaf(made))
        self.store = store(root())
        self.accepts(plain_leaf(HOST))

    def test_chain_without_end(self) -> None:
        """A chain of more authorities than anybody needs is not followed."""
        chain = [ROOT]
        for number in range(14):
            chain.append(authority(f"Authority {number}", above=chain[-1]))
        chain.append(leaf(chain[-1]))
        done = self.shake(*reversed(chain[1:]))
        assert done.fault is not None
        self.assertIn(done.fault.token, ("path_length", "unknown_root"))

    def test_name_constraints(self) -> None:
        """An authority for one domain certifies no other."""
        limits = x509.NameConstraints([x509.DNSName("example.org")], None)
        narrow = issue("Narrow", ROOT, is_authority=True, extensions=[limits])
        self.refuses("name_constraints", leaf(narrow), narrow)
        self.accepts(leaf(narrow, ["www.example.org"]), narrow, host="www.example.org")

    def test_all_is_noted(self) -> None:
        """What is wrong is noted, all of it, and the most telling is told."""
        done = self.refuses(
            "unknown_root", leaf(STRANGER, valid=(-5, -1)), STRANGER, host="a.example"
        )
        self.assertEqual(
            {fault.token for fault in done.side.faults}, {"unknown_root", "expired", "wrong_host"}
        )


class LeafTests(VerifyCase):
    """What the server's own certificate has to be."""

    def test_time(self) -> None:
        """Outside of its time a certificate is not valid, and the day is told."""
        made = leaf(valid=(-5, -1))
        done = self.refuses("expired", made, MIDDLE)
        assert done.fault is not None
        self.assertIn(
            f"expired on {made.certificate.not_valid_after_utc:%Y-%m-%d}", done.fault.detail
        )
        self.refuses("not_yet_valid", leaf(valid=(1, 5)), MIDDLE)

    def test_time_of_issuer(self) -> None:
        """An intermediate is judged by its time, too."""
        old = issue("Old", ROOT, is_authority=True, valid=(-5, -1))
        done = self.refuses("expired", leaf(old), old)
        assert done.fault is not None
        self.assertIn("issued with one that expired", done.fault.detail)

    def test_host(self) -> None:
        """Names match by label, a wildcard for one label; the common name never counts."""
        for names, host, good in (
            (["www.example.com"], "WWW.example.com.", True),
            (["*.example.com"], "www.example.com", True),
            (["*.example.com"], "a.b.example.com", False),
            (["*.example.com"], "example.com", False),
            (["*", "*.com", "w*.example.com"], "www.example.com", False),
            (["www.example.com.evil.example"], "www.example.com", False),
            (["other.example.com", "www.example.com"], "www.example.com", True),
            ([], "leaf of tests", False),
            (["192.0.2.7"], "192.0.2.7", True),
            (["2001:db8::7"], "[2001:db8:0::7]", True),
            (["192.0.2.7"], "192.0.2.8", False),
        ):
            with self.subTest(names=names, host=host):
                made = leaf(names=names)
                if good:
                    self.accepts(made, MIDDLE, host=host)
                elif " " not in host:
                    self.refuses("wrong_host", made, MIDDLE, host=host)

    def test_common_name_only(self) -> None:
        """A certificate whose common name is the host and that has no alternative names is for nobody."""
        self.refuses("wrong_host", issue(HOST, MIDDLE), MIDDLE)

    def test_names_of_the_peer(self) -> None:
        """Of the names of a wrong certificate only those that look like names are told."""
        done = self.refuses("wrong_host", leaf(names=["a.example", "<b>.example"]), MIDDLE)
        assert done.fault is not None
        self.assertIn("is for a.example.", done.fault.detail)
        self.assertNotIn("<", done.fault.detail)

    def test_usage(self) -> None:
        """A certificate for clients, or whose key may not sign, is no server's; one for any use is."""
        self.refuses("key_usage", leaf(usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), MIDDLE)
        self.refuses("key_usage", leaf(extensions=[key_usage(certifies=True)]), MIDDLE)
        self.accepts(leaf(extensions=[key_usage(signs=True)]), MIDDLE)
        self.accepts(leaf(usages=[]), MIDDLE)

    def test_weak_key(self) -> None:
        """RSA below 2048 bits is weak, of the server and of who issued for it."""
        short = rsa_key(1024)
        self.refuses("weak_key", leaf(key=short), MIDDLE)
        weak = issue("Weak", ROOT, is_authority=True, key=short)
        self.refuses("weak_key", leaf(weak), weak)

    def test_strong_keys(self) -> None:
        """RSA of 2048 and the larger curves are not."""
        self.accepts(leaf(key=rsa_key(2048)), MIDDLE)
        self.accepts(leaf(key=ec.generate_private_key(ec.SECP384R1())), MIDDLE)

    def test_weak_signature(self) -> None:
        """SHA-1 is refused on the server's certificate and on intermediates, and does not matter on a root."""
        self.refuses("weak_signature", signed_anew(leaf(), MIDDLE), MIDDLE)
        weak = signed_anew(authority("Weak signature", above=ROOT), ROOT)
        self.refuses("weak_signature", leaf(weak), weak)
        old = signed_anew(STRANGER, STRANGER)
        self.store = store(old)
        self.accepts(leaf(old))

    def test_weakness_without_security_level(self) -> None:
        """Weak keys and signatures are refused whatever level the ciphers were chosen with."""
        for made, token in (
            (leaf(key=rsa_key(1024)), "weak_key"),
            (signed_anew(leaf(), MIDDLE), "weak_signature"),
        ):
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_cipher_list(b"ALL:@SECLEVEL=0")
            self.store.install(context)
            done = Handshake(server(made, MIDDLE), context, ClientSide(self.store, HOST))
            assert done.fault is not None
            self.assertEqual(done.fault.token, token)


class RevocationTests(VerifyCase):
    """What was taken back."""

    def test_list(self) -> None:
        """A certificate on its issuer's list is revoked; others of that issuer, and of issuers without a list, are not."""
        bad, good = leaf(), leaf()
        self.store = store(ROOT, revocations=[revocation_list(MIDDLE, bad)])
        self.refuses("revoked", bad, MIDDLE)
        self.accepts(good, MIDDLE)
        self.accepts(leaf(ROOT))

    def test_revoked_intermediate(self) -> None:
        """An intermediate on the root's list takes all below along."""
        self.store = store(ROOT, revocations=[revocation_list(ROOT, MIDDLE)])
        done = self.refuses("revoked", leaf(), MIDDLE)
        assert done.fault is not None
        self.assertIn("issued with one that was revoked", done.fault.detail)

    def test_old_list(self) -> None:
        """With a list that is out of date nothing of that issuer is believed, and what it lists stays revoked."""
        bad = leaf()
        self.store = store(ROOT, revocations=[revocation_list(MIDDLE, bad, valid=(-5, -1))])
        done = self.refuses("revocation_unknown", leaf(), MIDDLE)
        assert done.fault is not None
        self.assertIn("out of date", done.fault.detail)
        self.refuses("revoked", bad, MIDDLE)
        self.assertEqual(len(self.store.cautions()), 1)

    def test_forged_list(self) -> None:
        """A list that somebody else signed in the issuer's name is no word of the issuer."""
        forged = revocation_list(Made(MIDDLE.certificate, STRANGER.key))
        self.store = store(ROOT, revocations=[forged])
        self.refuses("revocation_unknown", leaf(), MIDDLE)

    def test_staple(self) -> None:
        """A stapled response that says good is fine, one that says revoked ends it, with both versions of TLS."""
        made = leaf()
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.accepts(made, MIDDLE, staple=staple(made), version=version)
            done = self.refuses(
                "revoked",
                made,
                MIDDLE,
                staple=staple(made, ocsp.OCSPCertStatus.REVOKED),
                version=version,
            )
            assert done.fault is not None
            self.assertIn(f"{NOW - DAY:%Y-%m-%d}", done.fault.detail)

    def test_remembered_and_then_revoked(self) -> None:
        """What is remembered of a good certificate does not hide that it was revoked since."""
        made = leaf()
        self.accepts(made, MIDDLE)
        self.refuses("revoked", made, MIDDLE, staple=staple(made, ocsp.OCSPCertStatus.REVOKED))

    def test_bad_staple(self) -> None:
        """A staple that is out of date, or by an issuer that knows of no such certificate, is refused."""
        made = leaf()
        for bad in (staple(made, valid=(-5, -1)), staple(made, ocsp.OCSPCertStatus.UNKNOWN)):
            self.refuses("revocation_unknown", made, MIDDLE, staple=bad)

    def test_must_staple(self) -> None:
        """A certificate that must be stapled is not believed without a response that counts."""
        made = leaf(extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])])
        self.refuses("revocation_unknown", made, MIDDLE)
        self.accepts(made, MIDDLE, staple=staple(made))
        later = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
        excuse = later.public_bytes(Encoding.DER)
        self.refuses("revocation_unknown", made, MIDDLE, staple=excuse)
        self.accepts(leaf(), MIDDLE, staple=excuse)


class ExceptionTests(VerifyCase):
    """Certificates that are accepted although something is wrong."""

    def test_exception(self) -> None:
        """An exception lets its certificate through for its host, whatever is wrong with it, and that is known."""
        for made, chain in (
            (leaf(None), ()),
            (leaf(valid=(-5, -1)), (MIDDLE,)),
            (leaf(names=["printer"]), (MIDDLE,)),
            (leaf(STRANGER, key=rsa_key(1024)), ()),
        ):
            allowed = exception(made)
            self.store = store(ROOT, exceptions=[allowed])
            done = self.accepts(made, *chain)
            self.assertIs(done.side.excepted, allowed)
            self.assertTrue(done.side.faults)

    def test_name_constraints(self) -> None:
        """An exception covers what OpenSSL finds last, too."""
        limits = x509.NameConstraints([x509.DNSName("example.org")], None)
        narrow = issue("Narrow", ROOT, is_authority=True, extensions=[limits])
        made = leaf(narrow)
        self.store = store(ROOT, exceptions=[exception(made)])
        self.accepts(made, narrow)

    def test_needless(self) -> None:
        """An exception for a certificate that is good is not used."""
        made = leaf()
        self.store = store(ROOT, exceptions=[exception(made)])
        self.assertIsNone(self.accepts(made, MIDDLE).side.excepted)

    def test_ran_out(self) -> None:
        """An exception that ran out yesterday helps nobody, and that is said; one that ends today still does."""
        made = leaf(None)
        old = exception(made, days=-1)
        self.store = store(ROOT, exceptions=[old])
        done = self.refuses("self_signed", made)
        assert done.fault is not None
        self.assertIn(f"ran out on {old.until}", done.fault.detail)
        self.assertIn("ran out", self.store.cautions()[0])
        self.store = store(ROOT, exceptions=[exception(made, days=0)])
        self.accepts(made)

    def test_another_certificate(self) -> None:
        """An exception is for one certificate and one host, and for no other."""
        made, other = leaf(None), leaf(None)
        self.store = store(ROOT, exceptions=[exception(made)])
        done = self.refuses("self_signed", other)
        assert done.fault is not None
        self.assertIn("for another certificate", done.fault.detail)
        self.refuses("self_signed", made, host="other.example.com")

    def test_revoked(self) -> None:
        """No exception covers a revoked certificate."""
        made = leaf()
        self.store = store(
            ROOT, revocations=[revocation_list(MIDDLE, made)], exceptions=[exception(made)]
        )
        done = self.refuses("revoked", made, MIDDLE)
        assert done.fault is not None
        self.assertIn("No exception", done.fault.detail)


class ConnectionTests(VerifyCase):
    """Connections rather than certificates."""

    def resume(self, host: str = HOST) -> tuple[Handshake, Handshake]:
        """Connect to a good server, and to the same one again with the session of before."""
        context, trust = server(leaf(), MIDDLE), client(self.store)
        first = Handshake(context, trust, ClientSide(self.store, HOST))
        first.talk()
        session = first.client.get_session()
        return first, Handshake(context, trust, ClientSide(self.store, host), session=session)

    def test_resumed(self) -> None:
        """A resumed session is good for the host whose certificate was judged for it."""
        first, second = self.resume()
        self.assertIsNone(first.fault)
        self.assertIsNone(second.fault)

    def test_resumed_for_another(self) -> None:
        """A session offered for another host is refused, although no certificate is shown any more."""
        _, second = self.resume("other.example.com")
        assert second.fault is not None
        self.assertEqual(second.fault.token, "not_verified")

    def test_resumed_elsewhere(self) -> None:
        """A session of another store is not believed."""
        context, trust = server(leaf(), MIDDLE), client(self.store)
        first = Handshake(context, trust, ClientSide(self.store, HOST))
        first.talk()
        second = Handshake(
            context, trust, ClientSide(store(ROOT), HOST), session=first.client.get_session()
        )
        assert second.fault is not None
        self.assertEqual(second.fault.token, "not_verified")

    def test_resumed_too_late(self) -> None:
        """A session does not outlast its certificate."""
        later = NOW
        self.store = TrustStore(Trust((ROOT.certificate,)), now=lambda: later)
        context, trust = server(leaf(), MIDDLE), client(self.store)
        first = Handshake(context, trust, ClientSide(self.store, HOST))
        first.talk()
        later = NOW + 30 * DAY
        session = first.client.get_session()
        second = Handshake(context, trust, ClientSide(self.store, HOST), session=session)
        assert second.fault is not None
        self.assertEqual(second.fault.token, "not_verified")

    def test_resumed_exception(self) -> None:
        """A session of a certificate that was excepted is not believed: each connection asks whether it still is."""
        made = leaf(None)
        self.store = store(ROOT, exceptions=[exception(made)])
        context, trust = server(made), client(self.store)
        first = Handshake(context, trust, ClientSide(self.store, HOST))
        self.assertIsNone(first.fault)
        first.talk()
        session = first.client.get_session()
        second = Handshake(context, trust, ClientSide(self.store, HOST), session=session)
        assert second.fault is not None
        self.assertEqual(second.fault.token, "not_verified")

    def test_renegotiation(self) -> None:
        """A server that wants another handshake later, with another certificate perhaps, does not get one."""
        done = self.accepts(leaf(), MIDDLE, version=SSL.TLS1_2_VERSION)
        certificate = crypto.X509.from_cryptography(leaf().certificate)
        judge = done.side.take_certificate
        self.assertFalse(judge(certificate, 0, 0, 1))
        self.assertFalse(judge(certificate, 85, 0, 0))

    def test_without_a_side(self) -> None:
        """A connection that nobody expects anything of is refused."""
        context = client(self.store)
        ours, theirs = SSL.Connection(context, None), SSL.Connection(server(leaf(), MIDDLE), None)
        ours.set_connect_state()
        theirs.set_accept_state()
        with self.assertRaises(SSL.WantReadError):
            ours.do_handshake()
        pass_on(ours, theirs)
        with self.assertRaises(SSL.WantReadError):
            theirs.do_handshake()
        pass_on(theirs, ours)
        with self.assertRaises(SSL.Error) as caught:
            ours.do_handshake()
        self.assertNotIsInstance(caught.exception, SSL.WantReadError)
        self.flushLoggedErrors()

    def test_fault_of_our_own(self) -> None:
        """A judgement that fails in itself refuses, and is logged."""

        class Broken(TrustStore):
            def remembered(self, host: str, leaf: bytes) -> None:
                raise RuntimeError("broken")

        self.store = Broken(Trust((ROOT.certificate,)))
        self.refuses("not_verified", leaf(), MIDDLE)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_versions_and_ciphers(self) -> None:
        """What fails before any certificate is told apart."""
        old = server(leaf(), MIDDLE, version=SSL.TLS1_1_VERSION)
        done = Handshake(old, client(self.store), ClientSide(self.store, HOST))
        assert done.fault is not None
        self.assertEqual(done.fault.token, "version")
        picky = server(leaf(), MIDDLE, version=SSL.TLS1_2_VERSION)
        narrow = SSL.Context(SSL.TLS_CLIENT_METHOD)
        narrow.set_max_proto_version(SSL.TLS1_2_VERSION)
        narrow.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
        self.store.install(narrow)
        done = Handshake(picky, narrow, ClientSide(self.store, HOST))
        assert done.fault is not None
        self.assertEqual(done.fault.token, "no_shared_cipher")

    def test_handed_over(self) -> None:
        """What was read of a certificate is given once to who has asked to keep it; what is remembered is not read."""
        made = leaf()
        context, trust = server(made, MIDDLE), client(self.store)
        digest = made.certificate.fingerprint(hashes.SHA256())
        for keeps, read in ((True, made.certificate), (True, None)):
            side = ClientSide(self.store, HOST)
            side.keeps = keeps
            self.assertIsNone(Handshake(context, trust, side).fault)
            self.assertEqual((side.fingerprint, side.take_read()), (digest, read))
            self.assertIsNone(side.take_read())
        other = ClientSide(TrustStore(Trust((ROOT.certificate,))), HOST)
        trust = client(other.store)
        self.assertIsNone(Handshake(context, trust, other).fault)
        self.assertEqual((other.fingerprint, other.take_read()), (digest, None))

    def test_memory_is_bounded(self) -> None:
        """What is remembered has a bound, the oldest goes first, and one context serves many hosts."""
        made = leaf(names=["*.example.com"])
        self.store = TrustStore(Trust((ROOT.certificate,)), remembered=2)
        context, trust = server(made, MIDDLE), client(self.store)
        digest = made.certificate.fingerprint(hashes.SHA256())
        for host in ("a.example.com", "b.example.com", "c.example.com"):
            self.assertIsNone(Handshake(context, trust, ClientSide(self.store, host)).fault)
        known = [self.store.remembered(f"{one}.example.com", digest) is not None for one in "abc"]
        self.assertEqual(known, [False, True, True])
