"""Tests of L{gateway.alarms.thresholds}: where states begin and end, and that each edge is told once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.thresholds import Bounds, Edge, Monitor, Reading, Threshold
from gateway.api.catalogue.machine import CONFIG_ALIKE, CONFIG_DRIFT, MEMORY_FREE, MEMORY_SHORT
from gateway.api.events import Event


class BoundsTests(SynchronousTestCase):
    """Bounds."""

    def test_above(self) -> None:
        """What must not rise to 80 ends below 70."""
        bounds = Bounds.above(0.8)
        self.assertEqual((bounds.is_bad(0.8), bounds.is_bad(0.79)), (True, False))
        self.assertEqual((bounds.is_good(0.69), bounds.is_good(0.71)), (True, False))

    def test_below(self) -> None:
        """What must not fall to 10 ends over 11.25."""
        bounds = Bounds.below(0.1)
        self.assertEqual((bounds.is_bad(0.1), bounds.is_bad(0.11)), (True, False))
        self.assertEqual((bounds.is_good(0.113), bounds.is_good(0.1125)), (True, False))


class ThresholdTests(SynchronousTestCase):
    """One reading."""

    def edges(self, bounds: Bounds, *readings: tuple[float, float]) -> list[tuple[float, Edge]]:
        """Give the edges of readings, by their times."""
        threshold = Threshold(bounds)
        found = ((now, threshold.read(value, now)) for now, value in readings)
        return [(now, edge) for now, edge in found if edge is not None]

    def test_at_once(self) -> None:
        """Without a time to hold one reading is enough, for either edge."""
        bounds = Bounds(90, 80)
        found = self.edges(bounds, (0, 50), (10, 90), (20, 95), (30, 79), (40, 50))
        self.assertEqual(found, [(10, Edge.BEGINS), (30, Edge.ENDS)])

    def test_hysteresis(self) -> None:
        """A reading that swings around the bound makes one edge."""
        found = self.edges(Bounds(90, 80), *((now, 91 if now % 2 else 85) for now in range(100)))
        self.assertEqual(found, [(1, Edge.BEGINS)])

    def test_hold(self) -> None:
        """It begins when it has lasted, and what is interrupted counts anew."""
        bounds = Bounds(90, 80, 30)
        found = self.edges(
            bounds, (0, 95), (10, 95), (20, 85), (30, 95), (40, 95), (50, 95), (60, 95)
        )
        self.assertEqual(found, [(60, Edge.BEGINS)])

    def test_calm(self) -> None:
        """It ends when it has been good for long enough."""
        bounds = Bounds(90, 80, 0, 20)
        found = self.edges(bounds, (0, 95), (10, 70), (20, 85), (30, 70), (40, 70), (50, 70))
        self.assertEqual(found, [(0, Edge.BEGINS), (50, Edge.ENDS)])

    def test_lasted(self) -> None:
        """A single reading that says how long it was so begins the state, from then on."""
        threshold = Threshold(Bounds(0.5, 0.4, 30))
        self.assertIs(threshold.read(40.0, 100.0, 40.0), Edge.BEGINS)
        self.assertEqual(threshold.since, 60.0)

    def test_clock_set_back(self) -> None:
        """A clock that was set back makes a state wait for its time anew, and never for longer."""
        bounds = Bounds(90, 80, 30)
        found = self.edges(bounds, (1000, 95), (10, 95), (20, 95), (40, 95))
        self.assertEqual(found, [(40, Edge.BEGINS)])

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.01, 1), st.sampled_from([0, 10, 60]))
    def test_edges_alternate(self, values: list[float], bound: float, hold: int) -> None:
        """Whatever is read, a state begins, ends, begins; and an edge is only where the reading is beyond its bound."""
        threshold = Threshold(Bounds.above(bound, hold, hold))
        was = False
        for index, value in enumerate(values):
            edge = threshold.read(value, index * 10.0)
            if edge is Edge.BEGINS:
                self.assertFalse(was)
                self.assertGreaterEqual(value, bound)
            elif edge is Edge.ENDS:
                self.assertTrue(was)
                self.assertLess(value, bound)
            was = threshold.is_over


class MonitorTests(SynchronousTestCase):
    """One kind of resource."""

    def setUp(self) -> None:
        """Watch memory."""
        self.clock = Clock()
        self.told: list[Event] = []
        self.monitor = Monitor(
            MEMORY_SHORT,
            MEMORY_FREE,
            self.told.append,
            setting="watch.memory",
            advice="give it more",
            bounds=Bounds.above(0.8, text="80%"),
        )

    def read(self, **values: float) -> None:
        """Take readings, ten seconds after the ones before."""
        self.clock.advance(10)
        readings = {
            name: Reading(value, f"{value:g} of {name}", {"share": f"{value:g}"})
            for name, value in values.items()
        }
        self.monitor.read(readings, self.clock.seconds())

    def test_edges(self) -> None:
        """Each subject has a state of its own, and each edge says reading, bound and what to do, or how long it was."""
        self.read(machine=0.5, cgroup=0.9)
        self.read(machine=0.9, cgroup=0.9)
        self.read(machine=0.9, cgroup=0.6)
        self.assertEqual(
            [(one.name, one.subject, one.text, dict(one.values)) for one in self.told],
            [
                (
                    "memory_short",
                    "cgroup",
                    "0.9 of cgroup (watch.memory is 80%): give it more",
                    {"share": "0.9", "bound": "80%"},
                ),
                (
                    "memory_short",
                    "machine",
                    "0.9 of machine (watch.memory is 80%): give it more",
                    {"share": "0.9", "bound": "80%"},
                ),
                (
                    "memory_free",
                    "cgroup",
                    "0.6 of cgroup (watch.memory is 80%), after 20 s",
                    {"share": "0.6", "bound": "80%", "seconds": "20"},
                ),
            ],
        )
        self.assertEqual(self.monitor.over, {"machine": True, "cgroup": False})

    def test_gone(self) -> None:
        """A subject that is not read any more has no state; one that had none is not told of."""
        self.read(machine=0.5, cgroup=0.9)
        self.read()
        self.assertEqual(
            [(one.name, one.subject) for one in self.told],
            [("memory_short", "cgroup"), ("memory_free", "cgroup")],
        )
        self.assertEqual(self.monitor.over, {})

    def test_off(self) -> None:
        """What is switched off has no state, and takes no readings."""
        self.read(machine=0.9)
        self.monitor.bounds = None
        self.read(machine=0.9)
        self.read(machine=0.9)
        self.assertEqual([one.name for one in self.told], ["memory_short", "memory_free"])

    def test_other_bounds(self) -> None:
        """A state that goes on is judged by the new bounds, and told at its edge only."""
        self.read(machine=0.85)
        self.monitor.bounds = Bounds.above(0.99, text="99%")
        self.read(machine=0.865)
        self.assertEqual([one.name for one in self.told], ["memory_short", "memory_free"])
        self.assertEqual(self.told[1].values["bound"], "99%")

    def test_some(self) -> None:
        """To read some subjects says nothing of the others."""
        self.read(machine=0.9)
        self.monitor.read_some({"cgroup": Reading(0.9, "much")}, 20.0)
        self.assertEqual(self.monitor.over, {"machine": True, "cgroup": True})

    def test_without_a_setting(self) -> None:
        """What has no setting names none."""
        monitor = Monitor(
            CONFIG_DRIFT, CONFIG_ALIKE, self.told.append, advice="compare", bounds=Bounds(1, 1)
        )
        monitor.read({"a": Reading(1, "a differs", {"theirs": "x"})}, 0)
        (event,) = self.told
        self.assertEqual((event.text, dict(event.values)), ("a differs: compare", {"theirs": "x"}))
