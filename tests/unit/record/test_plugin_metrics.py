"""Tests of the numbers that plugins keep."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.record.counters import Counters
from gateway.record.exposition import Exposition
from gateway.record.host import ReactorLag
from gateway.record.plugin_metrics import MOST_METRICS, MOST_SERIES, PluginMetrics


class MetricsTestCase(SynchronousTestCase):
    """Metrics of one plugin, shown as C{/metrics} does."""

    def setUp(self) -> None:
        """Make the metrics of all plugins, and those of one."""
        self.metrics = PluginMetrics()
        self.own = self.metrics.of("scanner")

    def samples(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """Read what is shown, by name and label values."""
        counters = Counters()
        counters.family_sources.append(self.metrics.families)
        shown = Exposition(counters, None, ReactorLag(Clock()), 0.0).text().decode()
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(shown)
            for sample in family.samples
        }


class ShownTests(MetricsTestCase):
    """What stands in C{/metrics}."""

    def test_counter(self) -> None:
        """A counter has the plugin in its name, ends in _total, and is there before it counts."""
        found = self.own.counter("found_total", "Found.")
        self.assertEqual(self.samples()["gateway_plugin_scanner_found_total", ()], 0)
        found.inc()
        found.inc(2.5)
        self.assertEqual(self.samples()["gateway_plugin_scanner_found_total", ()], 3.5)

    def test_labels(self) -> None:
        """Each combination of label values is counted for itself."""
        found = self.own.counter("found", "Found.", ("kind",))
        found.inc(kind="virus")
        found.inc(2, kind="spam")
        shown = self.samples()
        self.assertEqual(shown["gateway_plugin_scanner_found_total", ("virus",)], 1)
        self.assertEqual(shown["gateway_plugin_scanner_found_total", ("spam",)], 2)

    def test_labels_again(self) -> None:
        """Labels that were seen before are checked like new ones: their names, their order, and values that are no texts."""
        found: Any = self.own.counter("found", "Found.", ("kind", "place"))
        for _ in range(2):
            found.inc(kind="a", place="b")
            found.inc(place="b", kind="a")
            found.inc(kind=1, place=None)
            found.inc(kind=[], place="b")
            found.inc(kind="x" * 200, place="b")
            for wrong in (
                {"kind": "a"},
                {"kind": "a", "where": "b"},
                {"place": "a", "where": "b"},
                {"kind": "a", "place": "b", "where": "c"},
                {},
            ):
                with self.assertRaises(ValueError):
                    found.inc(**wrong)
        name = "gateway_plugin_scanner_found_total"
        shown = {key[1]: value for key, value in self.samples().items() if key[0] == name}
        self.assertEqual(
            shown,
            {("a", "b"): 4, ("1", "None"): 2, ("[]", "b"): 2, ("x" * 100, "b"): 2},
        )

    def test_gauge(self) -> None:
        """A gauge is what was said last."""
        size = self.own.gauge("list_size", "Entries.")
        size.set(10)
        size.set(7)
        self.assertEqual(self.samples()["gateway_plugin_scanner_list_size", ()], 7)

    def test_histogram(self) -> None:
        """Buckets of a histogram are cumulated, and a bound belongs to its bucket."""
        took = self.own.histogram("took_seconds", "Time.", (0.1, 1.0))
        for seconds in (0.05, 0.1, 0.5, 3.0):
            took.observe(seconds)
        shown = self.samples()
        name = "gateway_plugin_scanner_took_seconds"
        buckets = [shown[f"{name}_bucket", (bound,)] for bound in ("0.1", "1.0", "+Inf")]
        self.assertEqual(buckets, [2, 3, 4])
        self.assertAlmostEqual(shown[f"{name}_sum", ()], 3.65)

    def test_jobs_and_loops(self) -> None:
        """Runs of jobs, and requests that would have come back, are counted for all plugins."""
        self.metrics.job_ran("scanner", "refresh", failed=True)
        self.metrics.job_ran("scanner", "refresh", failed=False)
        self.metrics.loops += 1
        shown = self.samples()
        self.assertEqual(shown["gateway_job_runs_total", ("refresh", "scanner")], 2)
        self.assertEqual(shown["gateway_job_failures_total", ("refresh", "scanner")], 1)
        self.assertEqual(shown["gateway_self_lookup_loops_total", ()], 1)


class BoundTests(MetricsTestCase):
    """What a plugin can't do to the gateway's memory."""

    def test_label_values(self) -> None:
        """Only so many combinations are kept apart; the rest is counted together, and nothing is lost."""
        hosts = self.own.counter("hosts", "By host.", ("host",))
        for number in range(MOST_SERIES + 50):
            hosts.inc(host=f"h{number}.example.com")
        hosts.inc(host="h0.example.com")
        shown = {
            values[0]: value
            for (name, values), value in self.samples().items()
            if name == "gateway_plugin_scanner_hosts_total"
        }
        self.assertEqual(len(shown), MOST_SERIES + 1)
        self.assertEqual((shown["other"], shown["h0.example.com"]), (50, 2))

    def test_metrics(self) -> None:
        """A plugin has only so many metrics."""
        for number in range(MOST_METRICS):
            self.own.gauge(f"g{number}", "A number.")
        self.assertRaises(ValueError, self.own.gauge, "one_more", "A number.")
        self.own.gauge("g0", "A number.")

    def test_long_value(self) -> None:
        """A long label value is cut."""
        self.own.counter("hosts", "By host.", ("host",)).inc(host="x" * 5000)
        self.assertIn(("gateway_plugin_scanner_hosts_total", ("x" * 100,)), self.samples())


class AgainTests(MetricsTestCase):
    """Asking again, as a new plugin object does after a reload."""

    def test_goes_on(self) -> None:
        """The same metric goes on counting."""
        self.own.counter("found", "Found.").inc()
        self.metrics.of("scanner").counter("found", "Found by the new one.").inc()
        self.assertEqual(self.samples()["gateway_plugin_scanner_found_total", ()], 2)

    def test_changed(self) -> None:
        """A metric can't become another kind, or get other labels or bounds."""
        self.own.counter("found", "Found.", ("kind",))
        self.own.histogram("took", "Time.", (1.0,))
        self.assertRaises(ValueError, self.own.gauge, "found", "Found.", ("kind",))
        self.assertRaises(ValueError, self.own.counter, "found", "Found.")
        self.assertRaises(ValueError, self.own.histogram, "took", "Time.", (2.0,))

    def test_shown_alike(self) -> None:
        """Two metrics that would be shown under one name are refused, whosever they are."""
        self.own.counter("a_b", "One.")
        self.assertRaises(ValueError, self.metrics.of("scanner_a").counter, "b", "Another.")
        self.own.histogram("took", "Time.")
        self.assertRaises(ValueError, self.own.gauge, "took_count", "A number.")
        self.assertRaises(ValueError, self.metrics.of("wait").counter, "seconds", "As the core.")


class NameTests(MetricsTestCase):
    """Names and labels."""

    def test_bad_names(self) -> None:
        """What Prometheus would not take is refused when the metric is made."""
        for name in ("", "Found", "a-b", "1a", "a b", "é"):
            self.assertRaises(ValueError, self.own.counter, name, "Bad.")
        self.assertRaises(ValueError, self.own.counter, "a", "Bad.", ("a", "a"))
        self.assertRaises(ValueError, self.own.counter, "a", "Bad.", "kind")
        self.assertRaises(ValueError, self.own.histogram, "a", "Bad.", labels=("le",))
        self.assertRaises(ValueError, self.own.histogram, "a", "Bad.", (2.0, 1.0))

    def test_other_labels(self) -> None:
        """A label that the metric was not made with, or a missing one, is refused."""
        found = self.own.counter("found", "Found.", ("kind",))
        self.assertRaises(ValueError, found.inc)
        self.assertRaises(ValueError, found.inc, host="x")
        self.assertRaises(ValueError, found.inc, kind="x", host="x")

    def test_bad_numbers(self) -> None:
        """A counter can't go back, and nothing counts what is no number."""
        self.assertRaises(ValueError, self.own.counter("found", "Found.").inc, -1)
        self.assertRaises(ValueError, self.own.counter("found", "Found.").inc, float("nan"))
        self.assertRaises(ValueError, self.own.histogram("took", "Time.").observe, float("nan"))
