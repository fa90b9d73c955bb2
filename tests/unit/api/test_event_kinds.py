"""Tests of how a channel's settings say of which events it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event, Notify, Severity
from gateway.api.settings import ConfigError, Events, EventSet, Help, Least, NotifyMap
from gateway.config.describe import settings
from gateway.config.load import load, load_plugin_settings


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a channel."""

    events: Annotated[Events, Help("Which.")] = EventSet()
    least: Annotated[Least, Help("From which severity on.")] = Severity.INFO
    notify: Annotated[NotifyMap, Help("How.")] = field(default_factory=dict)


def read(table: dict[str, object]) -> Settings:
    """Read a table of a plugin."""
    return load_plugin_settings(load(None, {"plugins.x": table}, {}), "x", Settings, {})


class EventSetTests(SynchronousTestCase):
    """Patterns of names of events."""

    def test_nothing_said(self) -> None:
        """Without a pattern every event is in."""
        self.assertIn("anything", EventSet())

    def test_patterns(self) -> None:
        """A name is in by itself or by a pattern with stars, and out by one with a minus, wherever that stands."""
        found = EventSet(["-plugin_un*", "malware_found", "plugin_*", "*_acme_*"])
        self.assertIn("malware_found", found)
        self.assertIn("plugin_x", found)
        self.assertIn("some_acme_thing", found)
        self.assertNotIn("plugin_unhealthy", found)
        self.assertNotIn("malware_found_too", found)
        self.assertNotIn("config_reloaded", found)

    def test_end_of_state(self) -> None:
        """What takes in the beginning of a state takes in its end, and what leaves it out leaves that alone out."""
        self.assertIn("origin_up", EventSet(["origin_down"]))
        self.assertNotIn("origin_up", EventSet(["origin_down", "-origin_up"]))
        self.assertIn("origin_up", EventSet(["-origin_down"]))
        self.assertNotIn("origin_down", EventSet(["-origin_down"]))

    def test_only_left_out(self) -> None:
        """Where everything that is said is left out, the rest is in."""
        found = EventSet(["-config_*"])
        self.assertIn("malware_found", found)
        self.assertNotIn("config_reloaded", found)

    def test_matches(self) -> None:
        """Events are asked by their name, the second time from memory."""
        found = EventSet(["malware_found"])
        for _ in range(2):
            self.assertTrue(found.matches(Event("malware_found", Severity.INFO, "")))
            self.assertFalse(found.matches(Event("malware_lost", Severity.INFO, "")))

    def test_same(self) -> None:
        """Sets of the same patterns are the same, so that a reload sees no change."""
        self.assertEqual(EventSet(["-x*"]), EventSet(["-x*"]))
        self.assertNotEqual(EventSet(["-x*"]), EventSet())


class KindTests(SynchronousTestCase):
    """What stands in the file."""

    def test_read(self) -> None:
        """Patterns, ways and a severity are read to what rules of a channel take."""
        found = read(
            {
                "events": ["malware_*", "-config_*"],
                "least": "warning",
                "notify": {"malware_found": "always"},
            }
        )
        self.assertEqual(found.events, EventSet(["malware_*", "-config_*"]))
        self.assertEqual(found.least, Severity.WARNING)
        self.assertEqual(found.notify, {"malware_found": Notify.ALWAYS})

    def test_misspelt(self) -> None:
        """A name that is much like one of the catalogue is a fault that says which."""
        error = self.assertRaises(
            ConfigError,
            read,
            {
                "events": ["-malware_fuond"],
                "least": "eror",
                "notify": {"malware_fuond": "first", "malware_found": "frist"},
            },
        )
        told = str(error)
        self.assertIn('plugins.x.events[0]: there is no event "malware_fuond"', told)
        self.assertIn('did you mean "-malware_found"?', told)
        self.assertIn('write "-malware_fuond*"', told)
        self.assertIn('did you mean "error"?', told)
        self.assertIn('plugins.x.notify.malware_fuond: there is no event "malware_fuond"', told)
        self.assertIn('plugins.x.notify.malware_found: "frist" is no way', told)

    def test_third_party(self) -> None:
        """Names of others' plugins can be said: unlike any of the catalogue as they are, others with a star."""
        found = read(
            {"events": ["acme_robot", "malware_fuond*"], "notify": {"acme_robot": "never"}}
        )
        self.assertIn("malware_fuond", found.events)
        self.assertEqual(found.notify, {"acme_robot": Notify.NEVER})

    def test_no_pattern(self) -> None:
        """What no event can be called is a fault."""
        for wrong in ("", "-", "Malware", "a b", "--x", 'x"'):
            error = self.assertRaises(ConfigError, read, {"events": [wrong]})
            self.assertIn("is no pattern of events", str(error))
        error = self.assertRaises(ConfigError, read, {"notify": {"plugin_*": "never"}})
        self.assertIn("no patterns here", str(error))
        error = self.assertRaises(ConfigError, read, {"notify": ["plugin_x"]})
        self.assertIn("expected a table, found an array", str(error))

    def test_described(self) -> None:
        """The documents show values as they are written."""
        found = {one.key: (one.unit, one.default) for one in settings(Settings)}
        self.assertEqual(found["events"], ("event patterns", "[]"))
        self.assertEqual(found["least"], ('"info" or "warning" or "error"', '"info"'))
        self.assertEqual(found["notify"], ("table: event = way", "{}"))
