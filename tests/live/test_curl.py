"""Requests of a real client, curl, to a real origin, nginx: through the forward proxy, a site and tunnels."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import (
    FORWARD,
    PATIENCE,
    Gateway,
    certificate,
    curl,
    free_port,
    made_folder,
    nginx,
)

SITE = """
[[site]]
host = ["www.example.com"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
"""

WEB = """
types { text/html html; }
server {
    listen 127.0.0.1:$origin;
    listen 127.0.0.1:$secure ssl;
    ssl_certificate $pem;
    ssl_certificate_key $pem;
    root $files;
    client_max_body_size 0;
    keepalive_timeout 60s;
    location /up/ { root $files; dav_methods PUT; create_full_put_path on; }
    location = /connection { return 200 "$$connection $$connection_requests"; }
    location = /moved { return 302 /index.html; }
}
"""


class CurlCase(SynchronousTestCase):
    """nginx behind the gateway."""

    def setUp(self) -> None:
        """Start both, with a page and a large file to fetch."""
        self.files = made_folder(self)
        (self.files / "index.html").write_text("<p>hello")
        self.large = hashlib.shake_256(b"gateway").digest(3_000_000)
        (self.files / "large").write_bytes(self.large)
        self.origin, self.secure = free_port(), free_port()
        pem = certificate(self.files)
        nginx(self, WEB, origin=self.origin, secure=self.secure, files=self.files, pem=pem)
        self.gateway = Gateway(self, FORWARD + SITE, origin=self.origin)
        self.pem = pem
        self.direct = f"http://127.0.0.1:{self.origin}"
        self.proxy = ("-x", f"http://127.0.0.1:{self.gateway.forward}")
        self.site = f"http://127.0.0.1:{self.gateway.reverse}"

    def fetch(self, *arguments: str) -> bytes:
        """Run curl, which must succeed; give its output."""
        done = curl(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, b""), arguments)
        return done.stdout

    def ways(self) -> list[tuple[str, tuple[str, ...]]]:
        """Give the URL of the origin and the options for each way to it."""
        return [
            (self.direct, self.proxy),
            (self.site, ("-H", "Host: www.example.com")),
            (self.direct, (*self.proxy, "--proxytunnel")),
            (f"https://127.0.0.1:{self.secure}", (*self.proxy, "--cacert", str(self.pem))),
        ]


class TransferTests(CurlCase):
    """Requests that succeed."""

    def test_methods(self) -> None:
        """GET, HEAD, PUT, ranges, conditions and Expect give through each way what they give directly."""
        for way, (url, options) in enumerate(self.ways()):
            self.assertEqual(self.fetch(*options, f"{url}/index.html"), b"<p>hello")
            self.assertEqual(self.fetch(*options, f"{url}/large"), self.large)
            self.assertEqual(
                self.fetch(*options, "-r", "100-199", f"{url}/large"), self.large[100:200]
            )
            self.assertEqual(self.fetch(*options, "-r", "-50", f"{url}/large"), self.large[-50:])
            head = self.fetch(*options, "--head", f"{url}/large").decode()
            self.assertRegex(head, r"(?i)content-length: 3000000\r\n")
            status = ("-o", "/dev/null", "-w", "%{http_code}")
            tag = re.findall(r'(?i)etag: (".*")\r\n', head)[0]
            self.assertEqual(
                self.fetch(*options, *status, "-H", f"If-None-Match: {tag}", f"{url}/large"), b"304"
            )
            self.assertEqual(
                self.fetch(*options, *status, "-r", "9999999-", f"{url}/large"), b"416"
            )
            self.assertEqual(self.fetch(*options, *status, "-I", f"{url}/moved"), b"302")
            for number, how in enumerate(
                ([], ["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"])
            ):
                source = str(self.files / "large")
                name = f"up/{way}-{number}"
                self.assertEqual(
                    self.fetch(*options, *status, "-T", source, *how, f"{url}/{name}"), b"201", how
                )
                self.assertEqual((self.files / name).read_bytes(), self.large, how)

    def test_kept_connections(self) -> None:
        """Requests of one client, and of several, share one kept connection to the origin."""
        for url, options in self.ways()[:2]:
            first = self.fetch(*options, f"{url}/connection").split()
            second = self.fetch(*options, f"{url}/connection", f"{url}/connection")
            self.assertEqual(
                second, b"%b %d%b %d" % (first[0], int(first[1]) + 1, first[0], int(first[1]) + 2)
            )

    def test_fields(self) -> None:
        """The client sees the origin's Server as it is, our Via, and no other field of ours."""
        through = self.fetch(
            *self.proxy, "-D", "-", "-o", "/dev/null", f"{self.direct}/index.html"
        ).decode()
        directly = self.fetch("-D", "-", "-o", "/dev/null", f"{self.direct}/index.html").decode()

        def names(head: str) -> set[str]:
            return {line.partition(":")[0].lower() for line in head.splitlines()[1:] if line}

        # Connection is for a single connection: kept, which is what its absence says too.
        self.assertEqual(names(through) - {"via"}, names(directly) - {"connection"})
        self.assertEqual(
            re.findall("(?m)^Server: .*", through), re.findall("(?m)^Server: .*", directly)
        )

    def test_log(self) -> None:
        """A tunnel has one line with its bytes both ways, a request through the proxy one with its URL."""
        self.fetch(*self.ways()[3][1], f"https://127.0.0.1:{self.secure}/large")
        self.fetch(*self.proxy, f"{self.direct}/index.html?a=b")
        tunnel, request = sorted(self.gateway.lines(2), key=lambda line: str(line["method"]))
        self.assertEqual((tunnel["method"], tunnel["url"]), ("CONNECT", f"127.0.0.1:{self.secure}"))
        self.assertEqual((tunnel["outcome"], tunnel["status"]), ("tunnelled", 200))
        self.assertGreater(tunnel["bytes_out"], len(self.large))
        self.assertGreater(tunnel["bytes_in"], 300)
        self.assertEqual(request["url"], f"{self.direct}/index.html?a=b")
        self.assertEqual(request["upstream"], f"127.0.0.1:{self.origin}")


class RefusalTests(CurlCase):
    """Requests that can't succeed, and what their senders are told."""

    def refused(self, *arguments: str, page: bytes, status: int) -> bytes:
        """Ask, expect a status and words of the page; give the page."""
        content = self.fetch("-w", "%{http_code}", *arguments)
        self.assertIn(page, content)
        self.assertEqual(content[-3:], b"%d" % status)
        return content[:-3]

    def test_destinations(self) -> None:
        """A destination that is not allowed, dead, silent in DNS or unknown is told apart, with the id of the log's line."""
        strict = Gateway(self, '[forward]\nlisten = ["127.0.0.1:$forward"]\n')
        proxy = ("-x", f"http://127.0.0.1:{strict.forward}")
        page = self.refused(
            *proxy, f"{self.direct}/", page=b"This destination is not allowed", status=403
        )
        line = strict.lines(1)[0]
        self.assertIn(line["id"].encode(), page)
        self.assertEqual((line["status"], line["outcome"]), (403, "failed"))
        # A name that leads to this machine is as forbidden as its address.
        self.refused(*proxy, "http://localhost:8000/", page=b"not allowed", status=403)
        self.refused(*proxy, f"{self.site}/", page=b"not allowed", status=403)
        dead = f"http://127.0.0.1:{free_port()}/"
        self.refused(*self.proxy, dead, page=b"refused", status=502)

    def test_names(self) -> None:
        """A name that does not exist, one whose server fails and one that is not answered are told apart."""
        gateway = Gateway(
            self,
            FORWARD + '[network]\nnameservers = ["127.0.0.1:$dns"]\n[timeouts]\nresolve = "1s"\n',
            dns=name_server(self),
        )
        proxy = ("-x", f"http://127.0.0.1:{gateway.forward}")
        for number, (name, status, reason) in enumerate(
            (
                ("missing", 502, "name_not_found"),
                ("failing", 502, "name_error"),
                ("silent", 504, "name_timeout"),
            )
        ):
            host = f"{name}.example.com"
            self.refused(*proxy, f"http://{host}/", page=host.encode(), status=status)
            self.assertEqual(gateway.lines(number + 1)[-1]["reason"], reason)

    def test_connect(self) -> None:
        """A tunnel that is refused gives curl the status, and nothing is tunnelled."""
        narrow = Gateway(
            self,
            '[forward]\nlisten = ["127.0.0.1:$forward"]\nallow_destinations = ["127.0.0.0/8"]\n',
        )
        proxy = ("-x", f"http://127.0.0.1:{narrow.forward}")
        done = curl(*proxy, f"https://127.0.0.1:{self.secure}/")
        self.assertEqual(done.returncode, 56, done.stderr)
        self.assertIn(b"403", done.stderr)
        done = curl(*self.proxy, f"https://127.0.0.1:{free_port()}/")
        self.assertIn(b"502", done.stderr)

    def test_wrong_host(self) -> None:
        """A host that no site has is misdirected, whatever the address."""
        self.refused(f"{self.site}/index.html", page=b"not a site of this server", status=421)

    def test_json(self) -> None:
        """Programs that ask for JSON get it."""
        page = self.refused(
            "-H", "Accept: application/json", f"{self.site}/", page=b'"status"', status=421
        )
        self.assertTrue(page.lstrip().startswith(b"{"), page)

    def test_upload_limit(self) -> None:
        """An upload over the limit is refused, declared before it is sent or not."""
        limited = Gateway(self, SITE + '[limits]\nupload = "1MiB"\n', origin=self.origin)
        url = f"http://127.0.0.1:{limited.reverse}/up/x"
        source = str(self.files / "large")
        for how in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]):
            options = ("-H", "Host: www.example.com", "-T", source, *how)
            # curl may find the connection closed while it sends; what it read of the answer counts.
            done = curl("-w", "%{http_code}", *options, url)
            self.assertEqual(done.stdout[-3:], b"413", (how, done))
        self.assertFalse(Path(self.files / "up/x").exists())


def name_server(test: SynchronousTestCase) -> int:
    """Answer DNS questions by the first letter of the name: no such name, a failure, or not at all; give the port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    # It ends by itself: a close from another thread would not wake it.
    server.settimeout(PATIENCE)

    def serve() -> None:
        codes = {b"m": b"\x81\x83", b"f": b"\x81\x82"}
        with contextlib.suppress(OSError), server:
            while True:
                query, peer = server.recvfrom(2048)
                if code := codes.get(query[13:14]):
                    question = query[12 : query.index(b"\0", 12) + 5]
                    server.sendto(query[:2] + code + b"\0\1" + bytes(6) + question, peer)

    threading.Thread(target=serve, daemon=True).start()
    port: int = server.getsockname()[1]
    return port
