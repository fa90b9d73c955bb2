"""Tests of channels in L{gateway.testing.FakeGateway}: what happens reaches them as it would in the gateway."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Plugin, Services
from gateway.api.alarms import ChannelRules, DeliveryFailed, Notice
from gateway.api.catalogue.security import MALWARE_FOUND
from gateway.api.events import Event, Notify, Severity
from gateway.testing import FakeGateway
from gateway.testing.alarms import BEGIN, NODE


class Pager(Plugin):
    """Keeps notices, or fails."""

    name = "pager"

    def __init__(self, settings: object, services: Services) -> None:
        super().__init__(settings, services)
        self.notices: list[Notice] = []
        self.fails = 0
        self.channel = services.alarms.channel(
            "ops", self.deliver, ChannelRules(least=Severity.ERROR)
        )

    def deliver(self, notice: Notice) -> None:
        """Take one."""
        if self.fails:
            self.fails -= 1
            raise DeliveryFailed("busy")
        self.notices.append(notice)


class AlarmTests(SynchronousTestCase):
    """A plugin under test that tells people."""

    def setUp(self) -> None:
        """Start a gateway."""
        self.gateway = FakeGateway(Pager)
        self.addCleanup(self.gateway.stop)
        plugin = self.gateway.plugin
        assert isinstance(plugin, Pager)
        self.plugin = plugin

    def test_tell(self) -> None:
        """What the test lets happen is delivered, and is among the events."""
        event = MALWARE_FOUND("found", "192.0.2.7")
        self.gateway.clock.advance(5)
        self.gateway.tell(event)
        (notice,) = self.plugin.notices
        self.assertEqual((notice.node, notice.since), (NODE, BEGIN + 5))
        self.assertIs(notice.alarms[0].type, MALWARE_FOUND)
        self.assertIn(event, self.gateway.events)

    def test_own_event(self) -> None:
        """What a plugin tells itself comes to channels too; what is less severe does not."""
        for severity in Severity:
            self.gateway.services.events(Event("own", severity, "x"))
        self.gateway.clock.advance(900)
        (notice,) = self.plugin.notices
        self.assertEqual([alarm.count for alarm in notice.alarms], [1])

    def test_tried_again(self) -> None:
        """What fails waits and is tried again, as a second attempt."""
        self.plugin.fails = 1
        self.gateway.tell(MALWARE_FOUND("found", "192.0.2.7"))
        self.assertEqual((self.plugin.notices, self.plugin.channel.queued), ([], 1))
        self.gateway.clock.advance(60)
        self.assertEqual([notice.attempt for notice in self.plugin.notices], [2])
        self.assertEqual(self.plugin.channel.queued, 0)

    def test_settings(self) -> None:
        """The settings of C{[notify]} hold."""
        gateway = FakeGateway(Pager, config={"notify.events": {"malware_found": "digest"}})
        self.addCleanup(gateway.stop)
        gateway.tell(*[MALWARE_FOUND("found", "192.0.2.7")] * 3)
        assert isinstance(gateway.plugin, Pager)
        self.assertEqual(gateway.plugin.notices, [])
        gateway.clock.advance(900)
        (notice,) = gateway.plugin.notices
        self.assertEqual((notice.is_digest, notice.alarms[0].count), (True, 3))
        self.assertIs(MALWARE_FOUND.notify, Notify.FIRST)
