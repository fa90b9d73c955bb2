"""The CA and its leaves as the program openssl sees them, and the scripts as a shell does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.authority import Authority, CaProfile
from gateway.net.mints import Mints
from gateway.pipeline.ca_formats import export

OPENSSL = shutil.which("openssl")


class OpensslTests(SynchronousTestCase):
    """What C{openssl} reads and verifies."""

    if OPENSSL is None:
        skip = "openssl is not installed"

    def setUp(self) -> None:
        """Make a constrained CA and a leaf."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        profile = CaProfile(excluded=("bank.example.com",))
        self.authority = Authority(self.folder / "ca", profile)
        mints = Mints(self.authority)
        for file, shown in (
            ("leaf.pem", mints.leaf(b"", "www.example.com", None)),
            ("bad.pem", mints.untrusted("www.example.com")),
        ):
            content = crypto.dump_certificate(crypto.FILETYPE_PEM, shown.chain[0])
            (self.folder / file).write_bytes(content)
        (self.folder / "ca.pem").write_bytes(export("pem", self.authority.published()))

    def ran(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run openssl in the folder."""
        return subprocess.run(
            [str(OPENSSL), *arguments], cwd=self.folder, capture_output=True, text=True
        )

    def test_text(self) -> None:
        """It reads both as they were meant."""
        root = self.ran("x509", "-in", "ca.pem", "-noout", "-text").stdout
        for part in (
            "ecdsa-with-SHA256",
            "CA:TRUE, pathlen:0",
            "Certificate Sign, CRL Sign",
            "DNS:bank.example.com",
            "X509v3 Subject Key Identifier",
        ):
            self.assertIn(part, root)
        leaf = self.ran("x509", "-in", "leaf.pem", "-noout", "-text").stdout
        for part in (
            "CA:FALSE",
            "TLS Web Server Authentication",
            "DNS:www.example.com",
            "X509v3 Authority Key Identifier",
            "ASN1 OID: prime256v1",
        ):
            self.assertIn(part, leaf)

    def test_verify(self) -> None:
        """It verifies the leaf strictly, by its name, and never the untrusted one."""
        options = ("-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem")
        named = ("-verify_hostname", "www.example.com")
        good = self.ran("verify", *options, *named, "leaf.pem")
        self.assertEqual((good.returncode, good.stdout), (0, "leaf.pem: OK\n"))
        other = self.ran("verify", *options, "-verify_hostname", "example.com", "leaf.pem")
        self.assertNotEqual(other.returncode, 0)
        self.assertNotEqual(self.ran("verify", *options, *named, "bad.pem").returncode, 0)

    def test_shell_script(self) -> None:
        """The script for Linux writes the certificate and calls the system's command, which is ours here."""
        programs = self.folder / "bin"
        programs.mkdir()
        called = self.folder / "called"
        for name in ("cat", "mkdir"):
            (programs / name).symlink_to(str(shutil.which(name)))
        command = programs / "update-ca-certificates"
        command.write_text(f"#!/bin/sh\necho called > '{called}'\n")
        command.chmod(0o755)
        store = self.folder / "store"
        text = export("shell", self.authority.published()).decode()
        self.assertIn("folder=/usr/local/share/ca-certificates\n", text)
        script = self.folder / "install.sh"
        script.write_text(text.replace("/usr/local/share/ca-certificates", str(store)))
        done = subprocess.run(
            ["/bin/sh", str(script)], env={"PATH": str(programs)}, capture_output=True, text=True
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(called.read_text(), "called\n")
        (installed,) = store.iterdir()
        self.assertEqual(installed.read_bytes(), (self.folder / "ca.pem").read_bytes())
