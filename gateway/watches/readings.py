"""
Readings of the machine and of this process, each as a number and as a part of a sentence.

Files that the kernel makes up are read on the spot, which takes a millisecond for all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from gateway.alarms.thresholds import Reading
from gateway.api.services import Clock
from gateway.record.host import Host, ReactorLag
from gateway.record.memory import Memory, MemoryUse

_MINUTE = 60.0


class Crowd(Protocol):
    """
    How many client connections there are, over all listeners.

    @ivar open: there are now.
    @ivar most: there may be; infinite: without a limit.
    """

    open: int
    most: float


class Place(Protocol):
    """One listener."""

    name: str
    connections: Any

    @property
    def max_connections(self) -> int:
        """How many connections it may have; 0: without a limit of its own."""


class Readings:
    """
    Reads; every call gives what is known of each subject, and nothing where the machine does not tell.

    @ivar host: the machine.
    @ivar memory_of: where memory is read.
    @ivar uses: the memory as it was last read.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        lag: ReactorLag,
        crowd: Crowd,
        places: Callable[[], Iterable[Place]],
        host: Host | None = None,
        memory: Memory | None = None,
    ) -> None:
        """
        Prepare; nothing is read.

        @param places: gives the open listeners.
        """
        self.host = Host() if host is None else host
        self.memory_of = Memory() if memory is None else memory
        self.uses: list[MemoryUse] = []
        self._clock = clock
        self._lag = lag
        self._crowd = crowd
        self._places = places
        self._cpu: tuple[float, float] | None = None
        self._overflows: deque[tuple[float, int]] = deque()

    def begin(self) -> None:
        """Take what was before now as the state of things: what grows is counted from here."""
        self._cpu = self.host.cpu_times()
        self._overflows.clear()
        self.overflows()
        self._lag.take_peak()

    def memory(self) -> dict[str, Reading]:
        """Give the use of each place where memory is limited."""
        self.uses = self.memory_of.uses()
        own = self.host.resident_bytes() or 0
        return {
            use.scope: Reading(
                use.share,
                f"{percent(use.share)} of the memory of {scope_name(use.scope)} is in use "
                f"({amount(use.used)} of {amount(use.limit)}, {amount(own)} by the gateway)",
                {
                    "used": str(use.used),
                    "limit": str(use.limit),
                    "own": str(own),
                    "share": percent(use.share),
                },
            )
            for use in self.uses
        }

    def connections(self) -> dict[str, Reading]:
        """Give how near client connections are to their limits."""
        found = {}
        crowd = self._crowd
        if crowd.most != float("inf"):
            most = int(crowd.most)
            found["all"] = counted(crowd.open, most, f"{crowd.open} of {most} client connections")
        for place in self._places():
            most = place.max_connections
            if most:
                count = len(place.connections)
                text = f"{count} of {most} connections of {place.name}"
                found[place.name] = counted(count, most, text)
        return found

    def descriptors(self) -> dict[str, Reading]:
        """Give how near file descriptors are to their limit."""
        count, most = self.host.open_descriptors(), self.host.most_descriptors()
        if count is None or most <= 0:
            return {}
        return {"": counted(count, most, f"{count} of {most} file descriptors")}

    def lag(self) -> dict[str, Reading]:
        """Give the worst lag since the reading before."""
        peak = self._lag.take_peak()
        milliseconds = f"{peak * 1000:.0f}"
        text = f"the reactor comes up to {milliseconds} ms late"
        # One callback of a minute is a minute of lag, although it is a single reading.
        return {"": Reading(peak, text, {"lag": milliseconds}, peak)}

    def steal(self) -> dict[str, Reading]:
        """Give the share of stolen time since the reading before."""
        before, now = self._cpu, self.host.cpu_times()
        self._cpu = now
        if now is None:
            return {}
        passed = 0.0 if before is None else now[1] - before[1]
        share = 0.0
        if before is not None and passed > 0:
            share = min(1.0, max(0.0, (now[0] - before[0]) / passed))
        text = f"{percent(share)} of the processor time goes to other machines"
        return {"": Reading(share, text, {"share": percent(share)})}

    def overflows(self) -> dict[str, Reading]:
        """Give how many connections were refused within the last minute."""
        queue = self.host.listen_queue()
        if queue is None:
            return {}
        now, seen = self._clock.seconds(), self._overflows
        seen.append((now, queue[0]))
        # One from before the minute stays, for what has come since then.
        while len(seen) > 1 and now - seen[1][0] >= _MINUTE:
            seen.popleft()
        count = max(0, queue[0] - seen[0][1])
        noun = "connection was" if count == 1 else "connections were"
        text = f"{count} {noun} refused within a minute by full queues of listeners"
        return {"": Reading(count, text, {"count": str(count)})}


def counted(count: int, most: int, text: str) -> Reading:
    """Make the reading of so many of as many as there may be."""
    share = percent(count / most)
    values = {"open": str(count), "most": str(most), "share": share}
    return Reading(count / most, f"{text} are open ({share})", values)


def scope_name(scope: str) -> str:
    """Name a place where memory is limited."""
    return "the machine" if scope == "machine" else f"the control group {scope}"


def percent(share: float) -> str:
    """Write it for people, without pretending to know it exactly."""
    return f"{share * 100:.2g} %" if share < 0.995 else f"{share * 100:.0f} %"


def amount(count: float) -> str:
    """Write a size for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"
