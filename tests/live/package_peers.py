"""A package repository for live tests: one small package called C{demo} as pip, npm and apt fetch it, made here and served by nginx."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from email.utils import formatdate
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import free_port, made_folder, nginx, program_path, until

_NGINX = """
types { text/html html; application/json json; }
log_format asked "$$request_method $$scheme://$$http_host$$request_uri";
server {
  listen 127.0.0.1:$port ssl;
  ssl_certificate $pem;
  ssl_certificate_key $pem;
  root $files;
  access_log $files/asked.log asked;
  location = /npm/demo { default_type application/json; alias $files/npm/demo.json; }
}
"""


class Repository:
    """
    nginx with the package in all three forms.

    @ivar url: where its root is.
    @ivar large: what F{/large} holds.
    """

    def __init__(self, test: SynchronousTestCase, host: str, pem: Path) -> None:
        """Make the files and start."""
        self.port = free_port()
        self.url = f"https://{host}:{self.port}"
        self.files = made_folder(test)
        self.large = hashlib.shake_256(b"repository").digest(3_000_000)
        (self.files / "large").write_bytes(self.large)
        _python_package(self.files / "simple")
        _node_package(self.files / "npm", self.url)
        _debian_package(self.files / "deb")
        nginx(test, _NGINX, port=self.port, pem=str(pem), files=str(self.files))

    def asked(self, least: int) -> list[str]:
        """Wait until at least so many requests were answered; give method and URL of all."""
        log = self.files / "asked.log"
        until(
            lambda: log.read_text().count("\n") >= least, what=f"request {least} to the repository"
        )
        return log.read_text().splitlines()


def _python_package(folder: Path) -> None:
    """Make a wheel and the index that lists it (PEP 427, PEP 503)."""
    page = folder / "demo"
    page.mkdir(parents=True)
    files = {
        "demo.py": "ANSWER = 42\n",
        "demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["demo-1.0.dist-info/RECORD"] = "".join(
        f"{name},,\n" for name in [*files, "demo-1.0.dist-info/RECORD"]
    )
    wheel = page / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (page / "index.html").write_text(
        f'<!DOCTYPE html><title>demo</title><a href="{wheel.name}#sha256={digest}">{wheel.name}</a>\n'
    )


def _node_package(folder: Path, url: str) -> None:
    """Make a package for npm and the document that describes it."""
    folder.mkdir()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in (
            ("package/package.json", json.dumps({"name": "demo", "version": "1.0.0"})),
            ("package/index.js", "module.exports = 42\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (folder / "demo-1.0.0.tgz").write_bytes(content.getvalue())
    digest = base64.b64encode(hashlib.sha512(content.getvalue()).digest()).decode()
    version = {
        "name": "demo",
        "version": "1.0.0",
        "description": "A package of the tests",
        "dist": {"tarball": f"{url}/npm/demo-1.0.0.tgz", "integrity": f"sha512-{digest}"},
    }
    (folder / "demo.json").write_text(
        json.dumps(
            {"name": "demo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        )
    )


def _debian_package(folder: Path) -> None:
    """Make a package for apt in a flat repository."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share/demo").mkdir(parents=True)
    (tree / "usr/share/demo/answer").write_text("42\n")
    control = (
        "Package: demo\nVersion: 1.0\nArchitecture: all\nMaintainer: Tests <tests@example.com>\n"
        "Description: a package of the tests\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    package = folder / "demo_1.0_all.deb"
    subprocess.run(
        [program_path("dpkg-deb"), "--root-owner-group", "--build", str(tree), str(package)],
        check=True,
        capture_output=True,
    )
    content = package.read_bytes()
    entry = (
        f"{control}Filename: ./{package.name}\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    ).encode()
    listed = []
    for name, data in (("Packages", entry), ("Packages.gz", gzip.compress(entry))):
        (folder / name).write_bytes(data)
        listed.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n")
    (folder / "Release").write_text(
        f"Origin: tests\nDate: {formatdate(usegmt=True)}\nSHA256:\n{''.join(listed)}"
    )
