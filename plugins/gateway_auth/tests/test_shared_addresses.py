"""Tests of the guard: which addresses count as shared, for how long, and who is told."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Identity, Severity
from gateway.api.settings import NetworkSet
from gateway_auth.tests.address_requests import ANNA, BERT, HOME, World, a_request

CALM = {"probation": 0.0}


class NoticeTests(SynchronousTestCase):
    """What the guard finds out by itself."""

    def test_two_users(self) -> None:
        """Two users within one window share the address: its entry goes, no new one comes, operators hear of it once."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        world.cache.put(a_request(), BERT)
        self.assertEqual((world.user(), world.cache.shared(HOME)), ("", True))
        for _ in range(20):
            world.cache.put(a_request(), ANNA)
            world.cache.put(a_request(), BERT)
            self.assertEqual(world.user(), "")
        (event,) = world.events
        self.assertEqual((event.name, event.subject), ("address_shared", HOME))
        self.assertEqual(event.severity, Severity.INFO)
        self.assertEqual(event.values, {"address": HOME, "reason": "users"})
        for name in ("anna", "bert"):
            self.assertNotIn(name, f"{event}")
        (mark,) = world.cache.marks()
        self.assertEqual((mark.address, mark.reason), (HOME, "users"))

    def test_bound_to_a_connection(self) -> None:
        """A user who has shown it for his connection alone is a second user as well."""
        for first, second in (("put", "saw"), ("saw", "put"), ("saw", "saw")):
            world = World(**CALM)
            getattr(world.cache, first)(a_request(), ANNA)
            getattr(world.cache, second)(a_request(), BERT)
            self.assertTrue(world.cache.shared(HOME), (first, second))

    def test_icap(self) -> None:
        """Likewise one who came by ICAP."""
        world = World(**CALM)
        world.cache.put(a_request(mode="icap"), ANNA)
        world.cache.put(a_request(), BERT)
        self.assertTrue(world.cache.shared(HOME))
        self.assertEqual(world.user(mode="icap"), "")

    def test_churn(self) -> None:
        """Another user after the window, as with DHCP, is no sharing."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        world.clock.advance(900)
        world.cache.put(a_request(), BERT)
        self.assertEqual((world.user(), world.cache.shared(HOME)), ("bert", False))
        self.assertEqual(world.events, [])

    def test_logged_out(self) -> None:
        """Nor is another user after the first one was evicted, as by logging out."""
        world = World(**CALM)
        world.cache.put(a_request(), ANNA)
        world.cache.evict("anna")
        world.cache.put(a_request(), BERT)
        self.assertEqual((world.user(), world.events), ("bert", []))

    def test_machine_account(self) -> None:
        """A machine's own account beside its user's is nobody else, and gets no entry."""
        world = World(**CALM)
        world.cache.put(a_request(), Identity("PC1$", frozenset(), "basic"))
        self.assertEqual(world.user(), "")
        world.cache.put(a_request(), ANNA)
        world.cache.saw(a_request(), Identity("PC1$", frozenset(), "negotiate"))
        self.assertEqual((world.user(), world.cache.shared(HOME)), ("anna", False))

    def test_relayed(self) -> None:
        """Who comes through another proxy shares its address, and gets nobody's name from it before that is noticed."""
        for name in ("Via", "X_Forwarded_For", "Forwarded"):
            world = World(**CALM)
            world.cache.put(a_request(), ANNA)
            self.assertEqual(world.user(**{name: "1.1 squid"}), "")
            self.assertEqual(world.user(), "anna")
            world.cache.put(a_request(**{name: "1.1 squid"}), ANNA)
            self.assertEqual(world.user(), "")
            self.assertEqual([event.values["reason"] for event in world.events], ["relay"])

    def test_named_by_a_proxy(self) -> None:
        """A client that a trusted proxy names has an address of its own, which is believed."""
        world = World(trusted_proxies=NetworkSet.of("198.51.100.9"), **CALM)
        world.cache.put(a_request(peer="198.51.100.9", Via="1.1 squid"), ANNA)
        self.assertEqual(world.user(peer="198.51.100.9", Via="1.1 squid"), "anna")


class SettingTests(SynchronousTestCase):
    """What the settings say."""

    def test_proxy(self) -> None:
        """The address of a trusted proxy stands for nobody, with or without the guard."""
        for guard in (True, False):
            world = World(trusted_proxies=NetworkSet.of(HOME), guard=guard, **CALM)
            world.cache.put(a_request(), ANNA)
            self.assertEqual((world.user(), world.cache.shared(HOME)), ("", True))

    def test_network(self) -> None:
        """Nor does one in a shared network; operators hear of the network once, not of each address."""
        world = World(shared_networks=NetworkSet.of("192.0.2.0/24", "2001:db8::/32"), **CALM)
        for number in range(1, 20):
            world.cache.put(a_request(f"192.0.2.{number}"), ANNA)
            self.assertEqual(world.user(f"192.0.2.{number}"), "")
        world.cache.put(a_request("2001:db8::7"), ANNA)
        self.assertEqual(
            [event.subject for event in world.events], ["192.0.2.0/24", "2001:db8::/32"]
        )
        self.assertEqual(len(list(world.cache.marks())), 20)

    def test_no_longer(self) -> None:
        """A network that is taken out of the settings is believed again at once."""
        world = World(shared_networks=NetworkSet.of("192.0.2.0/24"), **CALM)
        world.cache.put(a_request(), ANNA)
        world.reload(**CALM)
        self.assertFalse(world.cache.shared(HOME))
        world.cache.put(a_request(), ANNA)
        self.assertEqual(world.user(), "anna")

    def test_no_address(self) -> None:
        """What has no address is nobody's."""
        world = World(**CALM)
        for text in ("", "unix"):
            world.cache.put(a_request(text), ANNA)
            self.assertEqual(world.user(text), "")


class TimeTests(SynchronousTestCase):
    """How long an address counts as shared."""

    def shared(self, **own: float) -> World:
        """Let two users share an address."""
        world = World(**{**CALM, **own})
        world.cache.put(a_request(), ANNA)
        world.cache.put(a_request(), BERT)
        return world

    def test_end(self) -> None:
        """After an hour in which one user was there alone it is his."""
        world = self.shared()
        for _ in range(6):
            world.clock.advance(599)
            world.cache.put(a_request(), BERT)
            self.assertEqual(world.user(), "")
        world.clock.advance(6)
        world.cache.put(a_request(), BERT)
        self.assertEqual(world.user(), "bert")

    def test_prolonged(self) -> None:
        """As long as two go on it goes on, without another event."""
        world = self.shared(shared_for=100.0)
        for _ in range(20):
            world.clock.advance(60)
            world.cache.put(a_request(), ANNA)
            world.cache.put(a_request(), BERT)
            self.assertTrue(world.cache.shared(HOME))
        self.assertEqual(len(world.events), 1)

    def test_again(self) -> None:
        """When it was over and begins again, operators hear of it again."""
        world = self.shared(shared_for=100.0)
        world.clock.advance(100)
        world.cache.put(a_request(), ANNA)
        world.cache.put(a_request(), BERT)
        self.assertEqual(len(world.events), 2)

    def test_reload(self) -> None:
        """A reload forgets no mark."""
        world = self.shared()
        world.reload(**CALM)
        self.assertTrue(world.cache.shared(HOME))
        world.cache.put(a_request(), ANNA)
        self.assertEqual((world.user(), len(world.events)), ("", 1))

    def test_evicted(self) -> None:
        """An operator can say that it is not shared any more."""
        world = self.shared()
        self.assertEqual(world.cache.evict(HOME), (HOME,))
        world.cache.put(a_request(), BERT)
        self.assertEqual(world.user(), "bert")

    def test_bounded(self) -> None:
        """As many marks are kept as entries may be."""
        world = World(entries=10, **CALM)
        for number in range(30):
            for identity in (ANNA, BERT):
                world.cache.put(a_request(f"192.0.2.{number}"), identity)
        self.assertEqual(len(list(world.cache.marks())), 10)
