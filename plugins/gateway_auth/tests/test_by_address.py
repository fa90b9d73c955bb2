"""Tests of what the plugin as a whole makes of addresses: beside credentials, in cookie mode, for operators."""

from __future__ import annotations

from typing import Any

from gateway.testing import FakeGateway
from gateway_auth.tests.local_users import URL, LocalUsersTestCase, basic

AGENT = {"User-Agent": "Mozilla/5.0 (X11) Browser/1.0"}
PAGE = {**AGENT, "Accept": "text/html"}
ANNA, BERT = basic("anna", "secret"), basic("bert", "hidden")


class ByAddressTests(LocalUsersTestCase):
    """The window is a quarter of an hour, and the first half minute of it is over."""

    def known(self, **settings: Any) -> FakeGateway:
        """Start a gateway for which the address is one user's."""
        gateway = self.gateway(ip_cache="15m", **settings)
        self.assertEqual(self.seen(gateway.get(URL, {**AGENT, **ANNA})).status, 200)
        gateway.clock.advance(31)
        return gateway

    def user(self, gateway: FakeGateway, fields: dict[str, str]) -> tuple[int, str, str]:
        """Ask, and give status, whom it is put down to and by what that is known."""
        txn = self.seen(gateway.get(URL, fields)).transaction
        assert txn is not None
        identity = txn.identity
        return (
            (txn.status, "", "")
            if identity is None
            else (txn.status, identity.user, identity.source)
        )

    def order(self, gateway: FakeGateway, name: str, **said: object) -> Any:
        """Give an order."""
        answer = gateway.order(name, said)
        gateway.clock.advance(0)
        return self.successResultOf(answer)

    def test_without_credentials(self) -> None:
        """A request that brings nothing is the user's; one of another program, or in the first half minute, is asked."""
        gateway = self.known()
        self.assertEqual(self.user(gateway, AGENT), (200, "anna", "address"))
        self.assertEqual(self.user(gateway, {"User-Agent": "Other/2"})[0], 407)
        self.assertEqual(self.user(self.gateway(ip_cache="15m"), AGENT)[0], 407)

    def test_credentials_win(self) -> None:
        """Credentials say who it is, whatever is remembered; a wrong password is not made good by an address."""
        gateway = self.known()
        self.assertEqual(self.user(gateway, {**AGENT, **basic("anna", "wrong")})[0], 407)
        self.assertEqual(self.user(gateway, {**AGENT, **BERT}), (200, "bert", "basic"))
        self.assertEqual(self.user(gateway, AGENT)[0], 407)
        self.assertEqual([event.name for event in gateway.events], ["address_shared"])

    def test_cookie_mode(self) -> None:
        """A browser that goes to a page is sent to get its own cookie; what can't be sent there is the address's."""
        gateway = self.known(cookie="8h", order=["cookie", "basic"])
        self.assertEqual(self.user(gateway, PAGE)[0], 302)
        self.assertEqual(self.user(gateway, AGENT), (200, "anna", "address"))

    def test_off_for_a_network(self) -> None:
        """In a network without it nobody is known by an address."""
        gateway = self.known(networks=[{"for": ["192.0.2.0/24"], "ip_cache": 0}])
        self.assertEqual(self.user(gateway, AGENT)[0], 407)

    def test_orders(self) -> None:
        """An operator sees whose the address is, and evicts him; with the password he comes back at once."""
        gateway = self.known()
        (user,) = self.order(gateway, "user.list")["users"]
        self.assertEqual((user["user"], user["groups"]), ("anna", ["staff"]))
        # What is forgotten beside the address is the password that was checked.
        self.assertEqual(
            self.order(gateway, "user.evict", who="anna"),
            {"addresses": [user["address"]], "others": 1},
        )
        self.assertEqual(self.user(gateway, AGENT)[0], 407)
        self.assertTrue(self.order(gateway, "user.logout", who="anna")["survives_restart"])
        self.assertEqual(self.user(gateway, {**AGENT, **ANNA}), (200, "anna", "basic"))
        self.assertIsNone(self.order(gateway, "cache.purge"))

    def test_counters(self) -> None:
        """What addresses were good for is in the metrics."""
        gateway = self.known()
        self.user(gateway, AGENT)
        counters: Any = gateway.plugin.counters()
        self.assertEqual(counters["auth_address_hits_total"], 1)
        self.assertEqual(counters["auth_by_address_total"], 1)
