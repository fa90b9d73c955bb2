"""
Whoever is known without a look is known as he would be by looking: the same requests to two gateways, one of which looks each time.
"""

from __future__ import annotations

from random import Random
from typing import Any, cast

from gateway.testing import FakeGateway, ScriptedClient
from gateway_auth import Auth
from gateway_auth.tests.browser import AGENT, KEY, Browser
from gateway_auth.tests.local_users import URL, LocalUsersTestCase, basic

#: Names and values of fields.
Said = list[tuple[str, str]]

_URLS = (*[URL] * 6, f"{URL}page", "http://other.example.com/")
_STEPS = 40
_USERS = (*[("anna", "secret")] * 3, ("bert", "hidden"), ("anna", "wrong"))
#: What may stand beside it.
_ODD: Said = [
    ("User-Agent", AGENT),
    ("Via", "1.1 x"),
    ("X-Forwarded-For", "192.0.2.99"),
    ("X-Remote-User", "anna"),
    ("x-remote-GROUPS", "root"),
    ("X_Remote_User", "root"),
    ("Connection", "X-Remote-User"),
    ("X-Else", "gateway-auth"),
]


class Side:
    """
    One gateway and what it has seen.

    @ivar field: that has credentials.
    @ivar cookies: of its users.
    """

    def __init__(self, gateway: FakeGateway, field: str, *, signs_in: bool) -> None:
        self.gateway = gateway
        self.field = field
        self.cookies: list[str] = []
        for url in _URLS:
            gateway.origin[url] = b"hello"
        if signs_in:
            for user, password in (("anna", "secret"), ("bert", "hidden")):
                browser = Browser([gateway])
                browser.sign_in(URL, user, password)
                self.cookies.append(browser.cookie_field(URL))
        self.clients = [gateway.client() for _ in range(2)]

    def ask(self, test: LocalUsersTestCase, method: str, url: str, said: Said, which: int) -> Any:
        """Give who it was, what he got, and what came to the origin."""
        fields = [(name, value.format(*self.cookies)) for name, value in said]
        origin = self.gateway.origin
        before = len(origin.requests)
        client: ScriptedClient = self.clients[which]
        seen = test.seen(self.gateway.request(method, url, fields, on=client))
        assert seen.transaction is not None
        lines = b"".join(one.raw for one in origin.requests[before:]).split(b"\r\n")
        kept = sorted(line for line in lines if not line.startswith((b"X-Request-Id", b"Via")))
        return seen.status, seen.transaction.identity, kept


class ModelTests(LocalUsersTestCase):
    """Requests by chance."""

    def sides(self, random: Random) -> tuple[Side, Side]:
        """Start two gateways that are alike, but for one that looks each time."""
        own: dict[str, Any] = {"users": str(self.users), "groups": str(self.groups), "ip_cache": 0}
        by_cookie = random.random() < 0.5
        if random.random() < 0.5:
            own |= {"ip_cache": "15m", "addresses": {"probation": 0, "probation_every": 0}}
        if by_cookie:
            keys = self.folder / "keys"
            keys.write_text(f"{KEY}\n")
            keys.chmod(0o600)
            own |= {"cookie": "8h", "cookies": {"keys": {"file": str(keys)}}}
        mode: Any = random.choice(("forward", "reverse"))
        field = "Proxy-Authorization"
        if mode == "reverse":
            field = "Authorization"
            own["sites"] = {"hosts": ["www.example.com"]}
        limits = {"timeouts.client_idle": "100h", "timeouts.request_head": "100h"}
        sides = []
        for _ in range(2):
            gateway = FakeGateway(Auth, own, mode=mode, config=limits)
            self.addCleanup(gateway.stop)
            sides.append(Side(gateway, field, signs_in=by_cookie))
        # Whatever it keeps was kept by somebody else.
        cast(Auth, sides[1].gateway.plugin)._maker = object()
        return sides[0], sides[1]

    def telling(self, random: Random, side: Side) -> Said:
        """Give fields that tell who asks, or seem to."""
        said: Said = [("User-Agent", random.choice((AGENT, AGENT, "other")))]
        for chance in (0.6, 0.1):
            if random.random() < chance:
                user = random.choice(_USERS)
                said += basic(*user, random.choice((side.field, side.field.lower()))).items()
        for chance in (0.7, 0.2):
            if side.cookies and random.random() < chance:
                said.append(("Cookie", random.choice(("{0}", "{1}", "a=1; {0}", "a=2; {1}"))))
        return said + random.sample(_ODD, random.choice((0, 0, 0, 1, 2)))

    def changed(self, random: Random, said: Said) -> Said:
        """Give fields as they are on another page."""
        said = said.copy()
        if random.random() < 0.6:
            said.append(("Referer", str(random.randrange(3))))
        if random.random() < 0.2:
            said.append(random.choice(_ODD))
        if random.random() < 0.2:
            random.shuffle(said)
        if random.random() < 0.1:
            said.append(random.choice(said))
        if random.random() < 0.1:
            said.pop(random.randrange(len(said)))
        return said

    def test_alike(self) -> None:
        """Both say the same of everybody, and tell the origin the same."""
        for seed in range(12):
            random = Random(seed)
            one, other = self.sides(random)
            telling = self.telling(random, one)
            for step in range(_STEPS):
                if random.random() < 0.15:
                    telling = self.telling(random, one)
                asked = (
                    random.choice(("GET", "GET", "GET", "OPTIONS")),
                    random.choice(_URLS),
                    self.changed(random, telling),
                    random.choice((0, 0, 0, 1)),
                )
                self.assertEqual(
                    one.ask(self, *asked), other.ask(self, *asked), (seed, step, asked)
                )
                seconds = random.choice((0, 0, 0, 0, 1, 6, 60))
                for side in (one, other):
                    side.gateway.clock.advance(seconds)
