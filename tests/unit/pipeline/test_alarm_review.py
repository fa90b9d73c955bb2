"""Tests of L{gateway.pipeline.alarm_review}: settings of alarms that have no effect."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.api import Plugin
from gateway.api.events import EventGroup, EventType, Severity
from gateway.pipeline.plugins import load_plugins
from tests.unit.config.files import FilesTestCase
from tests.unit.pipeline.builders import Bench

ROBOT = EventType(
    name="robot_seen",
    severity=Severity.INFO,
    group=EventGroup.PLUGIN,
    title="robot seen",
    when="Now.",
    act="Nothing.",
)


class Teller(Plugin):
    """Tells one receiver, and has an event of its own."""

    name = "teller"
    event_types: ClassVar[tuple[EventType, ...]] = (ROBOT,)

    def __init__(self, settings: Any, services: Any) -> None:
        super().__init__(settings, services)
        services.alarms.channel("ops", lambda notice: None)


class Mute(Plugin):
    """Tells nobody."""

    name = "mute"


class AlarmReviewTests(FilesTestCase):
    """What C{gateway check} says of alarms."""

    def said(self, text: str, plugin: type[Plugin]) -> list[str]:
        """Load a file with a plugin, and give the cautions."""
        config = self.load(f'{text}\n[plugins]\nenabled = ["{plugin.name}"]\n')
        found = load_plugins(config, Bench().services, extra={plugin.name: plugin})
        return [str(caution).partition("gateway.toml:")[2] for caution in found.cautions]

    def test_unknown_event(self) -> None:
        """An event that nobody raises is named with its line and the nearest name; a plugin's own is known."""
        said = self.said(
            '[notify.events]\nrobot_seen = "never"\nmalware_fond = "first"\nxyz = "never"\n', Teller
        )
        self.assertEqual(
            said,
            [
                "3: notify.events.malware_fond: has no effect: there is no event malware_fond "
                '(did you mean "malware_found"?)',
                "4: notify.events.xyz: has no effect: there is no event xyz "
                '("gateway event list" shows all)',
            ],
        )

    def test_nobody_told(self) -> None:
        """Who sets up alarms without a channel is told so; not where nothing is said, or somebody is told."""
        (said,) = self.said('[notify]\nlimit = "5m"\n', Mute)
        self.assertIn("notify: nobody is told of any event", said)
        self.assertIn('add "mail", "snmp", "syslog" or "webhook" to plugins.enabled', said)
        self.assertEqual(self.said("[notify]\n", Mute), [])
        self.assertEqual(self.said('[notify]\nlimit = "5m"\n', Teller), [])
