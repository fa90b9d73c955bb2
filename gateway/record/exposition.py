"""
The numbers in Prometheus' text format, made when they are asked for.

C{docs/metrics.md} describes each of them, which a test holds to. Labels are ours and few; nothing a peer chooses
becomes one.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.record.access import AccessLog
from gateway.record.counters import DURATION_BOUNDS, STATUS_CLASSES, Counters
from gateway.record.host import Host, ReactorLag
from gateway.record.scan_counters import SCAN_BOUNDS

#: The format's name for the answer's Content-Type.
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

# One letter each: a table of metrics reads better than a page of calls.
_C = CounterMetricFamily
_G = GaugeMetricFamily


class Exposition(Collector):
    """All numbers of this process, in a registry of their own: a library's numbers do not slip in."""

    def __init__(
        self,
        counters: Counters,
        access: AccessLog | None,
        lag: ReactorLag,
        started: float,
        host: Host | None = None,
    ) -> None:
        """
        Prepare.

        @param started: seconds since the epoch.
        """
        self._counters = counters
        self._access = access
        self._lag = lag
        self._started = started
        self._host = Host() if host is None else host
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Give the whole text."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Give nothing, so that registering does not read."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read everything; what a plugin tells under a name that is there already is left out."""
        names: set[str] = set()
        for family in self._all():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            if name not in names:
                names.add(name)
                yield family

    def _all(self) -> Iterator[Metric]:
        yield InfoMetricFamily("gateway", "Version of the gateway.", {"version": __version__})
        yield _G("gateway_start_time_seconds", "When it started, since the epoch.", self._started)
        yield from self._traffic()
        yield from self._tls()
        yield from self._scans()
        yield from self._pools()
        yield from self._plugins()
        yield from self._access_log()
        yield from self._machine()

    def _traffic(self) -> Iterator[Metric]:
        requests = _C("gateway_requests", "Transactions ended.", labels=("mode", "status"))
        outcomes = _C("gateway_outcomes", "How transactions ended.", labels=("mode", "outcome"))
        durations = HistogramMetricFamily(
            "gateway_request_duration_seconds",
            "From the request head to the end, tunnels and intercepted CONNECTs left out.",
            labels=("mode",),
        )
        bytes_in = _C("gateway_client_received_bytes", "Content received.", labels=("mode",))
        bytes_out = _C("gateway_client_sent_bytes", "Bytes sent to clients.", labels=("mode",))
        open_now = _G("gateway_client_connections_open", "Connections now.", labels=("mode",))
        accepted = _C("gateway_client_connections", "Connections accepted.", labels=("mode",))
        tunnels = _G("gateway_tunnels_open", "Tunnels now.", labels=("mode",))
        for mode, counters in self._counters.modes.items():
            for status, count in zip(STATUS_CLASSES, counters.statuses, strict=True):
                if count:
                    requests.add_metric((mode, status), count)
            for outcome, count in counters.outcomes.items():
                outcomes.add_metric((mode, outcome), count)
            durations.add_metric((mode,), list(_cumulated(counters.buckets)), counters.seconds)
            bytes_in.add_metric((mode,), counters.bytes_in)
            bytes_out.add_metric((mode,), counters.bytes_out)
            open_now.add_metric((mode,), counters.connections)
            accepted.add_metric((mode,), counters.accepted)
            tunnels.add_metric((mode,), counters.tunnels)
        yield from (requests, outcomes, durations, bytes_in, bytes_out, open_now, accepted, tunnels)

    def _tls(self) -> Iterator[Metric]:
        tls = self._counters.tls
        handshakes = _C("gateway_tls_handshakes", "TLS handshakes.", labels=("side", "result"))
        seconds = _C("gateway_tls_handshake_seconds", "Time they took.", labels=("side",))
        decisions = _C(
            "gateway_tls_decisions", "CONNECTs decrypted or not.", labels=("decision", "why")
        )
        for ended, count in sorted(tls.handshakes.items()):
            handshakes.add_metric(ended, count)
        for side, spent in sorted(tls.seconds.items()):
            seconds.add_metric((side,), spent)
        for decided, count in sorted(tls.decisions.items()):
            decisions.add_metric(decided, count)
        yield from (handshakes, seconds, decisions)
        leaves = tls.leaves()
        if leaves is not None:
            asked = _C("gateway_tls_leaf_requests", "Leaves asked for.", labels=("result",))
            asked.add_metric(("hit",), leaves.hits)
            asked.add_metric(("miss",), leaves.misses)
            yield asked
            yield _C("gateway_tls_leaves_evicted", "Leaves that gave way.", leaves.evicted)
            yield _G("gateway_tls_leaves", "Leaves kept.", len(leaves))

    def _scans(self) -> Iterator[Metric]:
        scans = self._counters.scans
        where = ("side", "result")
        messages = _C("gateway_scan_messages", "Content by what was said of it.", labels=where)
        size = _C("gateway_scan_bytes", "Bytes by what was said of them.", labels=where)
        took = HistogramMetricFamily("gateway_scan_seconds", "Time of scans.", labels=("side",))
        for key, tally in sorted(scans.tallies.items()):
            messages.add_metric(key, tally.messages)
            size.add_metric(key, tally.bytes)
        for side, times in sorted(scans.times.items()):
            took.add_metric((side,), list(_cumulated(times.buckets, SCAN_BOUNDS)), times.seconds)
        yield from (messages, size, took)
        room = scans.room()
        if room is not None:
            lookups = _C("gateway_scan_lookups", "Looks for answers.", labels=("result",))
            lookups.add_metric(("hit",), scans.hits)
            lookups.add_metric(("miss",), scans.misses)
            yield lookups
            yield _C("gateway_scan_members", "Pieces that were unpacked.", scans.members)
            yield _G("gateway_scan_remembered", "Answers that are kept.", room.remembered)
            yield _G("gateway_scan_room_bytes", "What held content takes.", room.used)
            yield _G("gateway_scan_room_waiting", "Messages that wait for room.", room.waiting)

    def _pools(self) -> Iterator[Metric]:
        connections = _G(
            "gateway_upstream_connections", "Upstream connections.", labels=("pool", "state")
        )
        waiting = _G(
            "gateway_upstream_waiting", "Requests waiting for a connection.", labels=("pool",)
        )
        for source in self._counters.pool_sources:
            for use in source():
                connections.add_metric((use.pool, "idle"), use.idle)
                connections.add_metric((use.pool, "busy"), use.busy)
                waiting.add_metric((use.pool,), use.waiting)
        yield connections
        yield waiting

    def _plugins(self) -> Iterator[Metric]:
        where = ("plugin", "hook")
        calls = _C("gateway_plugin_calls", "Calls of hooks.", labels=where)
        errors = _C("gateway_plugin_errors", "Calls that failed.", labels=where)
        slow = _C("gateway_plugin_slow", "Timed calls of more than 5 ms.", labels=where)
        seconds = _C("gateway_plugin_seconds", "Reactor time, from a sample.", labels=where)
        waits = _C("gateway_plugin_waits", "Answers waited for.", labels=where)
        waited = _C("gateway_plugin_wait_seconds", "Time waited for them.", labels=where)
        verdicts = _C("gateway_plugin_verdicts", "Answers by kind.", labels=(*where, "verdict"))
        unhealthy = _G("gateway_plugin_unhealthy", "1: it only fails at present.", labels=where)
        for source in self._counters.hook_sources:
            for use in source():
                labels = (use.plugin, use.hook)
                calls.add_metric(labels, use.calls)
                errors.add_metric(labels, use.errors)
                slow.add_metric(labels, use.slow)
                seconds.add_metric(labels, use.seconds)
                waits.add_metric(labels, use.waits)
                waited.add_metric(labels, use.wait_seconds)
                for verdict, count in use.verdicts.items():
                    verdicts.add_metric((*labels, verdict), count)
                unhealthy.add_metric(labels, int(use.unhealthy))
        yield from (calls, errors, slow, seconds, waits, waited, verdicts, unhealthy)
        yield from self._told_by_plugins()
        for families in self._counters.family_sources:
            yield from families()

    def _told_by_plugins(self) -> Iterator[Metric]:
        """Give what plugins answer to the hook C{counters}; the same name of two plugins is one metric."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for source in self._counters.number_sources:
            for plugin, numbers in source():
                for name, number in numbers.items():
                    family = families.get(name)
                    if family is None:
                        kind = _C if name.endswith("_total") else _G
                        family = families[name] = kind(
                            f"gateway_plugin_{name}", "Told by a plugin.", labels=("plugin",)
                        )
                    family.add_metric((plugin,), number)
        yield from families.values()

    def _access_log(self) -> Iterator[Metric]:
        if self._access is None:
            return
        file = self._access.file
        yield _C("gateway_access_log_lines", "Lines made.", self._access.count)
        yield _C("gateway_access_log_dropped", "Lines lost.", file.dropped)
        yield _C("gateway_access_log_failures", "Failed openings and writes.", file.failures)

    def _machine(self) -> Iterator[Metric]:
        host = self._host
        yield _G("gateway_reactor_lag_seconds", "How late the last timer was.", self._lag.last)
        yield _G("gateway_reactor_lag_max_seconds", "Worst of the last minute.", self._lag.worst)
        queue = host.listen_queue()
        if queue is not None:
            yield _C("gateway_listen_overflows", "Accept queue was full.", queue[0])
            yield _C("gateway_listen_drops", "Connections dropped while listening.", queue[1])
        steal = host.steal_seconds()
        if steal is not None:
            yield _C("gateway_host_cpu_steal_seconds", "Stolen by the hypervisor.", steal)
        resident = host.resident_bytes()
        if resident is not None:
            yield _G("gateway_resident_memory_bytes", "Memory held.", resident)
        descriptors = host.open_descriptors()
        if descriptors is not None:
            yield _G("gateway_open_fds", "File descriptors open.", descriptors)
        yield _G("gateway_max_fds", "File descriptors allowed.", host.most_descriptors())
        cpu = _C("gateway_cpu_seconds", "Processor time used.", labels=("kind",))
        for kind, seconds in zip(("user", "system"), host.cpu_seconds(), strict=True):
            cpu.add_metric((kind,), seconds)
        yield cpu


def _cumulated(
    buckets: list[int], bounds: tuple[float, ...] = DURATION_BOUNDS
) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*bounds, float("inf")), buckets, strict=True):
        total += count
        yield "+Inf" if bound == float("inf") else str(bound), total
