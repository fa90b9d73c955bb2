"""Tests of who the gateway is to receivers of version 3."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import StoreFailed
from gateway.testing import FakeServices
from gateway_snmp.identity import Identity, take_identity
from gateway_snmp.tree import PLAYPEN

#: 2025-01-01 and 100 minutes.
NOW = 1735689600.0 + 6000


class IdentityTests(SynchronousTestCase):
    """The engine's id and its starts."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.services = FakeServices(self.clock, lambda event: None).for_plugin("snmp")
        self.store: Any = self.services.store

    def taken(self, *, fixed: str = "", now: float = NOW) -> Identity:
        """Begin a start."""
        taking = Deferred.fromCoroutine(
            take_identity(
                self.store,
                self.services.log,
                PLAYPEN,
                fixed,
                now=lambda: now,
                seconds=self.clock.seconds,
            )
        )
        for _ in range(10):
            self.clock.advance(0)
        return self.successResultOf(taking)

    def test_made_once(self) -> None:
        """The id is made at the first start and kept; it begins as RFC 3411 says."""
        first = self.taken()
        self.assertEqual(first.engine_id[:5].hex(), "80001f8805")
        self.assertEqual(len(first.engine_id), 13)
        self.assertEqual(self.taken().engine_id, first.engine_id)

    def test_starts(self) -> None:
        """Each start counts one more, and that is written down before anybody can send."""
        boots = [self.taken().boots for _ in range(3)]
        self.assertEqual(boots, [100, 101, 102])
        self.assertEqual(self.store["engine_boots"], b"102")

    def test_lost(self) -> None:
        """Where what was written down is lost or old, or the clock is wrong, the count does not go back."""
        self.store["engine_boots"] = b"7"
        self.assertEqual(self.taken().boots, 100)
        self.store["engine_boots"] = b"nonsense"
        self.assertEqual(self.taken().boots, 100)
        self.store["engine_boots"] = b"5000"
        self.assertEqual(self.taken(now=0).boots, 5001)
        self.store["engine_boots"] = b"2147483647"
        self.assertEqual(self.taken().boots, 2147483646)

    def test_fixed(self) -> None:
        """The id of the settings is taken as it is, and the one that was made stays for later."""
        made = self.taken().engine_id
        self.assertEqual(self.taken(fixed="8000000001020304").engine_id.hex(), "8000000001020304")
        self.assertEqual(self.taken().engine_id, made)

    def test_no_store(self) -> None:
        """Without a store it sends all the same, and says in the log what that means."""
        self.store.failing = StoreFailed("failed", "the disk is full")
        self.assertEqual(self.taken(fixed="8000000001020304").boots, 100)
        log: Any = self.services.log
        self.assertEqual([text.level for text in log.texts], ["warn", "warn"])

    def test_age(self) -> None:
        """The age is counted from the start by a clock that does not jump."""
        identity = self.taken()
        self.clock.advance(61.5)
        self.assertEqual(identity.age, 61)
