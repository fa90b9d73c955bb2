"""Cookie mode at three gateways that have nothing in common but a file of keys, with a real directory (U3, L4)."""

from __future__ import annotations

import os
import re
from functools import partial
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from twisted.trial.unittest import SynchronousTestCase

from tests.live.directories import ACCOUNT, ACCOUNT_PASSWORD, BASE, PEOPLE, Slapd
from tests.live.peers import Origin
from tests.live.processes import FORWARD, Gateway, made_folder, until

CONFIG = (
    FORWARD
    + """
[plugins]
enabled = ["auth"]
[plugins.auth]
ip_cache = 0
cookie = "8h"
cookies = { keys = { file = "$keys" } }
[plugins.auth.ldap]
uri = ["ldaps://localhost:$ldaps"]
base = "$base"
bind_dn = "$account"
password = { file = "$password" }
ca = "$ca"
"""
)

ROUNDS = 150


class Person:
    """
    A browser of the standard library's: it keeps cookies as RFC 6265 says, and goes to each gateway in turn, redirects included.

    @ivar trail: the status of each answer.
    """

    def __init__(self, *gateways: Gateway) -> None:
        self.trail: list[int] = []
        self.url = ""
        self._jar = CookieJar()
        self._turn = 0
        self.turn_to(*gateways)

    def turn_to(self, *gateways: Gateway) -> None:
        """Go to these from now on."""
        self._openers = [self._opener(gateway.forward) for gateway in gateways]

    def go(self, url: str, content: bytes | None = None) -> str:
        """
        Go to a page and wherever that leads; give what is shown then.

        @raise AssertionError: it leads in a circle.
        """
        for _ in range(10):
            fields, text = self._ask(url, content)
            self.url = url
            refresh = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', text)
            onward = fields.get("Location") or (refresh and unescape(refresh[1]))
            if not onward:
                return text
            url, content = urljoin(url, onward), None
        raise AssertionError(f"a circle: {self.trail}")

    def sign_in(self, page: str, user: str, password: str) -> str:
        """Fill in the form that is shown, and give what is shown then."""
        action = re.search(r'action="([^"]*)"', page)
        assert action is not None, page
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
        typed = {name: unescape(value) for name, value in hidden}
        typed |= {"user": user, "password": password}
        return self.go(urljoin(self.url, action[1]), urlencode(typed).encode())

    def _ask(self, url: str, content: bytes | None) -> tuple[Any, str]:
        fields = {"User-Agent": "Mozilla/5.0 (X11) Test/1.0", "Accept": "text/html"}
        if content is not None:
            fields["Origin"] = "http://" + urlsplit(url).netloc
        opener = self._openers[self._turn % len(self._openers)]
        self._turn += 1
        try:
            answer = opener.open(Request(url, content, fields), timeout=10)
        except HTTPError as refusal:
            answer = refusal
        with answer:
            self.trail.append(answer.status)
            return answer.headers, answer.read().decode()

    def _opener(self, port: int) -> OpenerDirector:
        proxy = ProxyHandler({"http": f"http://127.0.0.1:{port}"})
        return build_opener(proxy, HTTPCookieProcessor(self._jar), _Stay)


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: the next request is another gateway's."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        """Leave the answer as it is."""


class NodeTests(SynchronousTestCase):
    """Three processes, one directory."""

    def setUp(self) -> None:
        self.slapd = Slapd(self, debug="stats")
        self.password = self.slapd.folder / "password"
        self.password.write_text(ACCOUNT_PASSWORD)
        self.origins = [Origin(self) for _ in range(2)]
        self.urls = [f"http://127.0.0.1:{origin.port}/hello" for origin in self.origins]
        self.keys = self.made_keys()

    def made_keys(self) -> Path:
        """Write a file with a key."""
        file = made_folder(self) / "cookie.keys"
        file.write_text(f"{os.urandom(32).hex()}\n")
        return file

    def gateway(self, keys: Path) -> Gateway:
        """Start a gateway."""
        return Gateway(
            self,
            CONFIG,
            keys=keys,
            ldaps=self.slapd.secure,
            base=BASE,
            account=ACCOUNT,
            password=self.password,
            ca=self.slapd.ca,
        )

    def has_served(self, node: Gateway) -> bool:
        """Tell whether a third of all requests are in a gateway's log as alice's."""
        return node.log.read_text().count('"user":"alice"') >= 2 * ROUNDS // 3

    def binds(self, user: str) -> int:
        """Count how often the directory was given a user's password, by its own log."""
        name = re.escape(f'dn="uid={user},{PEOPLE}"')
        return len(re.findall(rf"BIND {name} method=128", self.slapd.program.text))

    def logins(self, *gateways: Gateway) -> float:
        """Count the passwords that gateways asked the directory about, by their metrics."""
        name = "gateway_plugin_auth_directory_requests_total"
        counts = 0.0
        for gateway in gateways:
            _, text = gateway.asked("/metrics")
            for line in text.splitlines():
                # Of a gateway that never asked there is none.
                if line.startswith(name) and 'what="verify"' in line:
                    counts += float(line.rpartition(" ")[2])
        return counts

    def test_one_login(self) -> None:
        """Who signs in at one is known at all three, in turn, over hundreds of requests: the directory sees one bind (L4)."""
        nodes = [self.gateway(self.keys) for _ in range(3)]
        alice = Person(*nodes)
        page = alice.go(self.urls[0])
        self.assertIn("User name", page)
        self.assertEqual(alice.sign_in(page, "alice", "alicepw"), "origin")
        for url in self.urls:
            self.assertEqual(alice.go(url), "origin")
        alice.trail.clear()
        for _ in range(ROUNDS):
            for url in self.urls:
                self.assertEqual(alice.go(url), "origin")
        # Neither asked nor sent away again.
        self.assertEqual(alice.trail, [200] * 2 * ROUNDS)
        for node in nodes:
            until(partial(self.has_served, node), what="its part of the requests")
        until(lambda: self.binds("alice"), what="the bind in slapd's log")
        self.assertEqual((self.binds("alice"), self.logins(*nodes)), (1, 1.0))
        for origin in self.origins:
            for head in origin.seen:
                self.assertNotIn("gateway-auth", head.get("cookie"))

    def test_other_key(self) -> None:
        """A gateway with another key takes nobody's cookie of these, and asks the directory again."""
        one, other = self.gateway(self.keys), self.gateway(self.made_keys())
        alice = Person(one)
        self.assertEqual(alice.sign_in(alice.go(self.urls[0]), "alice", "alicepw"), "origin")
        alice.turn_to(other)
        page = alice.go(self.urls[0])
        self.assertIn("User name", page)
        self.assertEqual(alice.sign_in(page, "alice", "alicepw"), "origin")
        until(lambda: self.binds("alice") == 2, what="the second bind")
        self.assertEqual(self.logins(one, other), 2.0)
