"""Certificates and keys in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.certificate_files import (
    certificate_paths,
    covers,
    is_readable_by_all,
    key_file,
    read_certificates,
    read_pair,
    read_pairs,
    read_revocations,
)
from gateway.config.faults import BadValue
from tests.unit.net.certificates import (
    Made,
    issue,
    leaf,
    revocation_list,
    root,
    rsa_key,
)

WWW = "www.example.com"


def certificate(made: Made) -> bytes:
    """Give the certificate alone."""
    return made.certificate.public_bytes(serialization.Encoding.PEM)


def key(made: Any, password: bytes = b"", style: str = "PKCS8") -> bytes:
    """Give the key alone."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    pem: bytes = made.private_bytes(
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat, style), lock
    )
    return pem


class PairTests(SynchronousTestCase):
    """A certificate with its key."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def put(self, name: str, *parts: bytes) -> str:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(b"".join(parts))
        return str(path)

    def fault(self, path: str, key_path: str = "") -> str:
        """Give what is wrong."""
        error = self.assertRaises(BadValue, read_pair, path, key_path)
        self.assertNotIn("PRIVATE KEY-----", error.message)
        return f"{error.message} ({error.mend})".replace(f"{self.folder}/", "")

    def test_one_file(self) -> None:
        """Certificate, issuers and key stand in one file in any order of key and certificates."""
        made = leaf(WWW, "*.example.com")
        for parts in (
            (certificate(made), key(made.key), certificate(root())),
            (key(made.key), certificate(made), certificate(root())),
            (b"a word before\n", certificate(made), certificate(root()), key(made.key)),
        ):
            pair = read_pair(self.put("www.pem", *parts))
            self.assertEqual(pair.leaf, made.certificate)
            self.assertEqual(pair.issuers, (root().certificate,))
            self.assertEqual(pair.names, (WWW, "*.example.com"))

    def test_two_files(self) -> None:
        """The key stands in the file that is named, or beside the certificate."""
        made = leaf(WWW)
        path = self.put("www.crt", certificate(made))
        self.assertIn("holds no private key", self.fault(path))
        self.put("www.key", key(made.key))
        self.assertEqual(read_pair(path).leaf, made.certificate)
        self.assertEqual(key_file(path), str(self.folder / "www.key"))
        other = self.put("elsewhere", key(made.key))
        self.assertEqual(read_pair(path, other).leaf, made.certificate)
        self.assertEqual(key_file(path, other), other)

    def test_kinds_of_keys(self) -> None:
        """RSA, EC and Ed25519 keys in each of their PEM forms are taken."""
        big = rsa_key(2048)
        for made, style in (
            (issue("rsa", root(), (WWW,), key=big), "PKCS8"),
            (issue("rsa", root(), (WWW,), key=big), "TraditionalOpenSSL"),
            (leaf(WWW), "TraditionalOpenSSL"),
            (
                issue("ed", root(), (WWW,), key=ed25519.Ed25519PrivateKey.generate()),  # type: ignore[arg-type]
                "PKCS8",
            ),
        ):
            path = self.put("www.pem", certificate(made), key(made.key, style=style))
            self.assertEqual(read_pair(path).leaf, made.certificate)

    def test_not_there(self) -> None:
        """A missing file is a fault with the system's reason."""
        self.assertIn(
            'cannot read "none.pem": No such file', self.fault(str(self.folder / "none.pem"))
        )

    def test_not_pem(self) -> None:
        """What is no certificate, or a damaged one, is a fault."""
        made = leaf(WWW)
        der = made.certificate.public_bytes(serialization.Encoding.DER)
        self.assertIn("no certificate in PEM form", self.fault(self.put("a.pem", der)))
        broken = certificate(made).replace(b"MII", b"AAA")
        self.assertIn("damaged certificate", self.fault(self.put("a.pem", broken, key(made.key))))

    def test_bad_keys(self) -> None:
        """A key that is damaged, locked, of another kind or of another certificate is a fault."""
        made = leaf(WWW)
        for content, expected in (
            (key(made.key, b"secret"), "locked with a password"),
            (key(made.key).replace(b"MIG", b"AAA"), "damaged private key"),
            (key(leaf("other.example.com").key), "does not belong to"),
            (key(ed448.Ed448PrivateKey.generate()), "not used for TLS"),
        ):
            path = self.put("a.pem", certificate(made), content)
            self.assertIn(expected, self.fault(path))
        path = self.put("a.pem", certificate(made))
        self.assertIn("no private key in PEM form", self.fault(path, path))

    def test_order(self) -> None:
        """A file that begins with an issuer says what to mend."""
        made = leaf(WWW)
        path = self.put("a.pem", certificate(root()), certificate(made), key(made.key))
        self.assertIn("the server's own certificate first", self.fault(path))

    def test_weak(self) -> None:
        """Keys and signatures that OpenSSL would not show are told before it comes to that."""
        small = rsa_key(1024)
        made = issue("weak", root(), (WWW,), key=small)
        path = self.put("a.pem", certificate(made), key(small))
        self.assertIn("RSA key of 1024 bits", self.fault(path))
        weak = crypto.X509.from_cryptography(leaf(WWW).certificate)
        weak.sign(crypto.PKey.from_cryptography_key(root().key), "sha1")
        made = Made(weak.to_cryptography(), leaf(WWW).key)
        path = self.put("a.pem", certificate(made), key(made.key))
        self.assertIn("signed with SHA1", self.fault(path))

    def test_folder(self) -> None:
        """A folder is its .pem and .crt files by name; an empty one, or a key for all, is a fault."""
        self.assertRaises(BadValue, certificate_paths, str(self.folder))
        for name, host in (("b.pem", "b.example.com"), ("a.pem", "a.example.com")):
            self.put(name, certificate(leaf(host)), key(leaf(host).key))
        self.put(".hidden.pem", b"")
        self.put("README", b"")
        found = read_pairs(str(self.folder))
        self.assertEqual([pair.names[0] for pair in found], ["a.example.com", "b.example.com"])
        self.assertRaises(BadValue, read_pairs, str(self.folder), "a.key")

    def test_authorities_and_lists(self) -> None:
        """Authorities are read from PEM; lists of revoked certificates from PEM and DER."""
        path = self.put("ca.pem", certificate(root()), certificate(leaf(WWW)))
        self.assertEqual(read_certificates(path), (root().certificate, leaf(WWW).certificate))
        one = revocation_list(root(), leaf(WWW))
        pem = one.public_bytes(serialization.Encoding.PEM)
        der = one.public_bytes(serialization.Encoding.DER)
        self.assertEqual(len(read_revocations(self.put("a.crl", pem, pem))), 2)
        self.assertEqual(len(read_revocations(self.put("a.crl", der))), 1)
        self.assertRaises(BadValue, read_revocations, self.put("a.crl", b"x"))

    def test_rights(self) -> None:
        """A file that others may read is told; one that is not there is not."""
        path = self.put("a.pem", b"")
        for mode, expected in ((0o600, False), (0o640, False), (0o644, True)):
            Path(path).chmod(mode)
            self.assertEqual(is_readable_by_all(path), expected)
        self.assertFalse(is_readable_by_all(path + ".none"))


class CoverTests(SynchronousTestCase):
    """Names and hosts."""

    def test_cover(self) -> None:
        """A wildcard is one whole label; a wildcard host needs that wildcard."""
        names = ("www.example.com", "*.example.net")
        for host, expected in (
            ("www.example.com", True),
            ("a.example.net", True),
            ("*.example.net", True),
            ("example.net", False),
            ("a.b.example.net", False),
            ("*.example.com", False),
            ("*.b.example.net", False),
        ):
            self.assertEqual(covers(names, host), expected, host)
