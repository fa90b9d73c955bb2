"""Real clients get large files a little at a time while these are scanned, and never the whole of a bad one (S17)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Server, Stream
from tests.live.processes import FORWARD, Gateway, curl, made_folder
from tests.live.slow_scanner import BAD, SECONDS, slow_scanner

MORE = """
[scan]
large_file = { over = 0 }
[plugins]
enabled = ["slow_scanner"]
[threads]
scan = { workers = 16 }
"""
SIZES = (100, 65_536, 66_000, 100_000, 700_000, 1_048_577, 3_000_000, 20_000_000)
FRAMINGS = ("length", "chunked", "close")
#: A browser's fields, but for what makes a navigation.
ACCEPT = "Accept: text/html,*/*"
AGENT = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0"


def content_of(path: str) -> bytes:
    """Give what is at C{/framing/size/name.bin}: so many bytes, bad ones if the name says so."""
    size = int(path.split("/")[2])
    content = random.Random(path).randbytes(size)
    return BAD + content[len(BAD) :] if "bad" in path else content


class Framed(Server):
    """An origin that frames its answers as the path says."""

    def __init__(self, test: SynchronousTestCase) -> None:
        super().__init__(test, self._serve_all)

    def _serve_all(self, stream: Stream) -> None:
        while True:
            head = stream.head()
            path = head.first[1]
            content = content_of(path)
            if head.get("range"):
                content = content[:1000]
            status = "206 Partial Content" if head.get("range") else "200 OK"
            lines = {
                "length": f"Content-Length: {len(content)}",
                "chunked": "Transfer-Encoding: chunked",
                "close": "Connection: close",
            }
            framing = path.split("/")[1]
            start = f"HTTP/1.1 {status}\r\n{lines[framing]}\r\n\r\n".encode()
            if head.first[0] == "HEAD":
                stream.send(start)
                continue
            if framing == "chunked":
                content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
            stream.send(start + content)
            if framing == "close":
                return


class CurlTests(SynchronousTestCase):
    """curl, by three framings, with HTTP/1.1 and 1.0."""

    def setUp(self) -> None:
        """Start a gateway for which everything is large."""
        self.origin = Framed(self)
        self.gateway = Gateway(self, FORWARD + MORE, environment=slow_scanner(self))
        self.folder: Path = made_folder(self)

    def fetched(self, path: str, *options: str) -> tuple[int, int, float, bytes]:
        """Fetch something; gives curl's exit code, the status, when the first byte came, and the content."""
        file = self.folder / re.sub(r"\W", "_", path + "".join(options))
        url = f"http://127.0.0.1:{self.origin.port}{path}"
        proxy = ("-x", f"http://127.0.0.1:{self.gateway.forward}")
        told = ("-w", "%{http_code} %{time_starttransfer}", "-o", str(file))
        done = curl(*proxy, *told, *options, url, seconds=60)
        status, first = done.stdout.decode().split()
        content = file.read_bytes() if file.exists() else b""
        return done.returncode, int(status), float(first), content

    def for_all(self, check: Callable[[str, str], None], name: str) -> None:
        """Check every size, framing and version."""
        # No more than scanners, or the last of them would wait for the first.
        with ThreadPoolExecutor(12) as threads:
            done = [
                threads.submit(check, f"/{framing}/{size}/{name}.bin", version)
                for size in SIZES
                for framing in FRAMINGS
                for version in ("--http1.1", "--http1.0")
            ]
            for one in done:
                one.result()

    def test_clean(self) -> None:
        """The first byte comes long before the verdict, however much is going on, and the file as it was."""

        def check(path: str, version: str) -> None:
            code, status, first, content = self.fetched(path, version)
            self.assertEqual((code, status), (0, 200), path)
            self.assertLess(first, SECONDS - 0.5, path)
            self.assertEqual(content, content_of(path))

        self.for_all(check, "good")

    def test_first_byte(self) -> None:
        """The first byte comes within a second of the origin's, which sends at once."""
        for framing in FRAMINGS:
            for size in (200_000, 20_000_000):
                # What comes behind it needs no waiting for; 0 would mean that nothing has come.
                first = self.fetched(f"/{framing}/{size}/first.bin", "--max-time", "1.2")[2]
                self.assertTrue(0 < first < 1.0, (framing, size, first))

    def test_infected(self) -> None:
        """A bad file is never whole, and curl says that it was broken off."""

        def check(path: str, version: str) -> None:
            code, status, first, content = self.fetched(path, version)
            whole = content_of(path)
            self.assertNotEqual(code, 0, path + version)
            self.assertEqual(status, 200, path)
            self.assertLess(first, SECONDS - 0.5, path)
            self.assertLessEqual(len(content), max(0, len(whole) - 65_536), path)
            self.assertEqual(content, whole[: len(content)])

        self.for_all(check, "bad")

    def test_once_more(self) -> None:
        """Whoever asks again for what was broken off is told why."""
        path = "/length/3000000/bad.bin"
        self.assertNotEqual(self.fetched(path)[0], 0)
        code, status, _, content = self.fetched(path, "--http1.1")
        self.assertEqual((code, status), (0, 403))
        self.assertIn(b"Test.Sentence", content)

    def test_no_page(self) -> None:
        """Programs, parts and heads never get the page, whatever they accept; a navigation does."""
        path = "/length/200000/some.bin"
        browser = ("-H", ACCEPT, "-H", AGENT)
        kinds = (
            ("-H", ACCEPT),
            (*browser, "-r", "0-"),
            (*browser, "-H", "X-Requested-With: XMLHttpRequest"),
            (*browser, "-H", "Sec-Fetch-Dest: empty"),
        )
        with ThreadPoolExecutor(len(kinds)) as threads:
            answers = list(threads.map(lambda options: self.fetched(path, *options), kinds))
        for options, (code, status, _, content) in zip(kinds, answers, strict=True):
            self.assertEqual((code, content), (0, content_of(path)[: len(content)]), options)
            self.assertIn(status, (200, 206))
        self.assertEqual(self.fetched(path, *browser, "-I", "-X", "HEAD")[1], 200)
        self.assertIn(b"/.gateway-scan-", self.fetched(path, *browser)[3])
