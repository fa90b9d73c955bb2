"""
The numbers that plugins keep themselves, and what is counted of the services given to them.

They outlive the plugin objects that ask for them: after a reload the new object gets the same metric and the numbers
go on. What a plugin makes labels of may come from clients, so each metric keeps apart only so many combinations of
label values; all others share one. Names are checked when a metric is made, so that a scrape always works.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from gateway.api.services import BOUNDS

#: Combinations of label values that one metric keeps apart.
MOST_SERIES = 100
#: Metrics that one plugin may have.
MOST_METRICS = 200
#: Buckets that one histogram may have.
MOST_BOUNDS = 50
#: Longer label values are cut.
MOST_VALUE = 100

#: What stands for every label of what is not kept apart.
OTHER = "other"

# What the core itself counts of plugins: a plugin "wait" with a metric "seconds" would be shown as one of these.
_CORE = frozenset(
    f"gateway_plugin_{name}{end}"
    for name in (
        "calls",
        "errors",
        "slow",
        "seconds",
        "waits",
        "wait_seconds",
        "verdicts",
        "unhealthy",
    )  # fmt: skip
    for end in ("", "_total")
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
Values: TypeAlias = tuple[str, ...]


class _Kept:
    """What all kinds of metrics share: their names, and which label values are kept apart."""

    kind = ""

    def __init__(self, full: str, help: str, labels: Sequence[str]) -> None:
        self.full = full
        self.help = help
        self.labels = tuple(labels)
        self._known: set[Values] = set()

    def _values(self, labels: dict[str, str]) -> Values:
        """
        Give the label values in order, or those of all the rest.

        @raise ValueError: other labels than the metric was made with.
        """
        # Nearly always they are in this order, and were seen before.
        usual = tuple(labels.values())
        try:
            if usual in self._known and tuple(labels) == self.labels:
                return usual
        except TypeError:
            # What has no hash is written down as anything else is.
            pass
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.full} has the labels {self.labels}, not {tuple(labels)}")
        try:
            values = tuple([str(labels[name])[:MOST_VALUE] for name in self.labels])
        except KeyError:
            raise ValueError(
                f"{self.full} has the labels {self.labels}, not {tuple(labels)}"
            ) from None
        if values not in self._known:
            if len(self._known) >= MOST_SERIES:
                return (OTHER,) * len(values)
            self._known.add(values)
        return values

    def family(self) -> Metric:
        """Give the numbers as they are."""
        raise NotImplementedError

    def samples(self) -> tuple[str, ...]:
        """Give the names under which the numbers are shown."""
        return (self.full,)


class KeptCounter(_Kept):
    """A number that only grows."""

    kind = "counter"

    def __init__(self, full: str, help: str, labels: Sequence[str]) -> None:
        super().__init__(full, help, labels)
        self._numbers: dict[Values, float] = {} if labels else {(): 0.0}

    def inc(self, amount: float = 1.0, /, **labels: str) -> None:
        """
        Count.

        @raise ValueError: less than 0, no number, or other labels.
        """
        if not (amount >= 0.0 and math.isfinite(amount)):
            raise ValueError(f"{self.full} can't grow by {amount!r}")
        values = self._values(labels)
        self._numbers[values] = self._numbers.get(values, 0.0) + amount

    def family(self) -> Metric:
        """Give the numbers as they are."""
        made = CounterMetricFamily(self.full, self.help, labels=self.labels)
        for values, number in self._numbers.items():
            made.add_metric(values, number)
        return made

    def samples(self) -> tuple[str, ...]:
        """Give the names under which the numbers are shown."""
        return (self.full, f"{self.full}_total")


class KeptGauge(_Kept):
    """A number that goes up and down."""

    kind = "gauge"

    def __init__(self, full: str, help: str, labels: Sequence[str]) -> None:
        super().__init__(full, help, labels)
        self._numbers: dict[Values, float] = {}

    def set(self, value: float, /, **labels: str) -> None:
        """
        Say what it is now; of the label values that are not kept apart the last one said counts.

        @raise ValueError: other labels.
        """
        self._numbers[self._values(labels)] = float(value)

    def family(self) -> Metric:
        """Give the numbers as they are."""
        made = GaugeMetricFamily(self.full, self.help, labels=self.labels)
        for values, number in self._numbers.items():
            made.add_metric(values, number)
        return made


class KeptHistogram(_Kept):
    """How a measure is distributed."""

    kind = "histogram"

    def __init__(
        self, full: str, help: str, labels: Sequence[str], bounds: tuple[float, ...]
    ) -> None:
        super().__init__(full, help, labels)
        self.bounds = bounds
        # For each series one count more than there are bounds, and the sum of what was measured.
        self._numbers: dict[Values, tuple[list[int], list[float]]] = {}

    def observe(self, value: float, /, **labels: str) -> None:
        """
        Count a measure.

        @raise ValueError: no number, or other labels.
        """
        if not math.isfinite(value):
            raise ValueError(f"{self.full} can't count {value!r}")
        values = self._values(labels)
        kept = self._numbers.get(values)
        if kept is None:
            kept = self._numbers[values] = ([0] * (len(self.bounds) + 1), [0.0])
        kept[0][bisect_left(self.bounds, value)] += 1
        kept[1][0] += value

    def family(self) -> Metric:
        """Give the numbers as they are."""
        made = HistogramMetricFamily(self.full, self.help, labels=self.labels)
        for values, (counts, total) in self._numbers.items():
            buckets: list[tuple[str, float]] = []
            below = 0
            for bound, count in zip((*self.bounds, math.inf), counts, strict=True):
                below += count
                buckets.append(("+Inf" if bound == math.inf else str(bound), below))
            made.add_metric(values, buckets, total[0])
        return made

    def samples(self) -> tuple[str, ...]:
        """Give the names under which the numbers are shown."""
        return (self.full, *(f"{self.full}_{end}" for end in ("bucket", "sum", "count")))


K = TypeVar("K", bound=_Kept)


class PluginMetrics:
    """
    The numbers of all plugins of the process, of every generation of them.

    @ivar loops: requests of plugins that would have come back to this gateway.
    """

    def __init__(self) -> None:
        self.loops = 0
        self._metrics: dict[str, dict[str, _Kept]] = {}
        self._taken: set[str] = set(_CORE)
        self._runs = KeptCounter("gateway_job_runs", "Runs of plugins' jobs.", ("plugin", "job"))
        self._failures = KeptCounter(
            "gateway_job_failures", "Runs of plugins' jobs that failed.", ("plugin", "job")
        )

    def of(self, plugin: str) -> PluginsOwn:
        """Give what one plugin makes its metrics with."""
        return PluginsOwn(self, plugin)

    def job_ran(self, plugin: str, job: str, *, failed: bool) -> None:
        """Count a run of a job."""
        self._runs.inc(plugin=plugin, job=job)
        if failed:
            self._failures.inc(plugin=plugin, job=job)

    def families(self) -> Iterator[Metric]:
        """Give everything for C{/metrics}."""
        yield CounterMetricFamily(
            "gateway_self_lookup_loops",
            "Requests of plugins that led back to this gateway.",
            self.loops,
        )
        yield self._runs.family()
        yield self._failures.family()
        for metrics in self._metrics.values():
            for metric in metrics.values():
                yield metric.family()

    def keep(self, plugin: str, name: str, made: K) -> K:
        """
        Give the metric that is there already, or keep this one. For L{PluginsOwn} only.

        @raise ValueError: it was made before as something else, its name is taken, or the plugin has too many.
        """
        own = self._metrics.setdefault(plugin, {})
        before = own.get(name)
        if before is not None:
            if type(before) is not type(made) or before.labels != made.labels:
                raise ValueError(
                    f"{name} was made before as a {before.kind} with the labels {before.labels}"
                )
            return before
        if len(own) >= MOST_METRICS:
            raise ValueError(f"a plugin has at most {MOST_METRICS} metrics")
        taken = self._taken.intersection(made.samples())
        if taken:
            raise ValueError(f"{name}: another metric is shown as {min(taken)}")
        self._taken.update(made.samples())
        own[name] = made
        return made


class PluginsOwn:
    """What one plugin makes its metrics with: C{services.metrics}."""

    def __init__(self, all_metrics: PluginMetrics, plugin: str) -> None:
        self._all = all_metrics
        self._plugin = plugin

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> KeptCounter:
        """Give a counter; see L{gateway.api.Metrics} for what all three raise."""
        name = name.removesuffix("_total")
        return self._all.keep(
            self._plugin, name, KeptCounter(self._full(name, labels), help, labels)
        )

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> KeptGauge:
        """Give a gauge."""
        return self._all.keep(self._plugin, name, KeptGauge(self._full(name, labels), help, labels))

    def histogram(
        self,
        name: str,
        help: str,
        bounds: Sequence[float] = BOUNDS,
        labels: Sequence[str] = (),
    ) -> KeptHistogram:
        """Give a histogram."""
        within = tuple(float(bound) for bound in bounds)
        if (
            not 0 < len(within) <= MOST_BOUNDS
            or not all(math.isfinite(bound) for bound in within)
            or list(within) != sorted(set(within))
        ):
            raise ValueError(f"{name}: bounds are 1 to {MOST_BOUNDS} numbers that grow")
        made = self._all.keep(
            self._plugin, name, KeptHistogram(self._full(name, labels, "le"), help, labels, within)
        )
        if made.bounds != within:
            raise ValueError(f"{name} was made before with the bounds {made.bounds}")
        return made

    def _full(self, name: str, labels: Sequence[str], *reserved: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a metric: lower-case letters, digits and _")
        if isinstance(labels, str):
            raise ValueError(f"{name}: labels are a sequence of names, not one text")
        for label in labels:
            if not _NAME.fullmatch(label) or label in reserved:
                raise ValueError(f"{label!r} is no name of a label")
        if len(set(labels)) != len(labels):
            raise ValueError(f"{name}: a label stands there twice")
        return f"gateway_plugin_{self._plugin.lower()}_{name}"
