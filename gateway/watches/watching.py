"""
All that is watched: one timer for it, and none where everything is off.

What is off, or is not there, has no monitor: a gateway without a limit of connections does not watch them, one that
writes to no folder watches no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from twisted.internet.defer import Deferred

from gateway.alarms.thresholds import Bounds, Monitor, Reading
from gateway.api.catalogue import machine as types
from gateway.api.events import Event, EventType
from gateway.api.services import Clock
from gateway.config.kinds.shares import Room, share_text
from gateway.config.sections.watch import Watch
from gateway.config.units import duration_text
from gateway.record.disks import DiskLook, DiskUse
from gateway.record.host import Host, ReactorLag
from gateway.record.memory import Memory
from gateway.watches.disks import STEADY_SECONDS, Disks
from gateway.watches.readings import Crowd, Place, Readings

#: How long lag and steal have to be over their bound (S08), and how long under it.
BUSY_SECONDS = 30.0
CALM_SECONDS = 60.0
#: How long no connection may have been refused for that to be over; the minute that is counted is a part of it.
OVERFLOW_CALM_SECONDS = 300.0 - 60.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """One resource: its name in the metrics, what reads it, and its states."""

    name: str
    read: Callable[[], Mapping[str, Reading]]
    monitor: Monitor


class Watches:
    """
    Watches.

    @ivar readings: what is read.
    @ivar disks: the disks, which are read elsewhere.
    """

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[Event], None],
        elsewhere: Callable[[Callable[[], list[DiskUse]]], Deferred[list[DiskUse]]],
        *,
        lag: ReactorLag,
        crowd: Crowd,
        places: Callable[[], Iterable[Place]],
        folders: Callable[[], Mapping[str, str]],
        host: Host | None = None,
        memory: Memory | None = None,
        look: Callable[[Mapping[str, str]], DiskLook] = DiskLook,
    ) -> None:
        """
        Prepare; nothing is read.

        @param elsewhere: runs a call that may block in a thread.
        @param places: gives the open listeners.
        @param folders: gives what is written to: the folder by what it is for.
        """
        self.readings = readings = Readings(
            clock, lag=lag, crowd=crowd, places=places, host=host, memory=memory
        )
        self.disks = Disks(clock, tell, elsewhere, folders, look)
        self._clock = clock
        self._settings = Watch(every=0.0)
        self._call: Any = None

        def watched(
            name: str,
            read: Callable[[], Mapping[str, Reading]],
            begins: EventType,
            ends: EventType,
            advice: str,
        ) -> _Watched:
            monitor = Monitor(begins, ends, tell, setting=f"watch.{name}", advice=advice)
            return _Watched(name, read, monitor)

        self._watched = (
            watched(
                "memory",
                readings.memory,
                types.MEMORY_SHORT,
                types.MEMORY_FREE,
                "give it more or let it hold less, or the kernel will kill",
            ),
            watched(
                "connections",
                readings.connections,
                types.CONNECTIONS_SHORT,
                types.CONNECTIONS_FREE,
                "beyond the limit they are closed at once",
            ),
            watched(
                "descriptors",
                readings.descriptors,
                types.DESCRIPTORS_SHORT,
                types.DESCRIPTORS_FREE,
                "raise LimitNOFILE, or lower limits.connections",
            ),
            watched(
                "lag",
                readings.lag,
                types.REACTOR_SLOW,
                types.REACTOR_QUICK,
                "the process log names plugins that keep the reactor",
            ),
            watched(
                "steal",
                readings.steal,
                types.CPU_STOLEN,
                types.CPU_RETURNED,
                "the virtual machine needs reserved processors",
            ),
            watched(
                "overflows",
                readings.overflows,
                types.LISTEN_OVERFLOW,
                types.LISTEN_CALM,
                "raise net.core.somaxconn, and see why connections are accepted late",
            ),
        )

    @property
    def is_running(self) -> bool:
        """Tell whether there is a timer."""
        return self._call is not None

    def follow(self, settings: Watch) -> None:
        """Watch as these settings say, from now on; what is not watched any more has no state."""
        before, self._settings = self._settings, settings
        bounds = _bounds(settings) if settings.every else {}
        for watched in self._watched:
            watched.monitor.bounds = bounds.get(watched.name)
        self.disks.follow(settings.disk if settings.every else Room(), settings.folders)
        is_on = bool(bounds or (settings.every and settings.disk))
        if self._call is not None and (not is_on or settings.every != before.every):
            self._call.cancel()
            self._call = None
        if not is_on:
            now = self._clock.seconds()
            for _, monitor in self._monitors():
                monitor.keep((), now)
        elif self._call is None:
            self.readings.begin()
            self._call = self._clock.callLater(settings.every, self._turn)

    def stop(self) -> None:
        """Watch nothing any more, and tell nothing of it: what ends now is ended by us."""
        self.disks.stop()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _turn(self) -> None:
        self._call = self._clock.callLater(self._settings.every, self._turn)
        now = self._clock.seconds()
        for watched in self._watched:
            monitor = watched.monitor
            monitor.read({} if monitor.bounds is None else watched.read(), now)
        self.disks.look(now)

    def _monitors(self) -> Iterator[tuple[str, Monitor]]:
        yield "disk", self.disks.short
        yield "folder", self.disks.deaf
        for watched in self._watched:
            yield watched.name, watched.monitor

    def families(self) -> Iterator[Metric]:
        """Give what was last read, for C{/metrics}; nothing of what is not watched."""
        if not self.is_running:
            return
        where = ("folder",)
        free = GaugeMetricFamily("gateway_disk_free_bytes", "Free for the gateway.", labels=where)
        size = GaugeMetricFamily("gateway_disk_size_bytes", "Of that file system.", labels=where)
        for disk in self.disks.uses:
            free.add_metric((disk.folder,), disk.free)
            size.add_metric((disk.folder,), disk.size)
        used = GaugeMetricFamily("gateway_memory_used_bytes", "In use.", labels=("scope",))
        limit = GaugeMetricFamily("gateway_memory_limit_bytes", "Of that.", labels=("scope",))
        for memory in self.readings.uses:
            used.add_metric((memory.scope,), memory.used)
            limit.add_metric((memory.scope,), memory.limit)
        state = GaugeMetricFamily(
            "gateway_resource_short",
            "1: beyond its bound of [watch].",
            labels=("resource", "subject"),
        )
        for name, monitor in self._monitors():
            for subject, is_over in monitor.over.items():
                state.add_metric((name, subject), int(is_over))
        yield from (free, size, used, limit, state)


def _bounds(settings: Watch) -> dict[str, Bounds]:
    """Give the bounds of what is on, by name."""
    found = {}
    for name, hold, calm in (
        ("memory", STEADY_SECONDS, STEADY_SECONDS),
        ("connections", 0.0, 0.0),
        ("descriptors", 0.0, 0.0),
        ("lag", BUSY_SECONDS, CALM_SECONDS),
        ("steal", BUSY_SECONDS, CALM_SECONDS),
    ):
        bound: float = getattr(settings, name)
        if bound:
            text = duration_text(bound) if name == "lag" else share_text(bound)
            found[name] = Bounds.above(bound, hold, calm, text)
    most = settings.overflows
    if most:
        text = f"{most} in a minute"
        found["overflows"] = Bounds(most, 1.0, 0.0, OVERFLOW_CALM_SECONDS, text)
    return found
