"""What a request of a user who is known already costs more than nobody's, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from typing import Any

from gateway.testing.spoken import request_bytes
from gateway_auth.tests.browser import AGENT, Browser
from gateway_auth.tests.local_users import basic
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.test_auth import PAGE, AuthCase

HOST = "www.example.com"
REQUESTS = 32
SITES = {"sites": {"hosts": [HOST]}}
ALICE = basic("alice", "alicepw")
FIELDS = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Language": "en", "Cookie": "theirs=1"}


class IdentifiedCostTests(Unhurried, AuthCase):
    """Requests on a kept connection, each with another C{Referer} as a browser sends it."""

    def cost(self, fields: dict[str, str], mode: Any = "forward", **settings: object) -> float:
        """Count what one request executes of the gateway and of the plugin."""
        gateway = self.gateway(mode, **settings)
        if "cookie" in settings:
            person = Browser([gateway])
            person.sign_in(PAGE, "alice", "alicepw")
            fields = {**fields, "Cookie": f"theirs=1; {person.cookie_field(PAGE)}"}
        elif settings.get("policy") != "off":
            name = "Authorization" if mode == "reverse" else "Proxy-Authorization"
            self.successResultOf(gateway.get(PAGE, {**FIELDS, **basic("alice", "alicepw", name)}))
        client = gateway.client()
        target = PAGE if mode == "forward" else "/page"

        def ask(number: int) -> None:
            lines = [*fields.items(), ("Referer", f"{PAGE}/{number}")]
            asked = request_bytes("GET", target, HOST, lines, b"")
            count[0] += opcodes(lambda: client.send(asked), without="/testing/")
            gateway.settle()

        count = [0]
        for number in range(2):
            ask(number)
        count[0] = 0
        for number in range(REQUESTS):
            ask(2 + number)
        rows = gateway.access_log[-REQUESTS:]
        self.assertEqual({row["status"] for row in rows}, {200})
        user = "-" if settings.get("policy") == "off" else "alice"
        self.assertEqual({row["user"] or "-" for row in rows}, {user})
        return count[0] / REQUESTS

    def test_forward(self) -> None:
        """Through a forward proxy a known password or address costs no more than 155 opcodes, a cookie no more than 275."""
        off = self.cost(FIELDS, policy="off")
        address: dict[str, object] = {
            "addresses": {"probation": 0, "probation_every": 0},
            "ip_cache": "15m",
        }
        ways: tuple[tuple[dict[str, str], dict[str, object], int], ...] = (
            ({**FIELDS, **ALICE}, {}, 155),
            (FIELDS, {"cookie": "8h"}, 275),
            (FIELDS, address, 155),
        )
        for fields, settings, most in ways:
            more = self.cost(fields, **settings) - off
            self.assertLessEqual(more, most, settings)

    def test_site(self) -> None:
        """In front of a site a known password or cookie costs no more than 125 opcodes, what is kept from the origin included."""
        off = self.cost(FIELDS, "reverse", policy="off", **SITES)
        alice = basic("alice", "alicepw", "Authorization")
        ways: tuple[tuple[dict[str, str], dict[str, object], int], ...] = (
            ({**FIELDS, **alice}, {}, 125),
            (FIELDS, {"cookie": "8h"}, 125),
        )
        for fields, settings, most in ways:
            more = self.cost(fields, "reverse", **settings, **SITES) - off
            self.assertLessEqual(more, most, settings)
