"""
The plugin: puts the parts together, and knows none of them from within.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from gateway.api import (
    Caution,
    Clean,
    Infected,
    Plugin,
    ScanJob,
    ScanResult,
    Services,
    SettingFault,
    Side,
    Surroundings,
    Transaction,
    Unscannable,
    Whole,
    hookimpl,
)
from gateway_clamd.connecting import Connect, connects
from gateway_clamd.engine import Engine, Standing
from gateway_clamd.scans import Scans
from gateway_clamd.settings import ClamdSettings
from gateway_clamd.watch import Watch

_BOUNDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Clamd(Plugin):
    """Have content scanned by ClamAV."""

    name = "clamd"
    Settings = ClamdSettings

    settings: ClamdSettings

    def __init__(
        self,
        settings: ClamdSettings,
        services: Services,
        connect: Connect | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Make it; nothing is connected before it is started.

        @param connect: reaches clamd, in place of the reactor.
        @param wall: seconds since 1970, for the age of signatures.
        """
        super().__init__(settings, services)
        clock = services.clock
        connect = connect or connects(clock, settings.connect_timeout)
        self.engines = tuple(
            Engine(address, settings, clock, connect, self._changed) for address in settings.address
        )
        self.watches = tuple(
            Watch(engine, settings, clock, services.log, services.events, wall)
            for engine in self.engines
        )
        self._of = dict(zip(self.engines, self.watches, strict=True))
        self._renew()
        self._stopped = False
        self.scans = Scans(
            settings,
            clock,
            self.engines,
            self._trouble,
            lambda engine, place: self._of[engine].sends(place),
        )
        metrics = services.metrics
        self._scanned = metrics.counter("scans", "Scans by their result.", ("result",))
        self._bytes = metrics.counter("scanned_bytes", "Content that was given to clamd.")
        self._seconds = metrics.histogram(
            "scan_seconds", "How long scans took, with their wait.", _BOUNDS
        )
        self._errors = metrics.counter("errors", "Times that a clamd gave no answer.", ("address",))
        self._connections = metrics.gauge("connections", "Connections for scans.", ("address",))
        self._busy = metrics.gauge("busy", "Scans under way.", ("address",))
        self._queue = metrics.gauge("queue", "Scans that wait for a connection.")
        self._ready = metrics.gauge("ready", "1: this clamd can be used.", ("address",))
        self._open = metrics.gauge(
            "fails_open", "1: this clamd says OK to what it did not look at.", ("address",)
        )
        for watch in self.watches:
            services.every(
                settings.health, watch.look, name=f"look {watch.engine.name}", at_once=True
            )
        services.every(1.0, self._show, name="show", at_once=True)

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Say whose content is read on the way."""
        for number, address in enumerate(self.settings.address):
            if address.host and address.host not in ("127.0.0.1", "::1", "localhost"):
                key = ("address", number) if len(self.settings.address) > 1 else ("address",)
                yield Caution(
                    f"content goes to {address} in clear: clamd has no TLS, and believes everybody",
                    key,
                    "a clamd on this machine, or a network that nobody else is in",
                )

    def stop(self) -> None:
        """End all connections."""
        self._stopped = True
        self.scans.stop()
        for watch in self.watches:
            watch.stop()
            watch.engine.stand(Standing.DOWN, "the gateway is stopped")

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Whole:
        """Everything is scanned, as far as a clamd takes it."""
        return self._need

    @hookimpl()
    def scan_patterns(self) -> str:
        """Name the patterns of all that may be asked."""
        return self._patterns

    @hookimpl()
    async def scan_content(self, job: ScanJob) -> ScanResult:
        """Have it scanned."""
        clock = self.services.clock
        began = clock.seconds()
        result = await self.scans.scan(job)
        self._seconds.observe(clock.seconds() - began)
        self._scanned.inc(result=_token(result))
        if not isinstance(result, Unscannable):
            self._bytes.inc(job.size)
        return result

    @hookimpl()
    def not_ready(self) -> str | None:
        """Without a clamd everything would be refused."""
        standings = [engine.standing for engine in self.engines]
        if not self.settings.required or Standing.READY in standings:
            return None
        return "no clamd can be used: " + ", ".join(
            f"{engine.name} is {engine.standing.value}" for engine in self.engines
        )

    def _trouble(self, engine: Engine, why: str) -> None:
        if self._stopped:
            return
        self._errors.inc(address=engine.name)
        if engine.standing is Standing.READY:
            # Else it is looked after already.
            self._of[engine].trouble(why)

    def _renew(self) -> None:
        """Have ready what is asked about every message."""
        ready = [engine for engine in self.engines if engine.standing is Standing.READY]
        self._need = Whole(max([engine.most for engine in ready], default=self.settings.max_size))
        patterns = [engine.known.patterns for engine in ready]
        self._patterns = "; ".join(patterns) if all(patterns) else ""

    def _changed(self) -> None:
        self._renew()
        if not self._stopped:
            self.scans.changed()

    def _show(self) -> None:
        """Show the numbers of now."""
        # How much clamd may be given depends on whether it can read files, which is tried again after a time.
        self._renew()
        self._queue.set(self.scans.waiting)
        for engine in self.engines:
            name = engine.name
            self._connections.set(engine.connections, address=name)
            self._busy.set(engine.busy, address=name)
            self._ready.set(float(engine.standing is Standing.READY), address=name)
            self._open.set(float(bool(engine.known.gaps)), address=name)


def _token(result: ScanResult) -> str:
    match result:
        case Clean():
            return "clean"
        case Infected(certain=certain):
            return "infected" if certain else "suspicious"
        case Unscannable(reason=reason):
            return reason.partition(":")[0]
