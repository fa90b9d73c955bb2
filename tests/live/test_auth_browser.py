"""A real browser signs in: by the login page and cookies, at http and decrypted https, at one gateway and at three."""

from __future__ import annotations

from pathlib import Path

import bcrypt
from twisted.trial.unittest import SynchronousTestCase

from tests.live.chromium import Chromium
from tests.live.peers import Origin, connected
from tests.live.processes import Gateway, free_port, haproxy, made_folder, until
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    SecureOrigin,
    roots_in,
    serving,
    site_certificate,
    written,
)
from tests.unit.net.certificates import authority

ROOT = authority("Root of the origin")

AUTH = """
[plugins]
enabled = ["auth", "upload_limit"]
[plugins.auth]
users = "%(users)s"
order = ["cookie", "basic"]
ip_cache = 0
cookie = "8h"
[plugins.auth.cookies]
keys = { file = "%(keys)s" }
tunnels = ["*"]
"""

SITE = """
[[site]]
host = ["*"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
[plugins.auth.sites]
hosts = ["127.0.0.1"]
"""

BALANCED = """
listen proxies
  bind 127.0.0.1:%d
  balance roundrobin
%s
"""


class BrowserTests(SynchronousTestCase):
    """anna, and her Chromium."""

    def setUp(self) -> None:
        folder = made_folder(self)
        users, keys = folder / "users", folder / "keys"
        users.write_text(f"anna:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
        keys.write_text("0123456789abcdef0123456789abcdef\n")
        self.auth = AUTH % {"users": users, "keys": keys}
        self.plain = Origin(self, "plain origin")
        pem = written(folder, site_certificate(ROOT, "other.example.com"))
        self.secure = SecureOrigin(self, serving(pem))
        self.trust = roots_in(folder, ROOT)

    def gateway(self) -> Intercepting:
        """Start a gateway that decrypts."""
        return Intercepting(self, self.trust, more=self.auth)

    def chromium(self, port: int, *trusted: Path) -> Chromium:
        """Start a browser."""
        return Chromium(self, f"127.0.0.1:{port}", trusted)

    def known(self, gateway: Gateway, begin: str) -> None:
        """See that all who got a page there are anna, by the log, once she is in it."""

        def users() -> set[str | None]:
            return {
                line["user"]
                for line in gateway.lines(1)
                if line["url"].startswith(begin) and line["status"] == 200
            }

        until(users, what=f"a page of {begin} in the log")
        self.assertEqual(users(), {"anna"})

    def signed_in(self, *gateways: Gateway) -> float:
        """Count the passwords that were taken."""
        count = 0.0
        for gateway in gateways:
            _, text = gateway.asked("/metrics")
            if "gateway_plugin_auth_logins_total" in text:
                count += sum(
                    float(line.rpartition(" ")[2])
                    for line in text.splitlines()
                    if line.startswith("gateway_plugin_auth_logins_total")
                    and 'result="signed_in"' in line
                )
        return count

    def test_both(self) -> None:
        """She signs in once at http and is known at another host, at its https, and nobody of them gets our cookies."""
        gateway = self.gateway()
        browser = self.chromium(gateway.forward, gateway.ca)
        url = f"http://{HOST}:{self.plain.port}/hello?a=1"
        page = browser.go(url)
        self.assertIn("User name", page)
        self.assertEqual(browser.url.partition("/.gateway-auth")[0], "http://auth.gateway.local")
        self.assertIn("not right", browser.sign_in("anna", "wrong"))
        self.assertEqual(browser.sign_in("anna", "secret"), "plain origin")
        self.assertEqual(browser.url, url)
        for url in (
            f"http://other.example.com:{self.plain.port}/hello",
            f"https://{HOST}:{self.secure.port}/hello",
            f"https://other.example.com:{self.secure.port}/hello",
        ):
            self.assertIn("origin", browser.go(url))
            self.assertEqual(browser.url, url)
        self.assertEqual(self.signed_in(gateway), 1)
        for head in [*self.plain.seen, *self.secure.seen]:
            self.assertNotIn("gateway-auth", head.get("cookie"))
            self.assertNotIn(".gateway-auth", head.first[1])
        self.known(gateway, f"https://{HOST}:")
        self.known(gateway, "https://other.example.com:")
        self.known(gateway, f"http://{HOST}:")

    def test_https_first(self) -> None:
        """She who begins at https is asked just so."""
        gateway = self.gateway()
        browser = self.chromium(gateway.forward, gateway.ca)
        url = f"https://{HOST}:{self.secure.port}/hello"
        self.assertIn("User name", browser.go(url))
        self.assertEqual(browser.sign_in("anna", "secret"), "origin")
        self.assertEqual(browser.url, url)

    def test_three_gateways(self) -> None:
        """Behind a balancer that gives each request to the next of three gateways, she signs in once (L4)."""
        gateways = [self.gateway() for _ in range(3)]
        port = free_port()
        servers = "\n".join(
            f"  server g{number} 127.0.0.1:{gateway.forward}"
            for number, gateway in enumerate(gateways)
        )
        haproxy(self, BALANCED % (port, servers), port)
        browser = self.chromium(port)
        url = f"http://{HOST}:{self.plain.port}/close"
        self.assertIn("User name", browser.go(url))
        browser.sign_in("anna", "secret")
        self.assertEqual(browser.url, url)
        for _ in range(12):
            for host in (HOST, "other.example.com"):
                url = f"http://{host}:{self.plain.port}/close"
                browser.go(url)
                self.assertEqual(browser.url, url)
        self.assertEqual(self.signed_in(*gateways), 1)
        for gateway in gateways:
            self.known(gateway, f"http://{HOST}:")

    def test_site(self) -> None:
        """In front of a site the form is in the page's place, and signing out shows it again."""
        gateway = Gateway(self, self.auth + SITE, origin=self.plain.port)
        direct = Chromium(self, "127.0.0.1:1", bypass="*")
        url = f"http://127.0.0.1:{gateway.reverse}/hello"
        self.assertIn("Sign in to go on to 127.0.0.1", direct.go(url))
        self.assertEqual(direct.sign_in("anna", "secret"), "plain origin")
        self.assertEqual(direct.url, url)
        self.assertIn("anna", direct.go(f"http://127.0.0.1:{gateway.reverse}/.gateway-auth/logout"))
        self.assertIn("signed out", direct.press())
        self.assertIn("Sign in", direct.go(url))

    def test_unread_tunnel(self) -> None:
        """Who only looks like a browser gets no tunnel for what is no TLS, nor where TLS is not decrypted."""
        gateway = Intercepting(
            self, self.trust, more=self.auth, tls='never_decrypt = ["other.example.com"]'
        )
        tried = ((HOST, b"SSH-2.0-x\r\n"), ("other.example.com", b"GET / HTTP/1.0\r\n\r\n"))
        for count, (host, sent) in enumerate(tried, 1):
            stream = connected(self, gateway.forward)
            stream.send(
                f"CONNECT {host}:{self.plain.port} HTTP/1.1\r\nHost: {host}\r\n"
                "User-Agent: Mozilla/5.0\r\n\r\n".encode()
            )
            stream.socket.sendall(sent)
            lines = gateway.lines(count)
            self.assertEqual([line["outcome"] for line in lines], ["refused"] * count)
        self.assertEqual(self.plain.seen, [])
