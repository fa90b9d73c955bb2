"""Tests of users who were logged out."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Services, StoreFailed
from gateway.testing import Clock, FakeServices
from gateway_auth.logouts import MOST, Logouts


class LogoutTests(SynchronousTestCase):
    """L{Logouts}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(5000.0)
        self.equips = FakeServices(self.clock, lambda event: None)
        self.services: Services = self.equips.for_plugin("auth")
        self.logouts = self.made(self.services)

    def made(self, services: Services) -> Logouts:
        """Make one."""
        return Logouts(services, self.clock.seconds)

    def done(self, coroutine: Any) -> Any:
        """Wait for what the store has to do with."""
        doing = Deferred.fromCoroutine(coroutine)
        for _ in range(3):
            self.clock.advance(0)
        return self.successResultOf(doing)

    def test_moment(self) -> None:
        """What was shown up to the moment no longer counts, what is shown later does; others are not concerned."""
        self.assertFalse(self.logouts.is_over("anna", 0.0))
        self.assertTrue(self.done(self.logouts.log_out("anna")))
        self.assertTrue(self.logouts.is_over("anna", 4000.0))
        self.assertTrue(self.logouts.is_over("anna", 5000.0))
        self.assertFalse(self.logouts.is_over("anna", 5000.1))
        self.assertFalse(self.logouts.is_over("bert", 4000.0))

    def test_spelling(self) -> None:
        """An operator need not know which letters of a name are capitals."""
        self.done(self.logouts.log_out("Anna"))
        self.assertTrue(self.logouts.is_over("anna", 4000.0))

    def test_reload(self) -> None:
        """The next object of the plugin knows it at once, and so does the one before of what comes later."""
        self.done(self.logouts.log_out("anna"))
        after = self.made(self.equips.for_plugin("auth"))
        self.assertTrue(after.is_over("anna", 4000.0))
        self.done(after.log_out("bert"))
        self.assertTrue(self.logouts.is_over("bert", 4000.0))

    def test_restart(self) -> None:
        """The next process reads it from the store."""
        self.done(self.logouts.log_out("anna"))
        store: Any = self.services.store
        kept = {key: store[key] for key in store}
        later = Clock()
        services = FakeServices(later, lambda event: None, store=kept).for_plugin("auth")
        after = Logouts(services, later.seconds)
        self.assertFalse(after.is_over("anna", 4000.0))
        loading = Deferred.fromCoroutine(after.load())
        for _ in range(3):
            later.advance(0)
        self.successResultOf(loading)
        self.assertTrue(after.is_over("anna", 4000.0))
        self.assertFalse(after.is_over("anna", 6000.0))

    def test_not_stored(self) -> None:
        """What can't be stored holds for this process, and the log says so without the name."""
        store: Any = self.services.store
        store.failing = StoreFailed("failed", "the disk is full")
        self.assertFalse(self.done(self.logouts.log_out("anna")))
        self.assertTrue(self.logouts.is_over("anna", 4000.0))
        log: Any = self.services.log
        (text,) = log.texts
        self.assertIn("the disk is full", text)
        self.assertNotIn("anna", text)

    def test_bounded(self) -> None:
        """As many are kept as may be; the one who was logged out first is forgotten first."""
        for number in range(MOST + 1):
            self.done(self.logouts.log_out(f"user{number}"))
        self.assertFalse(self.logouts.is_over("user0", 0.0))
        self.assertTrue(self.logouts.is_over("user1", 0.0))
