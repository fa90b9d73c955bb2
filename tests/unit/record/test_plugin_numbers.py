"""What Prometheus reads of plugins: what they cost, what they answered, and what they tell of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.record.counters import Counters
from gateway.record.exposition import Exposition
from gateway.record.host import ReactorLag
from tests.unit.record.builders import USE, Use


class PluginNumbersTests(SynchronousTestCase):
    """The rows that begin with C{gateway_plugin_}."""

    def setUp(self) -> None:
        """Make an exposition whose sources the test changes."""
        self.uses: list[Use] = []
        self.told: list[tuple[str, Mapping[str, float]]] = []
        counters = Counters()
        counters.hook_sources.append(lambda: self.uses)
        counters.number_sources.append(lambda: self.told)
        self.exposition = Exposition(counters, None, ReactorLag(Clock()), 0.0)

    def read(self) -> dict[tuple[object, ...], float]:
        """Read them as Prometheus does."""
        return {
            (sample.name[len("gateway_plugin_") :], *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(self.exposition.text().decode())
            for sample in family.samples
            if sample.name.startswith("gateway_plugin_")
        }

    def test_ledger(self) -> None:
        """All that a plugin did in a hook is told, by its name and the hook's."""
        self.uses = [USE]
        where = ("guard", "request_headers")
        self.assertEqual(
            self.read(),
            {
                ("calls_total", *where): 16,
                ("errors_total", *where): 6,
                ("slow_total", *where): 2,
                ("seconds_total", *where): 0.5,
                ("waits_total", *where): 3,
                ("wait_seconds_total", *where): 1.25,
                ("verdicts_total", "block", *where): 4,
                ("verdicts_total", "allow", *where): 1,
                ("unhealthy", *where): 1,
            },
        )

    def test_several(self) -> None:
        """Each plugin and each hook has numbers of its own."""
        self.uses = [Use("a", "page", 1), Use("a", "event", 2), Use("b", "page", 3)]
        found = self.read()
        self.assertEqual(found["calls_total", "a", "page"], 1)
        self.assertEqual(found["calls_total", "a", "event"], 2)
        self.assertEqual(found["calls_total", "b", "page"], 3)
        self.assertEqual(found["unhealthy", "b", "page"], 0)

    def test_what_is_asked_now(self) -> None:
        """Sources are asked at each scrape, so another snapshot's plugins are the ones that are told of."""
        self.uses = [Use("old", "page", 1)]
        self.read()
        self.uses = [Use("new", "page", 1)]
        self.assertIn(("calls_total", "new", "page"), self.read())
        self.assertNotIn(("calls_total", "old", "page"), self.read())

    def test_own_numbers(self) -> None:
        """What plugins tell of themselves is told on; two that use one name share a metric."""
        self.told = [("a", {"hits_total": 3.0, "size": 1.5}), ("b", {"hits_total": 4.0})]
        self.assertEqual(
            self.read(), {("hits_total", "a"): 3.0, ("size", "a"): 1.5, ("hits_total", "b"): 4.0}
        )
        text = self.exposition.text()
        self.assertIn(b"# TYPE gateway_plugin_hits_total counter\n", text)
        self.assertIn(b"# TYPE gateway_plugin_size gauge\n", text)

    def test_taken_names(self) -> None:
        """A name that is there already is not told twice, or Prometheus would read nothing at all."""
        self.uses = [Use("a", "page", 7)]
        self.told = [("a", {"calls_total": 3.0})]
        self.assertEqual(self.exposition.text().count(b"# TYPE gateway_plugin_calls_total "), 1)
        self.assertEqual(self.read()["calls_total", "a", "page"], 7)
