"""
What the gateway counts on the data path: plain integers, incremented in place.

Nothing here knows Prometheus; L{gateway.record.exposition} reads these numbers when somebody asks for them. L{Counters.ended}
does all that is counted of a transaction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.api.transaction import Intercepted, Transaction, Tunnelled
from gateway.record.outcomes import OUTCOME_NAMES, OUTCOMES
from gateway.record.scan_counters import ScanCounters
from gateway.record.tls_counters import TlsCounters

#: Upper bounds of the buckets of durations, in seconds.
DURATION_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0,
)  # fmt: skip

_FIRST_BOUND: Final = DURATION_BOUNDS[0]

#: Label of a status by its first digit; 0 is for those that got none.
STATUS_CLASSES: Final = (
    "none", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx", "7xx", "8xx", "9xx",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PoolUse:
    """
    What the connections of one upstream do at a moment.

    @ivar pool: the pool's name: a site's host, C{"direct"}, a parent's address.
    @ivar idle: kept connections without a request.
    @ivar busy: connections with a request, those being made included.
    @ivar waiting: requests that wait for a connection.
    """

    pool: str
    idle: int
    busy: int
    waiting: int


class HookUse(Protocol):
    """
    What one plugin did in one hook since it was loaded: L{gateway.pipeline.ledger.HookLedger}.

    @ivar seconds: how long it kept the reactor, scaled up from a sample.
    @ivar verdicts: answers by their kind, of which there are a few.
    @ivar unhealthy: it does nothing but fail at present.
    """

    @property
    def plugin(self) -> str: ...  # noqa: D102
    @property
    def hook(self) -> str: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102
    @property
    def errors(self) -> int: ...  # noqa: D102
    @property
    def slow(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102
    @property
    def waits(self) -> int: ...  # noqa: D102
    @property
    def wait_seconds(self) -> float: ...  # noqa: D102
    @property
    def verdicts(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def unhealthy(self) -> bool: ...  # noqa: D102


class ModeCounters:
    """
    The numbers of one mode.

    @ivar endings: transactions by the class of their outcome and the status sent.
    @ivar buckets: transactions but tunnels and intercepted CONNECTs by duration, one more than there are L{DURATION_BOUNDS}; not cumulated.
    @ivar seconds: sum of those durations.
    @ivar bytes_in: content and tunnel bytes received from clients.
    @ivar bytes_out: bytes sent to clients.
    @ivar connections: client connections open now.
    @ivar accepted: client connections since the start.
    @ivar tunnels: tunnels open now.
    """

    __slots__ = (
        "accepted",
        "buckets",
        "bytes_in",
        "bytes_out",
        "connections",
        "endings",
        "seconds",
        "tunnels",
    )

    def __init__(self) -> None:
        self.endings: defaultdict[tuple[type, int], int] = defaultdict(int)
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)
        self.seconds = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.connections = 0
        self.accepted = 0
        self.tunnels = 0

    @property
    def statuses(self) -> list[int]:
        """Give the transactions by the first digit of the status sent; what a plugin says that is none counts as none."""
        counts = [0] * len(STATUS_CLASSES)
        for (_, status), count in self.endings.items():
            counts[status // 100 if 100 <= status <= 999 else 0] += count
        return counts

    @property
    def outcomes(self) -> dict[str, int]:
        """Give the transactions by L{outcome<gateway.record.outcomes.OUTCOMES>}."""
        counts = dict.fromkeys(OUTCOMES, 0)
        for (outcome, _), count in self.endings.items():
            counts[OUTCOME_NAMES.get(outcome, "unknown")] += count
        return counts


class _Modes(dict[str, ModeCounters]):
    """The counters by mode, made when a mode is first seen."""

    def __missing__(self, mode: str) -> ModeCounters:
        made = self[mode] = ModeCounters()
        return made


class Counters:
    """
    All that is counted in this process.

    @ivar modes: the numbers by mode; a mode that was not seen yet is made by asking for it.
    @ivar pool_sources: each is called at a scrape and gives the L{PoolUse} of its pools.
    @ivar family_sources: likewise, metrics in Prometheus' terms, as they are to be shown.
    @ivar hook_sources: likewise, the L{HookUse} of each plugin and hook.
    @ivar number_sources: likewise, the numbers that plugins tell of themselves, by the plugin's name. Names and
        numbers were checked by whoever gives them.
    @ivar tls: handshakes, decisions and minted leaves.
    @ivar scans: content that plugins look at.
    """

    def __init__(self) -> None:
        self.modes: dict[str, ModeCounters] = _Modes()
        self.pool_sources: list[Callable[[], Iterable[PoolUse]]] = []
        self.family_sources: list[Callable[[], Iterable[Any]]] = []
        self.hook_sources: list[Callable[[], Iterable[HookUse]]] = []
        self.number_sources: list[Callable[[], Iterable[tuple[str, Mapping[str, float]]]]] = []
        self.tls = TlsCounters()
        self.scans = ScanCounters()
        self.tls_decided = self.tls.decided
        self.tls_handshake = self.tls.handshake

    def ended(self, transactions: Iterable[Transaction]) -> None:
        """Count transactions that have ended."""
        modes = self.modes
        for txn in transactions:
            mode = modes[txn.client.mode]
            outcome = txn.outcome.__class__
            mode.endings[outcome, txn.status] += 1
            if txn.bytes_in:
                mode.bytes_in += txn.bytes_in
            mode.bytes_out += txn.bytes_out
            # How long these took says what the client did, not how fast we are.
            if outcome is not Tunnelled and outcome is not Intercepted:
                timings = txn.timings
                seconds = timings.ended - timings.begun
                mode.seconds += seconds
                mode.buckets[
                    0 if seconds <= _FIRST_BOUND else bisect_left(DURATION_BOUNDS, seconds)
                ] += 1

    def counted(self, mode: str) -> ModeCounters:
        """Give the numbers of a mode, for who counts in them; from here on they are shown."""
        return self.modes[mode]
