"""
A real browser goes to a large file: the progress page, what it ends in, and whom it is never shown to (S17, S18).

With C{GATEWAY_PICTURES} set to a folder the pages are written there as pictures, as F{docs/images} has them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import time
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.chromium import Chromium
from tests.live.peers import Server, Stream
from tests.live.processes import made_folder, until
from tests.live.slow_scanner import BAD, slow_scanner
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    SecureStream,
    roots_in,
    serving,
    site_certificate,
    written,
)
from tests.unit.net.certificates import authority

ROOT = authority("Root of the origin")
SIZE = 3_000_000
MORE = """
[scan]
large_file = { over = "1MiB", after = "1s" }
[plugins]
enabled = ["slow_scanner"]
"""


def content_of(path: str) -> bytes:
    """Give what the origin has."""
    content = random.Random(path).randbytes(SIZE)
    return content[:-1000] + BAD + content[-1000:] if "bad" in path else content


class SlowOrigin(Server):
    """
    An origin that takes 2.5 s for each file but those called quick, and has a page to begin at.

    @ivar context: of TLS; C{None}: without.
    """

    def __init__(self, test: SynchronousTestCase, context: object = None) -> None:
        self.context = context
        self.paths: list[str] = []
        super().__init__(test, self._serve_all)

    def _serve_all(self, stream: Stream) -> None:
        if self.context is not None:
            stream = SecureStream(self.context.wrap_socket(stream.socket, server_side=True))  # type: ignore[attr-defined]
        while True:
            head = stream.head()
            stream.content(head, to_end=False)
            path = head.first[1]
            self.paths.append(path)
            if ".bin" not in path:
                page = b"<!doctype html><title>Start</title><body>start"
                stream.send(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(page), page)
                )
                continue
            content = content_of(path)
            stream.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                b'Accept-Ranges: bytes\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n' % len(content)
            )
            for at in range(0, len(content), SIZE // 20):
                stream.send(content[at : at + SIZE // 20])
                time.sleep(0 if "quick" in path else 0.125)


class BrowserTests(SynchronousTestCase):
    """Somebody with Chromium."""

    def setUp(self) -> None:
        """Make an origin with TLS and one without, and a gateway with a slow scanner."""
        folder = made_folder(self)
        self.folder = folder
        self.saved = folder / "saved"
        self.saved.mkdir()
        pem = written(folder, site_certificate(ROOT, HOST))
        self.secure = SlowOrigin(self, serving(pem))
        self.plain = SlowOrigin(self)
        self.gateway = Intercepting(
            self,
            roots_in(folder, ROOT),
            more=MORE,
            environment=slow_scanner(self),
        )
        self.browser = Chromium(self, f"127.0.0.1:{self.gateway.forward}", [self.gateway.ca])
        self.browser.save_in(self.saved)

    def pictured(self, name: str) -> None:
        """Write a picture of what is shown, if somebody wants it."""
        if folder := os.environ.get("GATEWAY_PICTURES"):
            (Path(folder) / name).write_bytes(self.browser.picture())

    def file_saved(self, name: str, path: str) -> None:
        """Wait for a file, which must be the origin's."""
        file = self.saved / name
        until(lambda: file.exists() and file.stat().st_size == len(content_of(path)), what=name)
        self.assertEqual(
            hashlib.sha256(file.read_bytes()).digest(), hashlib.sha256(content_of(path)).digest()
        )
        self.assertEqual([one.name for one in self.saved.iterdir()], [name])

    def seen(self, url: str) -> None:
        """Go to a file, and see the page advance."""
        text = self.browser.go(url)
        self.assertIn("Your download is being checked", text)
        self.assertEqual(self.browser.url, url)
        seen: list[int] = []

        def scanned() -> bool:
            value = self.browser.run("document.getElementById('bar').value")
            if value is not None and (not seen or value != seen[-1]):
                seen.append(value)
            said = self.browser.run("document.getElementById('state').textContent") or ""
            if len(seen) == 2:
                self.pictured("scan-progress.png")
            return "scanned for malware" in said

        until(scanned, what="the scan")
        self.assertGreaterEqual(len(seen), 2, seen)
        self.assertEqual(seen, sorted(seen))

    def urls(self, path: str) -> list[str]:
        """Give the addresses of a file over TLS and without."""
        return [
            f"https://{HOST}:{self.secure.port}{path}",
            f"http://{HOST}:{self.plain.port}{path}",
        ]

    def test_file(self) -> None:
        """The page appears under the file's address, advances, and ends in the file; over TLS with no word of the browser's."""
        for number, url in enumerate(self.urls("/dir/file%20one.bin")):
            self.seen(url)
            self.file_saved("file one.bin", "/dir/file%20one.bin")
            self.assertEqual(self.browser.url, url)
            self.assertIn("The download begins", self.browser.run("document.body.innerText"))
            (self.saved / "file one.bin").unlink()
            origin = (self.secure, self.plain)[number]
            self.assertEqual(origin.paths.count("/dir/file%20one.bin"), 1)
            self.assertFalse([path for path in origin.paths if "gateway" in path])

    def test_infected(self) -> None:
        """A bad file ends in the block page, and nothing of it is saved."""
        for url in self.urls("/bad.bin"):
            self.seen(url)
            until(
                lambda: "Malware was found" in (self.browser.run("document.body.innerText") or ""),
                what="the block page",
            )
            self.pictured("scan-blocked.png")
            self.assertIn("Test.Sentence", self.browser.run("document.body.innerText"))
            self.assertIn("/.gateway-scan-", self.browser.url)
            self.assertEqual(
                self.browser.run("performance.getEntriesByType('navigation')[0].responseStatus"),
                403,
            )
            self.assertEqual(list(self.saved.iterdir()), [])

    def test_without_scripts(self) -> None:
        """Without JavaScript the page loads itself again until the file is there, or the block page."""
        self.browser.without_scripts()
        secure, plain = self.urls("/file.bin")[0], self.urls("/quick-bad.bin")[1]
        self.browser.begin(secure)
        self.file_saved("file.bin", "/file.bin")
        self.browser.begin(plain)
        until(
            lambda: "Malware was found" in (self.browser.run("document.body.innerText") or ""),
            what="the block page",
        )

    def test_scripts_and_parts(self) -> None:
        """What a page fetches, saves by itself or has in a frame or an image gets the file and never the page."""
        kinds = ("{}", "{headers: {Range: 'bytes=0-'}}", "{method: 'POST', body: 'x'}")
        for start, other in zip(self.urls("/"), self.urls("/quick-"), strict=True):
            self.browser.go(start)
            self.browser.run("got = {}")
            for number, asked in enumerate(kinds):
                self.browser.run(
                    f"fetch('{other}{number}.bin', {asked}).then(one => one.blob()).then(one => {{"
                    "  const reader = new FileReader();"
                    f" reader.onload = () => got[{number}] = reader.result;"
                    "  reader.readAsDataURL(one);"
                    "})"
                )
            self.browser.run(
                f"link = document.createElement('a'); link.href = '{other}link.bin';"
                "link.download = 'mine.bin'; document.body.append(link); link.click()"
            )
            for number, asked in enumerate(kinds):
                until(partial(self.browser.run, f"{number} in got"), what=asked)
                got = base64.b64decode(self.browser.run(f"got[{number}]").partition(",")[2])
                self.assertTrue(got == content_of(f"/quick-{number}.bin"), asked)
            self.file_saved("mine.bin", "/quick-link.bin")
            (self.saved / "mine.bin").unlink()
            self.assertIn("start", self.browser.run("document.body.innerText"))
