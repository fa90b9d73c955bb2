"""Tests of orders about users."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import StoreFailed
from gateway_auth.logouts import Logouts
from gateway_auth.tests.address_requests import ANNA, BERT, World, a_request
from gateway_auth.user_orders import MOST_LISTED, UserOrders


class Other:
    """Another part that knows users."""

    def __init__(self, *users: str) -> None:
        self.users = list(users)

    def evict(self, who: str) -> int:
        """Forget them."""
        count = self.users.count(who)
        self.users = [user for user in self.users if user != who]
        return count


class OrderTests(SynchronousTestCase):
    """What an operator is told."""

    def setUp(self) -> None:
        self.world = World()
        self.other = Other("anna", "anna")
        self.services: Any = self.world.services.given["auth"]
        self.logouts = Logouts(self.services, self.world.clock.seconds)
        self.orders = UserOrders(
            self.world.cache, self.logouts, self.world.clock, others=[self.other]
        )

    def order(self, name: str, **said: object) -> Any:
        """Give an order; its answer can be written as JSON."""
        answer = Deferred.fromCoroutine(self.orders.carry_out(name, said))
        # The store is never answered in the same turn.
        self.world.clock.advance(0)
        return json.loads(json.dumps(self.successResultOf(answer)))

    def remembered(self) -> None:
        """Let two users be remembered, and an address be shared."""
        self.world.cache.put(a_request("192.0.2.1"), ANNA)
        self.world.clock.advance(60)
        self.world.cache.put(a_request("192.0.2.2"), BERT)
        for identity in (ANNA, BERT):
            self.world.cache.put(a_request("192.0.2.3"), identity)

    def test_unknown(self) -> None:
        """Orders of other plugins are none of ours."""
        self.assertIsNone(self.order("cache.purge"))

    def test_list(self) -> None:
        """Each address is told with all that is known, shared ones apart."""
        self.assertEqual(
            self.order("user.list"), {"users": [], "count": 0, "shared": [], "shared_count": 0}
        )
        self.remembered()
        answer = self.order("user.list")
        self.assertEqual(
            answer["users"][1],
            {
                "address": "192.0.2.1",
                "user": "anna",
                "groups": ["staff"],
                "for": "http",
                "age_seconds": 60.0,
                "left_seconds": 840.0,
                "programs": 1,
                "on_probation": False,
            },
        )
        self.assertTrue(answer["users"][0]["on_probation"])
        self.assertEqual(
            answer["shared"],
            [
                {
                    "address": "192.0.2.3",
                    "reason": "users",
                    "age_seconds": 0.0,
                    "left_seconds": 3600.0,
                }
            ],
        )

    def test_list_one(self) -> None:
        """One user, or one address in any spelling."""
        self.remembered()
        for who, found, shared in (
            ("anna", ["192.0.2.1"], []),
            ("::ffff:192.0.2.2", ["192.0.2.2"], []),
            ("192.0.2.3", [], ["192.0.2.3"]),
            ("nobody", [], []),
        ):
            answer = self.order("user.list", who=who)
            self.assertEqual([user["address"] for user in answer["users"]], found)
            self.assertEqual([mark["address"] for mark in answer["shared"]], shared)

    def test_bounded(self) -> None:
        """A long list is cut, and it is told how long it is."""
        for number in range(MOST_LISTED + 5):
            self.world.cache.put(a_request(f"198.18.{number // 256}.{number % 256}"), ANNA)
        answer = self.order("user.list")
        self.assertEqual((len(answer["users"]), answer["count"]), (MOST_LISTED, MOST_LISTED + 5))

    def test_evict(self) -> None:
        """A user is forgotten by all parts, and it is told what of; one of whom nothing is known is told as such."""
        self.remembered()
        self.assertEqual(
            self.order("user.evict", who="anna"), {"addresses": ["192.0.2.1"], "others": 2}
        )
        answer = self.order("user.evict", who="anna")
        self.assertEqual(answer["why"], "nothing is known of anna")
        self.assertEqual(
            self.order("user.evict", who="192.0.2.3"), {"addresses": ["192.0.2.3"], "others": 0}
        )
        self.assertFalse(self.logouts.is_over("anna", 0.0))

    def test_logout(self) -> None:
        """To log a user out also ends what he was given, whether anything else is known of him or not."""
        self.remembered()
        for found in (["192.0.2.1"], 2), ([], 0):
            answer = self.order("user.logout", who="anna")
            self.assertEqual((answer["addresses"], answer["others"]), found)
            self.assertTrue(answer["survives_restart"])
        self.assertTrue(self.logouts.is_over("anna", self.world.clock.seconds()))

    def test_logout_not_stored(self) -> None:
        """If it can't be stored it holds nevertheless, and that is told."""
        self.services.store.failing = StoreFailed("failed", "the disk is full")
        self.assertFalse(self.order("user.logout", who="anna")["survives_restart"])
        self.assertTrue(self.logouts.is_over("anna", self.world.clock.seconds()))

    def test_nonsense(self) -> None:
        """Who is meant has to be said, in a text of bounded length."""
        for name in ("user.evict", "user.logout"):
            for who in ("", 7, None, ["anna"], "x" * 1025):
                self.assertIn("named", self.order(name, who=who)["why"])
        self.assertIn("named", self.order("user.list", who=7)["why"])
