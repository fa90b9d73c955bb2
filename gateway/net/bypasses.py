"""
Names whose TLS is passed on unread for a time, by order of an operator or by itself.

Each has a timer that ends it, and its begin and its end are told as events. Kept in memory: it ends with the process at
the latest. Why a name is here is not known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway.api.catalogue.certificate import TLS_BYPASS_BEGUN, TLS_BYPASS_ENDED
from gateway.api.events import Event, Severity

#: How long a bypass lasts unless an operator says otherwise, in seconds.
BYPASS_SECONDS: Final = 86400.0
#: How long it may last, in seconds; what is to stay belongs into C{tls.never_decrypt}.
LONGEST_BYPASS_SECONDS: Final = 30 * 86400.0
#: Names with a bypass at the same time; there is no further one until some end.
MAX_BYPASSED: Final = 1000

By = Literal["operator", "automatic"]


class TooMany(Exception):
    """There are as many bypasses as there may be."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """
    A name that is passed on unread, for a time.

    @ivar family: the clients for which that holds; empty: all.
    @ivar until: seconds since 1970.
    """

    name: str
    family: str
    by: By
    until: float


@dataclass(frozen=True, slots=True)
class _Running:
    """A bypass, and the timer that ends it."""

    bypass: Bypass
    timer: Any


class Bypasses:
    """Those of one process."""

    def __init__(
        self,
        clock: Any,
        tell: Callable[[Event], None],
        ended: Callable[[Bypass], None],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Have none.

        @param clock: an C{IReactorTime}.
        @param tell: takes the events C{tls_bypass_begun} and C{tls_bypass_ended}.
        @param ended: called with each that has ended, before that is told.
        @param wall: seconds since 1970.
        """
        self._clock = clock
        self._tell = tell
        self._ended = ended
        self._wall = wall
        # By name, then by family.
        self._running: dict[str, dict[str, _Running]] = {}

    def names(self) -> dict[str, dict[str, _Running]]:
        """Give them by name, for who asks for each connection; only to be read."""
        return self._running

    def all(self) -> list[Bypass]:
        """Give them all."""
        return [one.bypass for families in self._running.values() for one in families.values()]

    def of(self, name: str) -> dict[str, Bypass]:
        """Give those of a name, by family."""
        found = self._running.get(name, {})
        return {family: one.bypass for family, one in found.items()}

    def begin(self, name: str, family: str, by: By, seconds: float) -> Bypass:
        """
        Let one begin, or begin anew; it lasts so many seconds from now on.

        @raise TooMany: nothing has changed.
        """
        families = self._running.get(name, {})
        if not families and len(self._running) >= MAX_BYPASSED:
            raise TooMany
        before = families.get(family)
        if before is not None:
            before.timer.cancel()
        bypass = Bypass(name, family, by, self._wall() + seconds)
        timer = self._clock.callLater(seconds, self.end, bypass, "its time is over")
        families[family] = _Running(bypass, timer)
        self._running[name] = families
        why = (
            "by order of an operator"
            if by == "operator"
            else f"for clients of the family {family}: they refuse the gateway's certificate"
        )
        self._tell(
            TLS_BYPASS_BEGUN(
                f"{name} is passed on unread for {seconds / 3600:.3g} hours, {why}",
                name,
                Severity.INFO if by == "operator" else None,
                by=by,
                family=family,
                seconds=f"{seconds:g}",
            )
        )
        return bypass

    def end(self, bypass: Bypass, why: str) -> None:
        """
        End one that runs.

        @param why: for people.
        """
        families = self._running[bypass.name]
        timer = families.pop(bypass.family).timer
        if not families:
            del self._running[bypass.name]
        if timer.active():
            timer.cancel()
        self._ended(bypass)
        self._tell(
            TLS_BYPASS_ENDED(
                f"{bypass.name} is no longer passed on unread: {why}",
                bypass.name,
                by=bypass.by,
                family=bypass.family,
            )
        )

    def stop(self) -> None:
        """Forget all without a word; for the end of the process."""
        for families in self._running.values():
            for one in families.values():
                one.timer.cancel()
        self._running.clear()
