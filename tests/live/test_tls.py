"""TLS with real programs: sites and proxy listeners that curl reaches by https, and https origins that are verified."""

from __future__ import annotations

import json
import os
import socket
import ssl
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Stream
from tests.live.processes import (
    FORWARD,
    Gateway,
    certificate,
    curl,
    free_port,
    made_folder,
    nginx,
    until,
)

SITE = """
[[site]]
host = ["127.0.0.1", "www.example.com"]
listen = ["127.0.0.1:$reverse"]
certificate = "$pem"
origins = ["http://127.0.0.1:$origin"]
"""

SECURED_ORIGIN = """
[tls]
trust = ["$trust"]
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["https://127.0.0.1:$origin"]
"""

NGINX = """
server {
  listen 127.0.0.1:$port ssl;
  ssl_certificate $pem;
  ssl_certificate_key $pem;
  location / { return 200 "secured $$request_uri"; }
  location /large { root $folder; }
}
"""


def root_of(pem: Path) -> Path:
    """Write what a client has to trust: the self-signed certificate without its key."""
    text = pem.read_text()
    end = "-----END CERTIFICATE-----\n"
    begin = text.index("-----BEGIN CERTIFICATE-----")
    root = pem.with_name("root.pem")
    root.write_text(text[begin : text.index(end) + len(end)])
    return root


class SiteTests(SynchronousTestCase):
    """A site that is reached by https."""

    def setUp(self) -> None:
        self.folder = made_folder(self)
        self.pem = certificate(self.folder)
        self.root = root_of(self.pem)
        self.origin = Origin(self)
        self.gateway = Gateway(self, SITE, origin=self.origin.port, pem=self.pem)
        self.url = f"https://127.0.0.1:{self.gateway.reverse}"

    def test_curl(self) -> None:
        """A client that trusts the certificate is served over TLS 1.3, and the origin is told that it came by https."""
        done = curl("--cacert", str(self.root), "-v", f"{self.url}/hello")
        self.assertEqual(done.stdout, b"origin", done.stderr)
        self.assertIn(b"TLSv1.3", done.stderr)
        (head,) = self.origin.seen
        self.assertEqual(head.get("x-forwarded-proto"), "https")
        (line,) = self.gateway.lines(1)
        self.assertEqual(line["url"], f"{self.url}/hello")

    def test_not_trusted(self) -> None:
        """A client that does not trust it ends the handshake; that is no transaction, and others are served."""
        self.assertEqual(curl(f"{self.url}/hello").returncode, 60)
        self.assertEqual(curl("--cacert", str(self.root), f"{self.url}/hello").stdout, b"origin")
        self.assertEqual(len(self.gateway.lines(1)), 1)

    def test_plain_http(self) -> None:
        """A request without TLS gets none of the origin and breaks nothing."""
        done = curl(f"http://127.0.0.1:{self.gateway.reverse}/hello")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.origin.seen, [])

    def test_old_version(self) -> None:
        """TLS 1.1 is refused."""
        done = curl("--cacert", str(self.root), "--tls-max", "1.1", f"{self.url}/hello")
        self.assertEqual(done.returncode, 35)

    def test_kept_alive_and_large(self) -> None:
        """Several requests go on one connection, up and down, small and large."""
        file = self.folder / "upload"
        file.write_bytes(os.urandom(3_000_000))
        done = curl(
            *("--cacert", str(self.root), "-v", "--http1.1"),
            f"{self.url}/hello",
            f"{self.url}/bytes/5000000",
            *("-o", str(self.folder / "one"), "-o", str(self.folder / "two")),
            *("--next", "--cacert", str(self.root), "--data-binary", f"@{file}"),
            *("-H", "Expect:", "-o", str(self.folder / "three"), f"{self.url}/echo"),
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / "two").stat().st_size, 5_000_000)
        self.assertEqual((self.folder / "three").read_bytes(), file.read_bytes())
        self.assertIn(b"Re-using existing connection", done.stderr)

    def test_new_certificate(self) -> None:
        """After a reload new connections get the new certificate, and one that is open goes on."""
        context = ssl.create_default_context(cafile=str(self.root))
        open_before = Stream(
            context.wrap_socket(
                socket.create_connection(("127.0.0.1", self.gateway.reverse), 5),
                server_hostname="127.0.0.1",
            )
        )
        self.addCleanup(open_before.close)
        other = made_folder(self)
        self.pem.write_bytes(certificate(other).read_bytes())
        self.gateway.signal(1)
        self.gateway.says("event config_reloaded")
        self.assertEqual(curl("--cacert", str(self.root), f"{self.url}/hello").returncode, 60)
        new = root_of(other / "server.pem")
        self.assertEqual(curl("--cacert", str(new), f"{self.url}/hello").stdout, b"origin")
        open_before.send(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertEqual(open_before.answer().content, b"origin")

    def test_half_open_handshakes(self) -> None:
        """A thousand connections that never finish a handshake leave others served, and go when their time is up."""
        silent = [
            socket.create_connection(("127.0.0.1", self.gateway.reverse), 5) for _ in range(1000)
        ]
        for one in silent:
            self.addCleanup(one.close)
            one.send(b"\x16\x03\x01\x02\x00\x01")
        self.assertEqual(curl("--cacert", str(self.root), f"{self.url}/hello").stdout, b"origin")


class OriginTests(SynchronousTestCase):
    """A site whose origin is reached by https."""

    def start(self, *, trusted: bool) -> str:
        """Start nginx with TLS and a gateway that trusts it or not; gives the URL of the site."""
        folder = made_folder(self)
        pem = certificate(folder)
        port = free_port()
        nginx(self, NGINX, port=port, pem=str(pem))
        trust = root_of(pem if trusted else certificate(made_folder(self)))
        self.gateway = Gateway(self, SECURED_ORIGIN, origin=port, trust=trust)
        return f"http://127.0.0.1:{self.gateway.reverse}"

    def test_trusted(self) -> None:
        """Its answers pass, and its connection is kept for the next request."""
        url = self.start(trusted=True)
        for path in ("/a", "/b"):
            self.assertEqual(curl(f"{url}{path}").stdout, f"secured {path}".encode())
        self.assertEqual(self.gateway.lines(2)[0]["status"], 200)

    def test_not_trusted(self) -> None:
        """One whose certificate nobody vouches for gets no request, and the page says why."""
        url = self.start(trusted=False)
        done = curl("-i", f"{url}/a")
        self.assertIn(b"502", done.stdout.partition(b"\r\n")[0])
        self.assertIn(b"signed by itself", done.stdout)
        (line,) = self.gateway.lines(1)
        self.assertEqual(line["outcome"], "failed")
        self.assertIn("self_signed", json.dumps(line))


class MutualTests(SynchronousTestCase):
    """A site whose clients have to show a certificate."""

    def test_required(self) -> None:
        """Only who has one of the authority is served."""
        folder, client = made_folder(self), made_folder(self)
        pem = certificate(folder)
        shown = certificate(client, "alice.example.com")
        origin = Origin(self)
        gateway = Gateway(
            self,
            SITE + 'client_ca = "$clients"\n',
            origin=origin.port,
            pem=pem,
            clients=root_of(shown),
        )
        url = f"https://127.0.0.1:{gateway.reverse}/hello"
        trusting = ("--cacert", str(root_of(pem)))
        self.assertNotEqual(curl(*trusting, url).returncode, 0)
        self.assertEqual(origin.seen, [])
        self.assertEqual(curl(*trusting, "--cert", str(shown), url).stdout, b"origin")


class NameTests(SynchronousTestCase):
    """A connection made for one host, and requests for another."""

    def test_misdirected(self) -> None:
        """A request for a host that the certificate shown is not for gets 421."""
        folder, other = made_folder(self), made_folder(self)
        pem, second = certificate(folder, "a.example.com"), certificate(other, "b.example.com")
        origin = Origin(self)
        sites = SITE.replace('"127.0.0.1", "www.example.com"', '"a.example.com"') + SITE.replace(
            '"127.0.0.1", "www.example.com"', '"b.example.com"'
        ).replace("$pem", "$second")
        gateway = Gateway(self, sites, origin=origin.port, pem=pem, second=second)
        port = gateway.reverse
        for host in ("a.example.com", "b.example.com"):
            root = root_of(pem if host.startswith("a") else second)
            at = ("--cacert", str(root), "--connect-to", f"{host}:443:127.0.0.1:{port}")
            self.assertEqual(curl(*at, f"https://{host}/hello").stdout, b"origin")
            wrong = "b.example.com" if host.startswith("a") else "a.example.com"
            done = curl(
                *at,
                "-H",
                f"Host: {wrong}",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                f"https://{host}/hello",
            )
            self.assertEqual(done.stdout, b"421")


class ProxyTests(SynchronousTestCase):
    """A forward proxy that is itself reached by TLS."""

    def test_https_parent(self) -> None:
        """A parent is reached by TLS and verified, for requests and for tunnels."""
        folder = made_folder(self)
        pem = certificate(folder)
        origin = Origin(self)
        parent = Gateway(
            self,
            FORWARD.replace(
                '["127.0.0.1:$forward"]',
                '[{ address = "127.0.0.1:$forward", tls = { certificate = "$pem" } }]',
            ),
            pem=pem,
        )
        child = Gateway(
            self,
            FORWARD
            + 'parent = [{ url = "https://127.0.0.1:$above" }]\n[tls]\ntrust = ["$trust"]\n',
            above=parent.forward,
            trust=root_of(pem),
        )
        for more in ((), ("--proxytunnel",)):
            done = curl(
                *("--proxy", f"http://127.0.0.1:{child.forward}"),
                *more,
                f"http://127.0.0.1:{origin.port}/hello",
            )
            self.assertEqual(done.stdout, b"origin", done.stderr)
        self.assertEqual(len(parent.lines(2)), 2)

    def test_https_proxy(self) -> None:
        """Requests and tunnels go through it."""
        folder = made_folder(self)
        pem = certificate(folder)
        origin = Origin(self)
        text = FORWARD.replace(
            '["127.0.0.1:$forward"]',
            '[{ address = "127.0.0.1:$forward", tls = { certificate = "$pem" } }]',
        )
        gateway = Gateway(self, text, pem=pem)
        proxy = ("--proxy", f"https://127.0.0.1:{gateway.forward}", "--proxy-cacert")
        for more in ((), ("--proxytunnel",)):
            done = curl(*proxy, str(root_of(pem)), *more, f"http://127.0.0.1:{origin.port}/hello")
            self.assertEqual(done.stdout, b"origin", done.stderr)
        lines = until(lambda: gateway.lines(2), what="two lines")
        self.assertEqual([line["method"] for line in lines], ["GET", "CONNECT"])
