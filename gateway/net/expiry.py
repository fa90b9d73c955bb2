"""
When certificates are about to expire: told 30, 7 and 1 days before the end, and at the end, once each.

L{Thresholds} is what remembers that; L{CaExpiry} looks after the gateway's own CA.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gateway.api.catalogue.certificate import CA_EXPIRES
from gateway.api.events import Event, Severity
from gateway.net.authority import Authority
from gateway.net.ca_generation import Generation

#: Days before the end at which that is told; 0: it is over.
WARN_DAYS: Final = (30, 7, 1, 0)
#: Seconds between two looks at the CA.
LOOK_SECONDS: Final = 3600.0


class Thresholds:
    """What was told of which certificate."""

    def __init__(self, before: Thresholds | None = None) -> None:
        """
        Begin with nothing, or with what another one has told.
        """
        # By fingerprint: the fewest days that were told of.
        self._told: dict[bytes, int] = {} if before is None else dict(before._told)

    def passed(self, fingerprint: bytes, days_left: float) -> Severity | None:
        """
        Tell whether something is to be told now, and how much it matters: an error from the last day on.

        @param days_left: less than 0: it is over.
        """
        passed = [days for days in WARN_DAYS if days_left <= days]
        if not passed:
            return None
        least = min(passed)
        if self._told.get(fingerprint, 1 << 30) <= least:
            return None
        self._told[fingerprint] = least
        return Severity.ERROR if least <= 1 else Severity.WARNING


class CaExpiry:
    """Looks after the CA in use; without one nothing runs."""

    _log = Logger()

    def __init__(self, tell: Callable[[Event], None], clock: Any) -> None:
        """
        Look after nothing yet.

        @param clock: an C{IReactorTime}.
        """
        self._tell = tell
        self._clock = clock
        self._authority: Authority | None = None
        self._told = Thresholds()
        self._looking: LoopingCall | None = None

    def follow(self, authority: Authority | None) -> None:
        """Look after this one from now on; C{None}: nothing is signed."""
        self._authority = authority
        looking = self._looking
        if authority is None:
            self.stop()
        elif looking is None:
            looking = self._looking = LoopingCall(self._look_safely)
            looking.clock = self._clock
            looking.start(LOOK_SECONDS)
        else:
            # It was read anew, and may have another end.
            self._look_safely()

    def stop(self) -> None:
        """Look no more."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.stop()

    def _look_safely(self) -> None:
        try:
            self._look()
        except Exception:
            # That must not end the looking for good.
            self._log.failure("the CA could not be looked at")

    def _look(self) -> None:
        authority = self._authority
        if authority is None:
            return
        now = authority.now()
        last = last_to_sign(authority.generations, now)
        if last is None:
            return
        left = (last.expires - now) / datetime.timedelta(days=1)
        severity = self._told.passed(last.fingerprint, left)
        if severity is None:
            return
        date = last.expires.date().isoformat()
        text = (
            f"the gateway's CA expires on {date}, and none follows it in time: gateway ca rotate makes one"
            if left >= 0
            else f"the gateway's CA expired on {date}: nothing is decrypted any more"
        )
        self._tell(
            CA_EXPIRES(
                text,
                str(authority.folder),
                severity,
                names=last.name,
                until=date,
                days=str(int(left)),
            )
        )


def last_to_sign(generations: Iterable[Generation], now: datetime.datetime) -> Generation | None:
    """
    Give the one whose end is the end of signing: the one that signs, or the last that takes over in time.

    @param generations: the earliest first.
    @return: C{None}: there is none at all.
    """
    last: Generation | None = None
    for one in generations:
        if last is None or one.signs_from <= max(last.expires, now):
            last = one
    return last
