"""The gateway's own site as curl sees it through the proxy, and the certificate from there in use."""

from __future__ import annotations

import hashlib
import plistlib
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import curl, made_folder, program_path
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    SecureOrigin,
    commanded,
    roots_in,
    serving,
    site_certificate,
    written,
)
from tests.unit.net.certificates import authority

SITE = "http://gateway.local"


class OwnSiteTests(SynchronousTestCase):
    """A client that has nothing but the proxy's address."""

    def setUp(self) -> None:
        self.folder = made_folder(self)
        self.gateway = Intercepting(self, roots_in(self.folder, authority("Live root")))
        self.proxy = ("-x", f"http://127.0.0.1:{self.gateway.forward}")

    def fetched(self, path: str, name: str) -> Path:
        """Fetch a file of the site."""
        file = self.folder / name
        done = curl(*self.proxy, "--fail", "-o", str(file), f"{SITE}{path}")
        self.assertEqual(done.returncode, 0, done.stderr)
        return file

    def test_from_nothing_to_https(self) -> None:
        """The certificate that the site offers is the one that decrypted connections need, and without it there is none."""
        origin = SecureOrigin(self, serving(written(self.folder, site_certificate())))
        url = f"https://{HOST}:{origin.port}/hello"
        self.assertEqual(curl(*self.proxy, url).returncode, 60)
        pem = self.fetched("/gateway-ca.pem", "ca.pem")
        done = curl(*self.proxy, "--cacert", str(pem), url)
        self.assertEqual((done.returncode, done.stdout), (0, b"origin"), done.stderr)
        self.assertEqual(len(origin.seen), 1)

    def test_page(self) -> None:
        """The page shows the fingerprint that the command shows, and links to files that are there."""
        page = curl(*self.proxy, f"{SITE}/").stdout.decode()
        shown = commanded(self.gateway, "ca", "show")
        certificate = x509.load_pem_x509_certificate(
            self.fetched("/gateway-ca.pem", "ca.pem").read_bytes()
        )
        der = certificate.public_bytes(Encoding.DER)
        fingerprint = hashlib.sha256(der).digest().hex(":").upper()
        self.assertIn(fingerprint, page)
        self.assertIn(fingerprint, shown)
        self.assertEqual(self.fetched("/gateway-ca.crt", "ca.crt").read_bytes(), der)
        profile = plistlib.loads(self.fetched("/gateway-ca.mobileconfig", "profile").read_bytes())
        self.assertEqual(profile["PayloadContent"][0]["PayloadContent"], der)
        self.assertEqual(self.gateway.lines(1)[0]["url"], f"{SITE}/")

    def test_head_and_others(self) -> None:
        """HEAD gets the head alone; other methods and paths get what they should, on one connection."""
        done = curl(*self.proxy, "-I", f"{SITE}/ca")
        self.assertTrue(done.stdout.startswith(b"HTTP/1.1 200"), done.stdout)
        self.assertTrue(done.stdout.endswith(b"\r\n\r\n"), done.stdout)
        self.assertIn(b"cache-control: no-store", done.stdout.lower())
        for more, status in (
            (("-X", "DELETE", f"{SITE}/"), b"405"),
            (("-d", "content", f"{SITE}/"), b"405"),
            ((f"{SITE}/gateway-ca.key",), b"404"),
            ((f"{SITE}/ca/",), b"200"),
        ):
            done = curl(*self.proxy, "-o", "/dev/null", "-w", "%{http_code}", *more)
            self.assertEqual((done.returncode, done.stdout), (0, status), (more, done.stderr))

    def test_shell_script(self) -> None:
        """The script for Linux is one that a shell reads."""
        script = self.fetched("/gateway-ca.sh", "install.sh")
        done = subprocess.run(
            [program_path("sh"), "-n", str(script)], capture_output=True, check=False
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
