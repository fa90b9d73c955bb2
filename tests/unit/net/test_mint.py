"""Leaves, judged by OpenSSL."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.ca_generation import CaProfile, Generation, generation, make_root
from gateway.net.ca_reading import Material
from gateway.net.certificates import CertificateAndKey
from gateway.net.mint import (
    MAX_LIFE,
    MAX_NAMES,
    Mirrored,
    NotMinted,
    Stamp,
    canonical_name,
    covers,
    mirrored,
)
from tests.unit.net.authorities import DAY, NOW, foreign, judged
from tests.unit.net.certificates import rsa_key

KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = make_root(CaProfile(), NOW)


def issuer(material: Material = ROOT) -> Generation:
    """Make an issuer of a CA."""
    return generation(NOW, material, Path("ca.pem"))


def made(name: str, model: Mirrored | None = None, material: Material = ROOT) -> x509.Certificate:
    """Mint a leaf."""
    return Stamp(issuer(material), KEY.public_key()).mint(name, model, NOW)


def shown(leaf: x509.Certificate) -> CertificateAndKey:
    """Make it ready for a connection."""
    return CertificateAndKey(
        (crypto.X509.from_cryptography(leaf),), crypto.PKey.from_cryptography_key(KEY)
    )


def names(leaf: x509.Certificate) -> list[str]:
    """Give the names of a leaf."""
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in found]


def original(
    *alternatives: x509.GeneralName, common: str = "", until: datetime.datetime = NOW + 30 * DAY
) -> x509.Certificate:
    """Make the certificate of an origin."""
    key = ec.generate_private_key(ec.SECP256R1())
    extra = (x509.SubjectAlternativeName(alternatives),) if alternatives else ()
    return foreign(common or "origin", key=key, ca=False, end=until, extra=extra).certificate


class ChainTests(SynchronousTestCase):
    """What strict clients say."""

    def test_name(self) -> None:
        """A leaf for a name is good for it and for no other."""
        leaf = shown(made("www.example.com"))
        self.assertEqual(judged(leaf, ROOT.certificate, "www.example.com"), "")
        self.assertIn("Hostname mismatch", judged(leaf, ROOT.certificate, "other.example.com"))

    def test_addresses(self) -> None:
        """A leaf for an address is good for that address, of both families."""
        for address in ("192.0.2.7", "2001:db8::7"):
            leaf = shown(made(canonical_name(address)))
            self.assertEqual(judged(leaf, ROOT.certificate, address), "")
            self.assertIn("IP address mismatch", judged(leaf, ROOT.certificate, "192.0.2.8"))

    def test_wildcard_of_the_origin(self) -> None:
        """A mirrored wildcard covers one label."""
        model = mirrored(original(x509.DNSName("*.example.com")))
        leaf = shown(made("www.example.com", model))
        self.assertEqual(judged(leaf, ROOT.certificate, "api.example.com"), "")
        self.assertNotEqual(judged(leaf, ROOT.certificate, "a.b.example.com"), "")

    def test_another_root(self) -> None:
        """Whoever trusts another root takes none of ours."""
        other = make_root(CaProfile(), NOW).certificate
        self.assertNotEqual(judged(shown(made("www.example.com")), other, "www.example.com"), "")

    def test_name_constraints(self) -> None:
        """OpenSSL and we agree on what a constrained CA may sign for."""
        profile = CaProfile(permitted=("example.com",), excluded=("bank.example.com",))
        root = make_root(profile, NOW)
        good = shown(made("www.example.com", None, root))
        self.assertEqual(judged(good, root.certificate, "www.example.com"), "")
        for name in ("www.example.net", "www.bank.example.com", "badexample.com", "192.0.2.7"):
            with self.assertRaises(NotMinted):
                made(name, None, root)
            # As if there were no constraints: the client has to be of our opinion.
            blind = replace(issuer(root), permitted=(), excluded=(), addresses=True)
            leaf = Stamp(blind, KEY.public_key()).mint(name, None, NOW)
            said = judged(shown(leaf), root.certificate, name)
            self.assertRegex(said, "subtree", name)

    def test_names_outside_the_constraints_are_left_out(self) -> None:
        """One name that the CA may not sign for doesn't spoil the others of a mirrored certificate."""
        root = make_root(CaProfile(permitted=("example.com",)), NOW)
        both = mirrored(original(x509.DNSName("example.net"), x509.DNSName("www.example.com")))
        leaf = made("www.example.com", both, root)
        self.assertEqual(names(leaf), ["www.example.com"])
        self.assertEqual(judged(shown(leaf), root.certificate, "www.example.com"), "")

    def test_intermediate(self) -> None:
        """An imported intermediate is sent along, and clients that know its root take the leaf."""
        root = foreign("root")
        below = foreign("below", above=root)
        leaf = shown(made("www.example.com", None, below))
        sent = issuer(below).shown
        self.assertEqual([one.subject for one in sent], [below.certificate.subject])
        self.assertEqual(judged(leaf, root.certificate, "www.example.com", sent), "")
        self.assertNotEqual(judged(leaf, root.certificate, "www.example.com"), "")


class MirrorTests(SynchronousTestCase):
    """What is repeated of the origin's certificate, and what is not."""

    def test_names_and_subject(self) -> None:
        """Names, addresses and common name are repeated."""
        model = mirrored(
            original(
                x509.DNSName("Example.com"),
                x509.DNSName("*.example.com"),
                x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
                x509.RFC822Name("a@example.com"),
                common="Example Shop",
            )
        )
        leaf = made("example.com", model)
        self.assertEqual(names(leaf), ["example.com", "*.example.com", "192.0.2.7"])
        (common,) = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        self.assertEqual(common.value, "Example Shop")

    def test_reads_what_openssl_gives(self) -> None:
        """The certificate may come as pyOpenSSL gives it."""
        certificate = original(x509.DNSName("example.com"))
        self.assertEqual(
            mirrored(crypto.X509.from_cryptography(certificate)), mirrored(certificate)
        )

    def test_other_names_are_not_mended(self) -> None:
        """A certificate for other names never becomes a good one for the name that was asked for."""
        for wrong in (
            original(x509.DNSName("www.example.net")),
            original(x509.DNSName("*.example.net")),
            original(common="www.example.com"),
            original(x509.RFC822Name("www.example.com")),
        ):
            with self.assertRaises(NotMinted):
                made("www.example.com", mirrored(wrong))

    def test_nothing_readable_is_not_mended(self) -> None:
        """Neither does one of which nothing could be read."""
        with self.assertRaises(NotMinted):
            made("www.example.com", Mirrored())

    def test_expired_is_not_mended(self) -> None:
        """A certificate past its end is repeated for nobody."""
        old = original(x509.DNSName("www.example.com"), until=NOW - DAY / 2)
        with self.assertRaises(NotMinted):
            made("www.example.com", mirrored(old))

    def test_excused(self) -> None:
        """What the operator has excused is mended: the name is added, the end is ours."""
        old = original(x509.DNSName("www.example.net"), until=NOW - DAY / 2)
        leaf = made("www.example.com", mirrored(old, excused=True))
        self.assertEqual(names(leaf), ["www.example.com", "www.example.net"])
        self.assertEqual(judged(shown(leaf), ROOT.certificate, "www.example.com"), "")

    def test_too_many_names(self) -> None:
        """Of thousands of names some are repeated, and the one that was asked for is among them."""
        many = [x509.DNSName(f"n{number}.example.com") for number in range(3000)]
        leaf = made("n2999.example.com", mirrored(original(*many)))
        self.assertEqual(len(names(leaf)), MAX_NAMES)
        self.assertEqual(judged(shown(leaf), ROOT.certificate, "n2999.example.com"), "")

    def test_odd_names_are_left_out(self) -> None:
        """A name that is none is not repeated: spaces, control characters, a star in the middle, line ends."""
        odd = [
            "a b.example.com",
            "a\x00.example.com",
            "a*.example.com",
            "a.*.com",
            "a.example.com\n",
            ".x",
        ]
        certificate = original(*map(x509.DNSName, [*odd, "www.example.com"]))
        self.assertEqual(mirrored(certificate).names, ("www.example.com",))

    def test_covers(self) -> None:
        """A star covers exactly one label."""
        self.assertTrue(covers(("*.example.com",), "www.example.com"))
        self.assertFalse(covers(("*.example.com",), "example.com"))
        self.assertFalse(covers(("*.example.com",), "a.b.example.com"))
        self.assertFalse(covers(("*.2.0.192",), "1.example.com"))


class FormTests(SynchronousTestCase):
    """Validity, serial number and extensions."""

    def test_validity_is_mirrored(self) -> None:
        """The end is the origin's; the begin lies a day back, for slow clocks."""
        young = make_root(CaProfile(), NOW - 30 * DAY)
        leaf = made(
            "a.example.com",
            mirrored(original(x509.DNSName("a.example.com"), until=NOW + 5 * DAY)),
            young,
        )
        self.assertEqual(leaf.not_valid_before_utc, NOW - DAY)
        self.assertEqual(leaf.not_valid_after_utc, NOW + 5 * DAY)

    def test_validity_is_clipped(self) -> None:
        """No leaf is valid for more than 90 days, or for longer than its issuer, or before it."""
        model = mirrored(original(x509.DNSName("a.example.com"), until=NOW + 800 * DAY))
        leaf = made("a.example.com", model)
        self.assertEqual(leaf.not_valid_after_utc - leaf.not_valid_before_utc, MAX_LIFE)
        short = foreign(begin=NOW - DAY / 2, end=NOW + DAY)
        leaf = made("a.example.com", model, short)
        self.assertEqual(leaf.not_valid_before_utc, NOW - DAY / 2)
        self.assertEqual(leaf.not_valid_after_utc, NOW + DAY)

    def test_extensions(self) -> None:
        """A leaf is for servers, signs no certificates, and points at its issuer's key."""
        leaf = made("a.example.com")
        found = leaf.extensions
        self.assertFalse(found.get_extension_for_class(x509.BasicConstraints).value.ca)
        self.assertEqual(
            list(found.get_extension_for_class(x509.ExtendedKeyUsage).value),
            [ExtendedKeyUsageOID.SERVER_AUTH],
        )
        self.assertFalse(found.get_extension_for_class(x509.KeyUsage).value.key_cert_sign)
        above = ROOT.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        self.assertEqual(
            found.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier,
            above.value.digest,
        )

    def test_serial_numbers(self) -> None:
        """They are random, of more than 64 bits, and differ also for one name."""
        serials = [made("a.example.com").serial_number for _ in range(20)]
        self.assertEqual(len(set(serials)), 20)
        self.assertGreater(max(serials).bit_length(), 128)

    def test_long_name(self) -> None:
        """A name too long for a subject stands among the names alone, and these are critical then."""
        name = ".".join(["a" * 60] * 3 + ["com"])
        leaf = made(name)
        self.assertEqual(list(leaf.subject), [])
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        self.assertTrue(found.critical)
        self.assertEqual(judged(shown(leaf), ROOT.certificate, name), "")

    def test_imported_keys(self) -> None:
        """RSA and larger curves sign too."""
        for key in (rsa_key(2048), ec.generate_private_key(ec.SECP384R1())):
            root = foreign(key=key)
            leaf = shown(made("a.example.com", None, root))
            self.assertEqual(judged(leaf, root.certificate, "a.example.com"), "")

    def test_without_key(self) -> None:
        """A CA whose key is gone makes none."""
        gone = Material(ROOT.certificate, None)
        with self.assertRaises(NotMinted):
            made("a.example.com", None, gone)


class NameTests(SynchronousTestCase):
    """What clients ask for."""

    def test_canonical(self) -> None:
        """Case, a last dot and brackets make no difference; addresses have one spelling."""
        self.assertEqual(canonical_name("WWW.Example.com."), "www.example.com")
        self.assertEqual(canonical_name("[2001:DB8:0::7]"), "2001:db8::7")
        self.assertEqual(canonical_name("xn--bcher-kva.example"), "xn--bcher-kva.example")

    def test_no_names(self) -> None:
        """What is no name gets no certificate."""
        for name in (
            "",
            ".",
            "a b",
            "*.example.com",
            "a\n",
            "a..b",
            "ü.example",
            "x" * 64,
            "a." * 127 + "ab",
        ):
            with self.assertRaises(NotMinted, msg=repr(name)):
                canonical_name(name)
