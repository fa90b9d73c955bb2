"""Tests of the IP user cache: its window, its bounds, whom it answers, and what a reload keeps."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Identity
from gateway.api.settings import NetworkSet
from gateway_auth.address_book import MOST_PROGRAMS, canonical
from gateway_auth.settings import NetworkRule
from gateway_auth.tests.address_requests import ANNA, BERT, BROWSER, HOME, World, a_request

#: Nobody is asked again by the guard, for tests of all else.
CALM = {"probation": 0.0}


class WindowTests(SynchronousTestCase):
    """How long an address is somebody's."""

    def test_within(self) -> None:
        """What comes from the address is the user's, with his groups, and it is said how that is known."""
        world = World(**CALM)
        self.assertEqual(world.user(), "")
        world.cache.put(a_request(), ANNA)
        found = world.cache.get(a_request())
        self.assertEqual(found, Identity("anna", frozenset(["staff"]), "address"))
        self.assertEqual(world.user("192.0.2.8"), "")

    def test_fixed(self) -> None:
        """The window begins with the first sight of the user and never slides, however busy he is."""
        world = World(**CALM)
        for _ in range(10):
            world.cache.put(a_request(), ANNA)
            self.assertEqual(world.user(), "anna")
            world.clock.advance(89.9)
        self.assertEqual(world.user(), "anna")
        world.clock.advance(1.0)
        self.assertEqual(world.user(), "")
        world.cache.put(a_request(), ANNA)
        world.clock.advance(899.0)
        self.assertEqual(world.user(), "anna")

    def test_off(self) -> None:
        """With a window of 0 nothing is remembered."""
        world = World(0.0, **CALM)
        world.cache.put(a_request(), ANNA)
        self.assertEqual(world.user(), "")
        self.assertEqual(list(world.cache.entries()), [])

    def test_networks(self) -> None:
        """The first rule that has the address says its window; one that says nothing leaves it to the plugin."""
        rules = (
            NetworkRule(NetworkSet.of("192.0.2.0/28"), ip_cache=0.0),
            NetworkRule(NetworkSet.of("192.0.2.0/27")),
            NetworkRule(NetworkSet.of("192.0.2.0/26"), ip_cache=60.0),
            NetworkRule(NetworkSet.of("192.0.2.0/24"), ip_cache=7200.0),
        )
        world = World()
        world.reload(networks=rules, **CALM)
        addresses = ("192.0.2.7", "192.0.2.20", "192.0.2.40", "192.0.2.70")
        for address in addresses:
            world.cache.put(a_request(address), ANNA)
        for seconds, known in ((50, addresses[1:]), (800, addresses[1::2]), (6000, addresses[3:])):
            world.clock.advance(seconds)
            self.assertEqual(tuple(a for a in addresses if world.user(a)), known)

    def test_icap(self) -> None:
        """Clients of the ICAP listener have a window of their own, which does not prolong the other one."""
        world = World(**CALM)
        world.cache.put(a_request(mode="icap"), ANNA)
        self.assertEqual(world.user(), "")
        world.cache.put(a_request(), ANNA)
        world.clock.advance(900)
        self.assertEqual((world.user(), world.user(mode="icap")), ("", "anna"))
        world.clock.advance(4500)
        self.assertEqual(world.user(mode="icap"), "")

    def test_spellings(self) -> None:
        """An address that is mapped into IPv6 is the same address, and a zone says nothing."""
        self.assertEqual(canonical("::ffff:192.0.2.7"), HOME)
        self.assertEqual(canonical("2001:DB8:0::1%eth0"), "2001:db8::1")
        self.assertEqual(canonical(""), "")
        world = World(**CALM)
        world.cache.put(a_request("::ffff:192.0.2.7"), ANNA)
        self.assertEqual(world.user(), "anna")

    def test_groups(self) -> None:
        """Groups that have changed are those of the next request."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        world.cache.put(a_request(), Identity("anna", frozenset(["guests"]), "basic"))
        found = world.cache.get(a_request())
        self.assertEqual(found and found.groups, frozenset(["guests"]))


class BoundTests(SynchronousTestCase):
    """How much is remembered."""

    def test_least_recently_used(self) -> None:
        """When it is full, whose entry was not used for longest is asked again."""
        world = World(entries=3, **CALM)
        for number in (1, 2, 3):
            world.cache.put(a_request(f"192.0.2.{number}"), ANNA)
        self.assertEqual(world.user("192.0.2.1"), "anna")
        world.cache.put(a_request("192.0.2.4"), BERT)
        known = [number for number in (1, 2, 3, 4) if world.user(f"192.0.2.{number}")]
        self.assertEqual(known, [1, 3, 4])
        self.assertEqual(world.cache.numbers()["auth_addresses"], 3)

    def test_programs(self) -> None:
        """A user with endless kinds of programs has the first ones remembered."""
        world = World(**CALM)
        for number in range(100):
            world.cache.put(a_request(agent=f"Tool/{number}"), ANNA)
        (entry,) = world.cache.entries()
        self.assertEqual(len(entry.programs), MOST_PROGRAMS)
        self.assertEqual((world.user(agent="Tool/1"), world.user(agent="Tool/99")), ("anna", ""))


class BeliefTests(SynchronousTestCase):
    """Which requests an entry answers."""

    def test_other_program(self) -> None:
        """A program of another kind than the one that has authenticated is asked, and known once it has."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        self.assertEqual((world.user(agent="Other/2"), world.user(agent=None)), ("", ""))
        world.cache.put(a_request(agent="Other/2"), ANNA)
        self.assertEqual((world.user(agent="Other/2"), world.user()), ("anna", "anna"))
        self.assertEqual(world.cache.numbers()["auth_address_other_program_total"], 2)

    def test_any_program(self) -> None:
        """By setting, programs that can't authenticate are let in beside one that has."""
        world = World(same_program=False, **CALM)
        world.cache.put(a_request(), ANNA)
        self.assertEqual(world.user(agent="Updater/1"), "anna")

    def test_probation(self) -> None:
        """In the first half minute, and in one after each five, everybody is asked."""
        world = World()
        world.cache.put(a_request(), ANNA)
        known = []
        for second in range(0, 900, 10):
            if world.user():
                known.append(second)
            world.clock.advance(10)
        asked = sorted({*range(0, 900, 10)} - {*known})
        self.assertEqual(asked, [0, 10, 20, 300, 310, 320, 600, 610, 620])

    def test_probation_once(self) -> None:
        """It can be left at the first one."""
        world = World(probation_every=0.0)
        world.cache.put(a_request(), ANNA)
        self.assertEqual(world.user(), "")
        for _ in range(87):
            world.clock.advance(10)
            world.cache.put(a_request(), ANNA)
        world.clock.advance(25)
        self.assertEqual(world.user(), "anna")

    def test_probation_of_who_cannot_be_asked(self) -> None:
        """A request that can't be answered by a question has no probation, but has to be of the right program."""
        world = World()
        world.cache.put(a_request(), ANNA)
        for _ in range(89):
            found = world.cache.get(a_request(), can_be_asked=False)
            self.assertEqual(found and found.user, "anna")
            self.assertIsNone(world.cache.get(a_request(agent="Other/2"), can_be_asked=False))
            world.clock.advance(10)

    def test_bound_to_a_connection(self) -> None:
        """Who has shown it for his connection alone is known by no other one, with or without the guard."""
        for guard in (True, False):
            world = World(guard=guard, **CALM)
            world.cache.saw(a_request(), ANNA)
            self.assertEqual(world.user(), "")
            self.assertEqual(list(world.cache.entries()), [])

    def test_without_guard(self) -> None:
        """Without the guard whoever authenticated last is everybody, whatever program asks."""
        world = World(guard=False)
        world.cache.put(a_request(), ANNA)
        self.assertEqual(world.user(agent="Other/2"), "anna")
        world.cache.put(a_request(agent="Other/2"), BERT)
        self.assertEqual(world.user(), "bert")
        self.assertEqual(world.events, [])


class OperatorTests(SynchronousTestCase):
    """What is listed and evicted."""

    def test_evict(self) -> None:
        """A user is forgotten at all his addresses; an address whoever is there."""
        world = World(**CALM)
        for number in (1, 2, 3):
            world.cache.put(a_request(f"192.0.2.{number}"), ANNA)
        world.cache.put(a_request("192.0.2.4"), BERT)
        self.assertEqual(world.cache.evict("::ffff:192.0.2.2"), ("192.0.2.2",))
        self.assertEqual(world.cache.evict("anna"), ("192.0.2.1", "192.0.2.3"))
        self.assertEqual(world.cache.evict("anna"), ())
        self.assertEqual([world.user(f"192.0.2.{n}") for n in (1, 2, 3, 4)], ["", "", "", "bert"])
        self.assertEqual(world.cache.numbers()["auth_addresses"], 1)

    def test_entries(self) -> None:
        """Those that are over are not listed; the one that was used last comes first."""
        world = World(**CALM)
        world.cache.put(a_request("192.0.2.1"), ANNA)
        world.clock.advance(500)
        world.cache.put(a_request("192.0.2.2"), ANNA)
        world.cache.put(a_request("192.0.2.3"), BERT)
        world.user("192.0.2.2")
        listed = [entry.address for entry in world.cache.entries()]
        self.assertEqual(listed, ["192.0.2.2", "192.0.2.3", "192.0.2.1"])
        world.clock.advance(400)
        listed = [entry.address for entry in world.cache.entries()]
        self.assertEqual(listed, ["192.0.2.2", "192.0.2.3"])

    def test_on_probation(self) -> None:
        """It is told which entries are not believed for now."""
        world = World()
        world.cache.put(a_request(), ANNA)
        (entry,) = world.cache.entries()
        self.assertTrue(world.cache.on_probation(entry))
        world.clock.advance(30)
        self.assertFalse(world.cache.on_probation(entry))


class NumberTests(SynchronousTestCase):
    """What is counted."""

    def test_numbers(self) -> None:
        """Each look-up is counted by what became of it, and a reload begins no number anew."""
        world = World()
        world.user()
        world.cache.put(a_request(), ANNA)
        world.user()
        world.clock.advance(30)
        world.user()
        world.user(Via="1.1 squid")
        world.reload()
        world.user(agent="Other/2")
        world.user()
        for identity in (ANNA, BERT):
            world.cache.put(a_request("192.0.2.9"), identity)
        self.assertEqual(
            world.cache.numbers(),
            {
                "auth_address_hits_total": 2,
                "auth_address_unknown_total": 1,
                "auth_address_other_program_total": 1,
                "auth_address_probation_total": 1,
                "auth_address_relay_total": 1,
                "auth_addresses": 1,
                "auth_shared_addresses": 1,
            },
        )


class ReloadTests(SynchronousTestCase):
    """A reload makes a new object, of other settings perhaps."""

    def test_kept(self) -> None:
        """Nobody is asked again for a reload, and no window begins anew; the object before knows the same."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        world.clock.advance(800)
        before = world.cache
        world.reload(**CALM)
        self.assertEqual(world.user(), "anna")
        world.cache.evict("anna")
        self.assertIsNone(before.get(a_request()))
        before.put(a_request("192.0.2.8"), ANNA)
        self.assertEqual(world.user("192.0.2.8"), "anna")

    def test_shorter(self) -> None:
        """A shorter window holds at once; a longer one from the next entry on."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        world.cache.put(a_request("192.0.2.8"), BERT)
        world.clock.advance(100)
        world.reload(7200.0, **CALM)
        world.user("192.0.2.8")
        world.reload(60.0, **CALM)
        self.assertEqual(world.user(), "")
        world.reload(7200.0, **CALM)
        world.cache.put(a_request(), ANNA)
        world.clock.advance(7000)
        self.assertEqual((world.user(), world.user("192.0.2.8")), ("anna", ""))

    def test_not_wanted(self) -> None:
        """What the settings take for shared, or do not want remembered, is forgotten with the reload."""
        wanted: tuple[tuple[Any, dict[str, Any]], ...] = (
            ((), {"shared_networks": NetworkSet.of("192.0.2.0/24")}),
            ((), {"trusted_proxies": NetworkSet.of("192.0.2.7")}),
            ((NetworkRule(NetworkSet.of("192.0.2.0/24"), ip_cache=0.0),), {}),
        )
        for networks, own in wanted:
            world = World(**CALM)
            world.cache.put(a_request(), ANNA)
            world.reload(networks=networks, **own, **CALM)
            self.assertEqual(world.user(), "")

    def test_freed(self) -> None:
        """What is remembered keeps no object of a plugin that is gone."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        before = ref(world.cache)
        world.reload(**CALM)
        gc.collect()
        self.assertIsNone(before())

    def test_other_gateway(self) -> None:
        """Another gateway knows nothing of it."""
        one, other = World(**CALM), World(**CALM)
        one.cache.put(a_request(agent=BROWSER), ANNA)
        self.assertEqual(other.user(), "")
