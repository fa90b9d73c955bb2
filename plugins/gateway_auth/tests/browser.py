"""
A browser for tests: it keeps cookies as RFC 6265 says, follows redirects and sends forms; and a plugin of cookies and forms alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Annotated
from urllib.parse import urlencode, urljoin, urlsplit

from gateway.api import (
    Block,
    Challenge,
    Identity,
    Plugin,
    ReadContent,
    Respond,
    Services,
    Transaction,
    hookimpl,
)
from gateway.api.settings import Help, SecretText
from gateway.testing import FakeGateway, Seen
from gateway_auth.browsers import Browsers
from gateway_auth.cookie_settings import CookieSettings
from gateway_auth.limiter import Limiter
from gateway_auth.logouts import Logouts
from gateway_auth.verifier import Refused, Unavailable, Verified

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0"
KEY = "k" * 40
OWN = "http://auth.gateway.local"


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Settings of L{Front}."""

    cookies: Annotated[CookieSettings, Help("Cookies.")] = CookieSettings()
    secret: Annotated[SecretText | None, Help("Unused.")] = None


class Front(Plugin):
    """
    Cookies and forms, with users in a dictionary and nothing else.

    @ivar asked: the names whose password was checked.
    """

    name = "front"
    Settings = FrontSettings

    def __init__(self, settings: FrontSettings, services: Services) -> None:
        super().__init__(settings, services)
        self.passwords = {"alice": "alicepw", "bob": "bobpw"}
        self.groups = {"alice": frozenset({"staff", "admins"})}
        self.asked: list[str] = []
        self.asked_groups: list[str] = []
        self.is_down = False
        self.users: list[tuple[str, str]] = []
        limiter = Limiter(services.clock)
        self.browsers = Browsers(
            services,
            settings.cookies,
            life_seconds=28800.0,
            verify=self.verify,
            limiter=limiter,
            ended=self,
            log_out=self.log_out,
            groups=self.find_groups,
        )
        self.logouts = Logouts(services, self.browsers.mode.tokens.now)

    async def start(self) -> None:
        await self.logouts.load()
        await self.browsers.start()

    def is_over(self, user: str, since: float) -> bool:
        return self.logouts.is_over(user, since)

    async def log_out(self, user: str) -> object:
        return await self.logouts.log_out(user)

    async def verify(self, user: str, password: str) -> Verified:
        self.asked.append(user)
        if self.is_down:
            raise Unavailable("down")
        if user not in self.passwords:
            raise Refused("unknown_user")
        if self.passwords[user] != password:
            raise Refused("wrong_password")
        return Verified(user, self.groups.get(user, frozenset()))

    async def find_groups(self, user: str) -> frozenset[str]:
        self.asked_groups.append(user)
        if self.is_down:
            raise Unavailable("down")
        return self.groups.get(user, frozenset())

    @hookimpl()
    async def authenticate(self, txn: Transaction) -> Identity | Challenge | None:
        if self.browsers.is_open(txn):
            return None
        shown = txn.request.fields.get("proxy-authorization")
        if shown is not None and shown.startswith("Test "):
            return Identity(shown[5:], source="basic")
        if shown is not None and shown.startswith("Weak "):
            return Identity(shown[5:], source="address")
        identity = await self.browsers.identify(txn)
        if identity is not None:
            self.users.append((txn.request.url, identity.user))
            return identity
        return None if self.browsers.seed(txn) else Challenge(('Basic realm="test"',))

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | Respond | ReadContent | None:
        return self.browsers.answer(txn)

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        self.browsers.judge(txn)


@dataclass
class Browser:
    """
    One person's browser.

    @ivar gateways: asked in turn, one request each.
    @ivar jar: cookies by host and name.
    @ivar trail: what was asked and the status of the answer.
    """

    gateways: list[FakeGateway]
    address: str = "192.0.2.7"
    agent: str = AGENT
    keeps_cookies: bool = True
    jar: dict[tuple[str, str], str] = field(default_factory=dict)
    trail: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""
    turn: int = 0

    def cookie_field(self, url: str) -> str:
        host = urlsplit(url).hostname
        return "; ".join(f"{name}={value}" for (at, name), value in self.jar.items() if at == host)

    def ask(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> Seen:
        """Ask once, and keep what cookies there are."""
        sent = {"User-Agent": self.agent, "Accept": "text/html,*/*;q=0.8"}
        if cookies := self.cookie_field(url):
            sent["Cookie"] = cookies
        sent.update(fields or {})
        gateway = self.gateways[self.turn % len(self.gateways)]
        self.turn += 1
        seen = gateway.request(method, url, sent, content, address=self.address).seen()
        self.url = url
        self.trail.append((f"{method} {url.partition('?')[0]}", seen.status))
        for value in seen.fields.get_all("set-cookie") if self.keeps_cookies else []:
            self.take(url, value)
        return seen

    def take(self, url: str, value: str) -> None:
        """Take a Set-Cookie."""
        pair, *attributes = (part.strip() for part in value.split(";"))
        name, _, text = pair.partition("=")
        key = urlsplit(url).hostname or "", name
        if "Max-Age=0" in attributes:
            self.jar.pop(key, None)
        else:
            self.jar[key] = text

    def go(self, url: str, fields: Mapping[str, str] | None = None) -> Seen:
        """Go to a page as a person does, redirects and refreshes followed; at most 20."""
        seen = self.ask("GET", url, fields)
        for _ in range(20):
            location = seen.fields.get("location")
            refresh = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', seen.text)
            if seen.status in (302, 303) and location:
                url = urljoin(url, location)
            elif refresh:
                url = urljoin(url, unescape(refresh[1]))
            else:
                return seen
            seen = self.ask("GET", url, fields)
        raise AssertionError(f"a loop: {self.trail}")

    def hidden(self, page: Seen) -> dict[str, str]:
        """Give the hidden fields of the form on a page."""
        return {
            name: unescape(value)
            for name, value in re.findall(
                r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text
            )
        }

    def send(self, page: Seen, fields: Mapping[str, str] | None = None, **typed: str) -> Seen:
        """Fill in the form on the page that is shown, send it, and follow."""
        action = re.search(r'action="([^"]*)"', page.text)
        assert action is not None, page.text
        url = urljoin(self.url, action[1])
        parts = urlsplit(url)
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            **(fields or {}),
        }
        seen = self.ask("POST", url, sent, urlencode({**self.hidden(page), **typed}).encode())
        refresh = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', seen.text)
        if refresh:
            return self.go(urljoin(url, unescape(refresh[1])))
        return seen

    def sign_in(self, url: str, user: str = "alice", password: str = "") -> Seen:
        """Go to a page and sign in on the way."""
        page = self.go(url)
        return self.send(page, user=user, password=password or f"{user}pw")
