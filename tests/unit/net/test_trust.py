"""Tests of L{gateway.net.trust}: files and folders of certificates and revocation lists."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.trust import TrustError, load_trust, read_fingerprint, system_store
from gateway.net.verify import TrustStore
from tests.unit.net.certificates import Made, authority, revocation_list

ONE = authority("One")
TWO = authority("Two")


def pem(*made: Made) -> bytes:
    """Write certificates."""
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in made)


class LoadCase(SynchronousTestCase):
    """A folder to write to."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def file(self, name: str, content: bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def refused(self, *words: str, **more: object) -> None:
        """Check that loading fails, with these words."""
        with self.assertRaises(TrustError) as caught:
            load_trust(**{"system": None, **more})  # type: ignore[arg-type]
        for word in words:
            self.assertIn(word, str(caught.exception))


class CertificateTests(LoadCase):
    """Whose word counts."""

    def test_file(self) -> None:
        """A file holds one certificate or several, with remarks between, in PEM; or one in DER."""
        several = self.file("several.pem", b"# One\n" + pem(ONE) + b"# Two\n" + pem(TWO))
        self.assertEqual(
            load_trust([several], system=None).roots, (ONE.certificate, TWO.certificate)
        )
        one = self.file("one.cer", ONE.certificate.public_bytes(Encoding.DER))
        self.assertEqual(load_trust([one], system=None).roots, (ONE.certificate,))

    def test_folder(self) -> None:
        """Of a folder the files with the usual endings are read, in order; the same certificate counts once."""
        self.file("trust/b.crt", pem(TWO))
        self.file("trust/a.pem", pem(ONE))
        self.file("trust/c.pem", pem(ONE))
        self.file("trust/README", b"nothing")
        trust = load_trust([self.folder / "trust"], system=None)
        self.assertEqual(trust.roots, (ONE.certificate, TWO.certificate))

    def test_system(self) -> None:
        """The system's certificates come first; what can't be read among them is left out and told."""
        bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        system = self.file("system.pem", pem(ONE) + bad)
        more = self.file("more.pem", pem(TWO))
        self.assertEqual(
            load_trust([more], system=system).roots, (ONE.certificate, TWO.certificate)
        )
        empty = self.file("empty.pem", b"")
        self.refused("empty.pem", "no certificate in the system's", system=empty)

    def test_faults(self) -> None:
        """What the operator names and can't be read is an error that names the file."""
        bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        self.refused("bad.pem", "can't be read", more=[self.file("bad.pem", pem(ONE) + bad)])
        self.refused("none.pem", "no certificate", more=[self.file("none.pem", b"-----BEGIN X")])
        self.refused("garbage", "can't be read", more=[self.file("garbage", b"\x30\x01")])
        self.refused("missing.pem", "No such file", more=[self.folder / "missing.pem"])
        (self.folder / "hollow").mkdir()
        self.refused("hollow", "no file with one of", more=[self.folder / "hollow"])
        self.refused("no certificate is trusted")

    def test_whole_system(self) -> None:
        """The system's own store, where there is one, can be used."""
        try:
            place = system_store()
        except TrustError as error:
            self.assertIn("ca-certificates", str(error))
            return
        trust = load_trust(system=place)
        self.assertGreater(len(trust.roots), 10)
        TrustStore(trust).install(SSL.Context(SSL.TLS_CLIENT_METHOD))

    def test_named_system(self) -> None:
        """SSL_CERT_FILE names the system's store."""
        self.patch(os, "environ", {"SSL_CERT_FILE": "/there.pem"})
        self.assertEqual(system_store(), Path("/there.pem"))

    def test_no_system(self) -> None:
        """A system without a store is told, and what to do."""
        self.patch(os, "environ", {})
        self.patch(os.path, "isfile", lambda path: False)
        with self.assertRaises(TrustError) as caught:
            system_store()
        self.assertIn("install the package ca-certificates", str(caught.exception))


class ListTests(LoadCase):
    """Revocation lists."""

    def test_lists(self) -> None:
        """They are read in PEM, several in a file, and in DER."""
        first, second = revocation_list(ONE), revocation_list(TWO)
        both = first.public_bytes(Encoding.PEM) + second.public_bytes(Encoding.PEM)
        roots = self.file("roots.pem", pem(ONE))
        trust = load_trust([roots], [self.file("both.pem", both)], system=None)
        self.assertEqual(trust.revocations, (first, second))
        encoded = self.file("crls/one.crl", first.public_bytes(Encoding.DER))
        self.assertEqual(load_trust([roots], [encoded.parent], system=None).revocations, (first,))

    def test_faults(self) -> None:
        """A list that can't be read is an error: nobody should believe that he checks what he does not."""
        roots = [self.file("roots.pem", pem(ONE))]
        certificate = self.file("wrong.pem", pem(ONE))
        self.refused("wrong.pem", "no revocation list", more=roots, revocations=[certificate])
        self.refused("garbage", more=roots, revocations=[self.file("garbage", b"garbage")])


class FingerprintTests(SynchronousTestCase):
    """Fingerprints as people write them."""

    def test_forms(self) -> None:
        """With and without colons, in either case."""
        plain = "ab" * 32
        colons = ":".join(["AB"] * 32)
        for text in (plain, colons, f"sha256:{plain}", f" {plain}\n"):
            self.assertEqual(read_fingerprint(text), b"\xab" * 32)

    def test_others(self) -> None:
        """SHA-1 fingerprints and whatever else are refused."""
        for text in ("", "ab" * 20, "zz" * 32, "ab" * 33):
            with self.assertRaises(ValueError):
                read_fingerprint(text)
