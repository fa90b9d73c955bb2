"""CAs that operators bring."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.ca_files import AuthorityError
from gateway.net.ca_reading import (
    Material,
    faults,
    key_kind,
    name_of,
    read_material,
    self_signed,
    signing_hash,
)
from tests.unit.net.authorities import DAY, NOW, foreign, pem
from tests.unit.net.certificates import rsa_key

OWN = foreign()


def encrypted(key: Any, passphrase: bytes) -> bytes:
    """Give a key as encrypted PEM."""
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    return pem


def packed(material: Material, passphrase: bytes | None) -> bytes:
    """Give a CA as PKCS#12."""
    how = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    return pkcs12.serialize_key_and_certificates(
        b"ca", material.key, material.certificate, material.chain, how
    )


class ReadingTests(SynchronousTestCase):
    """The forms in which a CA comes."""

    def refused(self, content: bytes, **more: Any) -> str:
        """Read what can't be read, and give what is said."""
        return str(self.assertRaises(AuthorityError, read_material, content, "ca.x", **more))

    def test_pem(self) -> None:
        """Key and certificate in any order, and what is written out comes back."""
        read = read_material(OWN.pem, "ca.pem")
        self.assertEqual(read.certificate, OWN.certificate)
        self.assertEqual(read.pem, OWN.pem)
        key, mark, rest = OWN.pem.partition(b"-----BEGIN CERT")
        self.assertEqual(read_material(b"Notes\n" + mark + rest + key, "x").pem, OWN.pem)

    def test_two_files(self) -> None:
        """The key may be in a file of its own, encrypted or not."""
        key, mark, rest = OWN.pem.partition(b"-----BEGIN CERT")
        certificate = mark + rest
        self.assertEqual(read_material(certificate, "x", key=key).pem, OWN.pem)
        locked = encrypted(OWN.key, b"secret")
        read = read_material(certificate, "x", key=locked, passphrase=b"secret")
        self.assertEqual(read.pem, OWN.pem)

    def test_old_form_of_keys(self) -> None:
        """Keys as older programs write them, with curve parameters before, are read."""
        assert OWN.key is not None
        old = OWN.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        before = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        content = before + old + pem(OWN.certificate).encode()
        self.assertEqual(read_material(content, "x").pem, OWN.pem)

    def test_pkcs12(self) -> None:
        """PKCS#12 with what is above the CA, with a passphrase and without."""
        below = foreign("below", above=OWN)
        for passphrase in (None, b"secret"):
            read = read_material(packed(below, passphrase), "x", passphrase=passphrase)
            self.assertEqual(read.pem, below.pem)
            self.assertEqual(read.chain, (OWN.certificate,))

    def test_passphrases(self) -> None:
        """A missing passphrase is asked for, a wrong one is called so, and none is ever shown."""
        both = encrypted(OWN.key, b"secret") + pem(OWN.certificate).encode()
        for content in (both, packed(OWN, b"secret")):
            self.assertIn("--passphrase-file", self.refused(content))
            said = self.refused(content, passphrase=b"wrongly")
            self.assertIn("passphrase is wrong", said)
            self.assertNotIn("wrongly", said)

    def test_chain(self) -> None:
        """What is above is put in order; strangers and what does not link are left out."""
        root = foreign("root")
        middle = foreign("middle", above=root)
        below = foreign("below", above=middle)
        assert below.key is not None
        key = Material(below.certificate, below.key).pem.partition(b"-----BEGIN CERT")[0]
        rest = pem(foreign("stranger").certificate, root.certificate, below.certificate)
        read = read_material(key + (rest + pem(middle.certificate)).encode(), "x")
        self.assertEqual(read.certificate, below.certificate)
        self.assertEqual(read.chain, (middle.certificate, root.certificate))

    def test_what_can_not_be_read(self) -> None:
        """Each is said with the file and what to do."""
        key, mark, rest = OWN.pem.partition(b"-----BEGIN CERT")
        self.assertIn("neither PEM nor PKCS#12", self.refused(b"hello"))
        self.assertIn("neither PEM nor PKCS#12", self.refused(b""))
        self.assertIn("has no certificate", self.refused(key))
        self.assertIn("has no private key", self.refused(mark + rest))
        self.assertIn("damaged", self.refused(key + mark + rest[:60]))
        self.assertIn("the key can't be read", self.refused(key[:60] + b"\n" + mark + rest))
        self.assertIn(
            "belongs to none", self.refused(key + pem(foreign("other").certificate).encode())
        )
        self.assertTrue(self.refused(b"hello").startswith("ca.x: "))

    def test_other_keys(self) -> None:
        """A key that clients have no use for is refused."""
        key = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.assertIn("neither RSA nor EC", self.refused(key + pem(OWN.certificate).encode()))

    def test_without_key(self) -> None:
        """Where a certificate alone will do, it does."""
        read = read_material(pem(OWN.certificate).encode(), "x", keyless=True)
        self.assertEqual((read.key, read.certificate), (None, OWN.certificate))


class FaultTests(SynchronousTestCase):
    """What can't be the gateway's CA."""

    def said(self, material: Material) -> str:
        """Give all faults."""
        return "; ".join(faults(material, NOW))

    def test_good_ones(self) -> None:
        """A plain CA, an old one without key usage, and one for any purpose will do."""
        for one in (
            OWN,
            foreign(sign=None),
            foreign(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
            foreign(key=rsa_key(2048)),
            foreign("below", above=OWN),
        ):
            self.assertEqual(self.said(one), "")

    def test_bad_ones(self) -> None:
        """Each fault is named."""
        weak: Any = rsa_key(1024)
        odd = ec.generate_private_key(ec.SECP256K1())
        for material, reason in (
            (foreign(ca=False), "not of a CA"),
            (foreign(ca=None), "basicConstraints is missing"),
            (foreign(sign=False), "keyCertSign"),
            (foreign(purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)), "extendedKeyUsage"),
            (foreign(end=NOW - DAY / 2), "it expired on"),
            (foreign(begin=NOW + DAY), "not valid before"),
            (foreign(key=weak), "1024 bits"),
            (foreign(key=odd), "secp256k1"),
            (foreign(above=foreign("root", end=NOW - DAY / 2)), "root, above it, expired"),
        ):
            self.assertIn(reason, self.said(material))

    def test_weak_signature(self) -> None:
        """SHA-1 is refused where clients look at it: below a root, and not on it."""
        below = foreign("below", above=OWN)
        assert OWN.key is not None
        for one, wrong in ((below, True), (OWN, False)):
            again = crypto.X509.from_cryptography(one.certificate)
            again.sign(crypto.PKey.from_cryptography_key(OWN.key), "sha1")
            old = Material(again.to_cryptography(), one.key)
            self.assertIs("signed with SHA1" in self.said(old), wrong)
            self.assertIs(self_signed(old.certificate), not wrong)


class DescriptionTests(SynchronousTestCase):
    """What is told of a CA."""

    def test_kinds(self) -> None:
        """Name, kind of key, and the hash that fits the key."""
        self.assertEqual(name_of(OWN.certificate), "CA of others")
        self.assertEqual(key_kind(OWN.certificate), "EC secp256r1")
        for key, kind, name in (
            (ec.generate_private_key(ec.SECP384R1()), "EC secp384r1", "sha384"),
            (ec.generate_private_key(ec.SECP521R1()), "EC secp521r1", "sha512"),
            (rsa_key(2048), "RSA 2048", "sha256"),
        ):
            self.assertEqual(key_kind(foreign(key=key).certificate), kind)
            self.assertEqual(signing_hash(key).name, name)
