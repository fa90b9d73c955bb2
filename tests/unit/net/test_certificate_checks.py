"""Tests of L{gateway.net.certificate_checks}: single certificates."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.certificate_checks import (
    has_weak_key,
    has_weak_signature,
    is_address,
    is_for_host,
    some_names,
    wants_staple,
)
from tests.unit.net.certificates import authority, issue, rsa_key, signed_anew


class NameTests(SynchronousTestCase):
    """For whom a certificate is."""

    def test_addresses(self) -> None:
        """What is an address is compared with addresses only, and names with names only."""
        made = issue("a", None, ["192.0.2.7", "www.example.com"]).certificate
        self.assertTrue(is_address("192.0.2.7") and is_address("2001:db8::1"))
        self.assertFalse(is_address("www.example.com"))
        self.assertTrue(is_for_host(made, "192.0.2.7"))
        self.assertTrue(is_for_host(made, "www.example.com"))
        self.assertFalse(is_for_host(made, "192.0.2.70"))

    def test_address_as_a_name(self) -> None:
        """An address that is written as a DNS name is for nobody."""
        names = x509.SubjectAlternativeName([x509.DNSName("192.0.2.7")])
        made = issue("a", None, extensions=[names]).certificate
        self.assertFalse(is_for_host(made, "192.0.2.7"))

    def test_bad_names_beside_good_ones(self) -> None:
        """A name that means nothing spoils no other."""
        made = issue("a", None, ["*.*.example.com", "*", "www.example.com"]).certificate
        self.assertTrue(is_for_host(made, "www.example.com"))
        self.assertFalse(is_for_host(made, "a.b.example.com"))

    def test_no_host(self) -> None:
        """What can't be a host has no certificate."""
        made = issue("a", None, ["www.example.com"]).certificate
        for host in ("", "a b", "12", "www.example.com/"):
            self.assertFalse(is_for_host(made, host), host)

    def test_some_names(self) -> None:
        """A few names are told, if they are harmless."""
        many = [f"{letter}.example.com" for letter in "abcdef"]
        self.assertEqual(
            some_names(issue("a", None, many).certificate),
            "a.example.com, b.example.com, c.example.com",
        )
        self.assertEqual(some_names(issue("a", None, ["a\r\nb", "<i>"]).certificate), "")
        self.assertEqual(some_names(issue("a", None).certificate), "")


class StrengthTests(SynchronousTestCase):
    """Keys and signatures."""

    def test_keys(self) -> None:
        """RSA from 2048 bits and curves from 224 bits are strong enough."""
        for weak, key in (
            (True, rsa_key(1024)),
            (False, rsa_key(2048)),
            (True, ec.generate_private_key(ec.SECP192R1())),
            (False, ec.generate_private_key(ec.SECP224R1())),
            (False, ec.generate_private_key(ec.SECP256R1())),
        ):
            self.assertEqual(has_weak_key(issue("a", None, key=key).certificate), weak)

    def test_signatures(self) -> None:
        """SHA-1 and MD5 are weak."""
        root = authority()
        made = issue("a", root)
        self.assertFalse(has_weak_signature(made.certificate))
        self.assertTrue(has_weak_signature(signed_anew(made, root, "sha1").certificate))
        old = issue("old", None, key=rsa_key(2048))
        self.assertTrue(has_weak_signature(signed_anew(made, old, "md5").certificate))

    def test_must_staple(self) -> None:
        """A certificate may ask to be believed with a staple only."""
        self.assertFalse(wants_staple(issue("a", None).certificate))
        feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
        self.assertTrue(wants_staple(issue("a", None, extensions=[feature]).certificate))
