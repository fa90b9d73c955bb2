"""Interception with real programs: package clients, curl, a WebSocket, uploads and downloads, and origins that are refused."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.package_peers import Repository
from tests.live.peers import Closed, Stream, connected
from tests.live.processes import curl, made_folder, program_path, until
from tests.live.test_websocket import accept_of, echo, frame, read_frame
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    SecureOrigin,
    SecureServer,
    get,
    intercepted,
    roots_in,
    serving,
    site_certificate,
    trusting,
    tunnelled,
    within,
    written,
)
from tests.unit.net.certificates import Made, authority, issue

ROOT = authority("Live root")
MEBIBYTE = 1 << 20


def inner(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the lines of requests inside tunnels; every other one must be of the tunnel around them."""
    for line in lines:
        if line["method"] == "CONNECT":
            assert line["outcome"] == "intercepted", line
    return [line for line in lines if line["method"] != "CONNECT"]


class InterceptionCase(SynchronousTestCase):
    """A gateway that decrypts all, and trusts one root."""

    def setUp(self) -> None:
        """Start it."""
        self.folder = made_folder(self)
        self.pem = written(self.folder, site_certificate())
        self.root = roots_in(self.folder, ROOT)
        self.gateway = Intercepting(self, self.root)
        self.proxy = f"http://127.0.0.1:{self.gateway.forward}"

    def inside(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many requests inside tunnels are in the log, and give their lines."""

        def there() -> list[dict[str, Any]]:
            found = inner(self.gateway.lines(count))
            return found if len(found) >= count else []

        lines: list[dict[str, Any]] = until(there, what=f"request {count} in the log")
        return lines


class DownloadTests(InterceptionCase):
    """Sessions of real package clients with a repository that is reached by https."""

    def setUp(self) -> None:
        """Start the repository."""
        super().setUp()
        self.repository = Repository(self, HOST, self.pem)
        self.url = self.repository.url

    def ran(self, *command: str) -> str:
        """Run a client, which trusts what it is told to and nothing of this machine; gives what it printed."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy")
            and not name.upper().startswith(
                ("PIP_", "NPM_", "SSL_", "REQUESTS_", "CURL_", "NODE_", "APT_")
            )
        }
        environment = {
            **kept,
            "HOME": str(self.folder),
            "PIP_CONFIG_FILE": "/dev/null",
            "APT_CONFIG": "/dev/null",
            "LC_ALL": "C",
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def logged(self, *some: str) -> None:
        """See that the log has one line for each request that the repository has answered, and that these are among them."""
        asked = self.repository.asked(len(some))
        lines = self.inside(len(asked))
        self.assertEqual(
            Counter(f"{line['method']} {line['url']}" for line in lines), Counter(asked)
        )
        for one in some:
            self.assertIn(f"GET {self.url}{one}", asked)
        self.assertEqual({line["outcome"] for line in lines}, {"delivered"})

    def test_pip(self) -> None:
        """C{pip download} fetches index and wheel."""
        self.ran(
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"),
            *("--proxy", self.proxy, "--cert", str(self.gateway.ca), "download", "--no-deps"),
            *("--index-url", f"{self.url}/simple/", "--dest", "wheels", "demo"),
        )
        self.assertTrue((self.folder / "wheels/demo-1.0-py3-none-any.whl").exists())
        self.logged("/simple/demo/", "/simple/demo/demo-1.0-py3-none-any.whl")

    def test_npm(self) -> None:
        """C{npm view} and C{npm pack} fetch the description and the package."""
        options = {
            "registry": f"{self.url}/npm/",
            "https-proxy": self.proxy,
            "proxy": self.proxy,
            "noproxy": "",
            "cafile": str(self.gateway.ca),
            "cache": str(self.folder / "cache"),
            "userconfig": "/dev/null",
            "globalconfig": str(self.folder / "npmrc"),
            "update-notifier": "false",
            "fetch-retries": "0",
        }
        npm = (program_path("npm"), *(f"--{name}={value}" for name, value in options.items()))
        self.assertEqual(self.ran(*npm, "view", "demo", "version").strip(), "1.0.0")
        self.ran(*npm, "pack", "demo@1.0.0")
        self.assertTrue((self.folder / "demo-1.0.0.tgz").exists())
        self.logged("/npm/demo", "/npm/demo-1.0.0.tgz")

    def test_apt(self) -> None:
        """C{apt-get update} and C{apt-get download} fetch the lists and the package."""
        sources = self.folder / "sources.list"
        sources.write_text(f"deb [trusted=yes] {self.url}/deb ./\n")
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        options = {
            "APT::Sandbox::User": "",
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Parts": "/dev/null",
            "Dir::State::Lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Acquire::https::Proxy": self.proxy,
            "Acquire::https::CAInfo": self.gateway.ca,
            "Acquire::Retries": 0,
            "Acquire::Languages": "none",
        }
        apt = [program_path("apt-get"), "-q"]
        for name, value in options.items():
            apt += ["-o", f"{name}={value}"]
        self.ran(*apt, "update")
        self.ran(*apt, "download", "demo")
        self.assertTrue((self.folder / "demo_1.0_all.deb").exists())
        self.logged("/deb/./Release", "/deb/./demo_1.0_all.deb")

    def test_curl(self) -> None:
        """Several requests on one tunnel, a range, what isn't there and a large file: as without the gateway."""
        options = ("-x", self.proxy, "--cacert", str(self.gateway.ca))
        target = self.folder / "got"
        done = curl(
            *options,
            *("-o", str(target), f"{self.url}/large"),
            *("-o", "/dev/null", f"{self.url}/npm/demo?a=%20b"),
            *("-w", "%{http_code} %{num_connects}\n"),
        )
        self.assertEqual((done.stdout, done.stderr), (b"200 1\n200 0\n", b""))
        self.assertEqual(target.read_bytes(), self.repository.large)
        done = curl(*options, "-r", "100-199", f"{self.url}/large")
        self.assertEqual(done.stdout, self.repository.large[100:200])
        done = curl(*options, "-o", "/dev/null", "-w", "%{http_code}", f"{self.url}/nothing")
        self.assertEqual(done.stdout, b"404")
        self.logged("/large", "/npm/demo?a=%20b", "/nothing")
        lines = self.gateway.lines(7)
        self.assertEqual([line["method"] for line in lines].count("CONNECT"), 3)


class TransferTests(InterceptionCase):
    """Whatever HTTP can do, inside a tunnel."""

    def setUp(self) -> None:
        """Start an origin."""
        super().setUp()
        self.origin = SecureOrigin(self, serving(self.pem))
        self.base = f"https://{HOST}:{self.origin.port}"

    def test_requests(self) -> None:
        """HEAD, an interim response, chunks with trailers, and content without a length, one after the other."""
        client = intercepted(self, self.gateway, self.origin.port)
        client.send(f"HEAD /hello HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = client.answer("HEAD")
        self.assertEqual((answer.status, answer.head.get("content-length")), (200, "6"))
        answer = get(client, "/hints")
        self.assertEqual([head.first[1] for head in answer.interim], ["103"])
        self.assertEqual(answer.content, b"hinted")
        self.assertEqual(get(client, "/chunked").content, b"hello world")
        self.assertEqual(get(client, "/status/204").status, 204)
        self.assertEqual(get(client, "/plain").content, b"to the end")
        lines = self.inside(5)
        paths = ("hello", "hints", "chunked", "status/204", "plain")
        self.assertEqual([line["method"] for line in lines], ["HEAD", *["GET"] * 4])
        for line, path in zip(lines, paths, strict=True):
            # The Host field has no port here, and the tunnel's counts.
            self.assertRegex(line["url"], rf"^https://{HOST}(:{self.origin.port})?/{path}$")

    def test_uploads(self) -> None:
        """Uploads with a length, in chunks, and after 100 (Continue), are the same at the origin."""
        file = self.folder / "upload"
        file.write_bytes(os.urandom(3_000_000))
        options = ("-x", self.proxy, "--cacert", str(self.gateway.ca), "-T", str(file))
        for how in (
            ("-H", "Expect:"),
            ("-H", "Expect: 100-continue"),
            ("-H", "Transfer-Encoding: chunked", "-H", "Expect:"),
        ):
            done = curl(*options, *how, f"{self.base}/echo")
            self.assertEqual(done.stdout, file.read_bytes(), (how, done.stderr))
        client = intercepted(self, self.gateway, self.origin.port)
        client.send(
            f"PUT /echo HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        self.assertEqual(client.head().first[1], "100")
        client.send(b"late")
        self.assertEqual(client.answer().content, b"late")

    def test_large_download(self) -> None:
        """Of 100 MB the gateway holds little while the client does not read, and all of it arrives."""
        client = intercepted(self, self.gateway, self.origin.port)
        get(client, "/bytes/3000000")
        before = self.gateway.rss
        size = 100_000_000
        client.send(f"GET /bytes/{size} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        self.assertEqual(client.head().first[1], "200")
        # Whoever comes meanwhile is served, so the gateway has had time to take in whatever it wants to.
        for _ in range(10):
            other = intercepted(self, self.gateway, self.origin.port)
            self.assertEqual(get(other).content, b"origin")
        self.assertLess(self.gateway.rss - before, 16 * MEBIBYTE)
        self.assertEqual(client.drop(size), size)
        self.assertLess(self.gateway.rss - before, 16 * MEBIBYTE)

    def test_client_closes(self) -> None:
        """A client that goes in the middle of an answer is logged as gone, and leaves nothing open."""
        self.assertEqual(get(intercepted(self, self.gateway, self.origin.port)).content, b"origin")
        before = self.gateway.descriptors
        for orderly in (True, False):
            client = intercepted(self, self.gateway, self.origin.port)
            client.send(f"GET /bytes/90000000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            client.head()
            (client.close if orderly else client.reset)()
        lines = self.inside(3)[1:]
        self.assertEqual([line["outcome"] for line in lines], ["aborted"] * 2)
        self.assertEqual([line["reason"] for line in lines], ["client"] * 2)
        until(lambda: self.gateway.descriptors <= before, what="the end of both connections")

    def test_origin_cut_off(self) -> None:
        """An answer without a length that ends without a word of TLS may be cut off: the client sees that it is broken."""

        def serve(stream: Stream) -> None:
            stream.head()
            stream.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
            stream.socket.shutdown(socket.SHUT_RDWR)

        server = SecureServer(self, serve, serving(self.pem))
        client = intercepted(self, self.gateway, server.port)
        self.assertRaises((Closed, OSError), get, client, "/")
        (line,) = self.inside(1)
        self.assertEqual((line["outcome"], line["reason"]), ("aborted", "upstream"))

    def test_no_close_notify(self) -> None:
        """A tunnel whose client goes without a word of TLS, between two requests, is over."""
        before = self.gateway.descriptors
        for _ in range(5):
            client = intercepted(self, self.gateway, self.origin.port)
            self.assertEqual(get(client, "/close").content, b"bye")
            client.close()
        until(lambda: self.gateway.descriptors <= before + 1, what="the end of all connections")


class UnknownTests(InterceptionCase):
    """What is not HTTP, within TLS."""

    def test_passed_on(self) -> None:
        """Who says nothing of HTTP, and speaks something else, is passed on unread within the two connections."""

        def serve(stream: Stream) -> None:
            while True:
                stream.send(stream.exactly(4)[::-1])

        server = SecureServer(self, serve, serving(self.pem))
        tunnel = tunnelled(connected(self, self.gateway.forward), server.port)
        client = within(tunnel, ssl.create_default_context(cafile=self.gateway.ca))
        for said in (b"\x00\x01\x02\x03", b"abcd", b"GET "):
            client.send(said)
            self.assertEqual(client.exactly(4), said[::-1])
        client.close()
        (line,) = self.gateway.lines(1)
        self.assertEqual((line["method"], line["outcome"]), ("CONNECT", "tunnelled"))
        self.assertEqual(
            (line["tls"]["decision"], line["tls"]["why"]), ("tunnel", "unknown_protocol")
        )


class WebSocketTests(InterceptionCase):
    """C{wss}."""

    def test_echo(self) -> None:
        """Messages of every size go both ways, and the log has one line for them."""
        server = SecureServer(self, echo, serving(self.pem))
        client = intercepted(self, self.gateway, server.port)
        client.send(
            f"GET /chat HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = client.head()
        self.assertEqual(head.first[1], "101", head)
        self.assertEqual(head.get("sec-websocket-accept"), accept_of("AAAAAAAAAAAAAAAAAAAAAA=="))
        self.assertEqual(read_frame(client), (1, b"welcome"))
        for size in (0, 1, 125, 126, 65_535, 65_536, 1_000_000):
            content = os.urandom(size)
            client.send(frame(2, content, masked=True))
            self.assertEqual(read_frame(client), (2, content))
        client.send(frame(8, b"\x03\xe8", masked=True))
        self.assertEqual(read_frame(client), (8, b"\x03\xe8"))
        client.close()
        (line,) = self.inside(1)
        self.assertEqual((line["outcome"], line["status"]), ("tunnelled", 101))
        self.assertRegex(line["url"], rf"^(https|wss)://{HOST}:{server.port}/chat$")
        self.assertGreater(line["bytes_in"], 1_000_000)


class RefusedTests(InterceptionCase):
    """Origins that can't be believed."""

    def start(self, made: Made) -> str:
        """Start an origin with a certificate, and give the URL of a page."""
        self.origin = SecureOrigin(self, serving(written(self.folder, made)))
        return f"https://{HOST}:{self.origin.port}/hello"

    def refused(self, made: Made, reason: str, words: bytes) -> None:
        """See that a client of the gateway's CA meets no valid certificate, and one that looks over it the reason."""
        url = self.start(made)
        options = ("-x", self.proxy, "--cacert", str(self.gateway.ca))
        self.assertEqual(curl(*options, url).returncode, 60)
        done = curl(*options, "-k", "-i", "--suppress-connect-headers", url)
        head, _, page = done.stdout.partition(b"\r\n\r\n")
        self.assertIn(b" 502 ", head.partition(b"\r\n")[0])
        self.assertIn(words, page)
        self.assertEqual(self.origin.seen, [])
        lines = [line for line in self.gateway.lines(1) if line["method"] == "GET"]
        self.assertEqual(
            (lines[-1]["url"], lines[-1]["outcome"], lines[-1]["reason"]), (url, "failed", reason)
        )

    def test_self_signed(self) -> None:
        """A certificate that nobody vouches for."""
        self.refused(issue("server", None, [HOST]), "tls_self_signed", b"signed by itself")

    def test_expired(self) -> None:
        """One that was good once."""
        self.refused(issue("server", ROOT, [HOST], valid=(-5, -1)), "tls_expired", b"has expired")

    def test_wrong_host(self) -> None:
        """One for another name."""
        self.refused(
            issue("server", ROOT, ["elsewhere.example.com"]),
            "tls_wrong_host",
            b"for other names",
        )

    def test_good_again(self) -> None:
        """As soon as the origin shows a good one its pages are served, over a certificate of the CA."""
        url = self.start(issue("server", None, [HOST]))
        options = ("-x", self.proxy, "--cacert", str(self.gateway.ca))
        self.assertEqual(curl(*options, url).returncode, 60)
        port = self.origin.port
        good = self.start(site_certificate())
        self.assertNotEqual(port, self.origin.port)
        self.assertEqual(curl(*options, good).stdout, b"origin")

    def test_dead(self) -> None:
        """One that doesn't listen: the tunnel is refused with 502, and curl says so."""
        self.origin = SecureOrigin(self, serving(self.pem))
        self.origin.stop()
        options = ("-x", self.proxy, "--cacert", str(self.gateway.ca))
        done = curl(*options, "-w", "%{http_connect}", f"https://{HOST}:{self.origin.port}/")
        self.assertEqual((done.returncode, done.stdout), (56, b"502"))


class ShownTests(InterceptionCase):
    """What clients of an intercepting gateway see of certificates."""

    def test_leaf(self) -> None:
        """The certificate has the origin's names and end, and leads to the gateway's CA and to nothing else."""
        origin = SecureOrigin(self, serving(self.pem))
        stream = intercepted(self, self.gateway, origin.port)
        assert isinstance(stream.socket, ssl.SSLSocket)
        shown = stream.socket.getpeercert()
        assert shown is not None
        names = {pair[1] for pair in shown["subjectAltName"]}
        self.assertEqual(names, {HOST, "127.0.0.1"})
        self.assertIn("Gateway CA", str(shown["issuer"]))
        self.assertEqual(stream.socket.selected_alpn_protocol(), "http/1.1")
        tunnel = tunnelled(connected(self, self.gateway.forward), origin.port)
        self.assertRaises(ssl.SSLCertVerificationError, within, tunnel, trusting(self.root))

    def test_other_name(self) -> None:
        """A client that asks for a name which the origin's certificate is not for is shown none that it could believe."""
        origin = SecureOrigin(self, serving(self.pem))
        tunnel = tunnelled(connected(self, self.gateway.forward), origin.port)
        self.assertRaises(
            ssl.SSLCertVerificationError,
            within,
            tunnel,
            trusting(self.gateway.ca),
            "other.example.com",
        )
