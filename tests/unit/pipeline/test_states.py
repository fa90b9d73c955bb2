"""What plugins say of states ends with the plugin object, at the latest, and not before it is over for all."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.catalogue.scanning import CLAMD_DOWN, CLAMD_UP
from gateway.api.catalogue.service import PLUGIN_HEALTHY, PLUGIN_UNHEALTHY
from gateway.api.events import Event, EventGroup, EventType, Severity
from gateway.pipeline import states as states_module
from gateway.pipeline.states import States


class StatesTests(SynchronousTestCase):
    """Two objects of one plugin, as while a reload goes on."""

    def setUp(self) -> None:
        """Make them."""
        self.told: list[Event] = []
        self.states = States(self.told.append)
        self.before = self.states.of("clamd")
        self.after = self.states.of("clamd")

    def names(self) -> list[str]:
        """Give the names of what was told, and forget it."""
        names = [event.name for event in self.told]
        self.told.clear()
        return names

    def test_passed_on(self) -> None:
        """Events are passed on as they are, states or not."""
        for event in (
            CLAMD_DOWN("it is", "a"),
            CLAMD_UP("it is", "a"),
            Event("x", Severity.INFO, ""),
        ):
            self.before(event)
            self.assertIs(self.told.pop(), event)

    def test_plugin_goes(self) -> None:
        """What a plugin object that is stopped told of is over, and what it said was over is not told again."""
        self.before(CLAMD_DOWN("it is", "a"))
        self.before(CLAMD_DOWN("it is", "b"))
        self.before(CLAMD_UP("it is", "b"))
        self.told.clear()
        self.before.leave()
        (event,) = self.told
        self.assertEqual((event.name, event.subject), ("clamd_up", "a"))
        self.assertIn("the plugin clamd was stopped", event.text)
        self.before.leave()
        self.assertEqual(len(self.told), 1)

    def test_the_next_one_found_it_too(self) -> None:
        """In a reload what the next object has found out too is not over with the one before."""
        self.before(CLAMD_DOWN("it is", "a"))
        self.after(CLAMD_DOWN("it is", "a"))
        self.told.clear()
        self.before(CLAMD_UP("it is", "a"))
        self.before.leave()
        self.assertEqual(self.told, [])
        self.after(CLAMD_UP("it is", "a"))
        self.assertEqual(self.names(), ["clamd_up"])

    def test_too_late(self) -> None:
        """An object that was stopped begins no state, as nobody would end it; other events it may tell."""
        self.before.leave()
        self.before(CLAMD_DOWN("it is", "a"))
        self.before(Event("x", Severity.INFO, ""))
        self.assertEqual(self.names(), ["x"])

    def test_third_parties(self) -> None:
        """States that a plugin describes itself are states as well."""

        def kind(name: str, ends: str = "") -> EventType:
            return EventType(
                name=name,
                severity=Severity.INFO,
                group=EventGroup.PLUGIN,
                title="t",
                when="w",
                act="a",
                ends=ends,
            )

        self.states.know((kind("mine_down"), kind("mine_up", "mine_down")))
        self.before(Event("mine_down", Severity.INFO, "", "a"))
        self.before.leave()
        self.assertEqual(self.names(), ["mine_down", "mine_up"])

    def test_health(self) -> None:
        """A plugin that was taken out is not unhealthy any more."""
        self.before(PLUGIN_UNHEALTHY("it is", "clamd scan_content"))
        self.before.leave()
        self.assertEqual(self.told[1].name, PLUGIN_HEALTHY.name)

    def test_bounded(self) -> None:
        """Of more states than are followed, all is told that the plugin tells."""
        self.patch(states_module, "MAX_OPEN", 1)
        for subject in "ab":
            self.before(CLAMD_DOWN("it is", subject))
            self.before(CLAMD_UP("it is", subject))
        self.before(CLAMD_DOWN("it is", "a"))
        self.before(CLAMD_DOWN("it is", "b"))
        self.told.clear()
        self.before.leave()
        self.assertEqual([event.subject for event in self.told], ["a"])
