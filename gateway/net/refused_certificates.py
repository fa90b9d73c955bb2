"""
Servers' certificates that were not believed, summed up for operators: one event a minute for a server and a reason.

The first is told at once, what follows within a minute with its number. What a client makes the gateway connect to is up to
the client, so what is remembered is bounded. Handshakes that fail for another reason are no business of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.api.catalogue.certificate import UPSTREAM_CERTIFICATE_REFUSED
from gateway.api.events import Event
from gateway.net.tls_faults import CERTIFICATE_TOKENS, TlsFault

#: For so long refusals are gathered, in seconds.
GATHER_SECONDS: Final = 60.0
#: Servers and reasons that are told apart at the same time; the others are told of together.
MAX_SERVERS: Final = 1000

_TOKENS: Final = frozenset(CERTIFICATE_TOKENS)
_OTHERS: Final = ("", "other")


class RefusedCertificates:
    """Those of one process."""

    def __init__(self, clock: Any, tell: Callable[[Event], None]) -> None:
        """
        Know of none; no timer runs before there is one.

        @param clock: an C{IReactorTime}.
        """
        self._clock = clock
        self._tell = tell
        # By server and reason: how many were not told of yet.
        self._counts: dict[tuple[str, str], int] = {}
        self._timer: Any = None

    def refused(self, host: str, fault: TlsFault) -> None:
        """Take note of a connection that was given up; of a certificate's fault, or it is ignored."""
        token = fault.token
        if token not in _TOKENS:
            return
        key = host, token
        counts = self._counts
        if key not in counts and len(counts) >= MAX_SERVERS:
            key = _OTHERS
        count = counts.get(key)
        if count is not None:
            counts[key] = count + 1
            return
        counts[key] = 0
        self._say(key, 1, fault.detail)
        if self._timer is None:
            self._timer = self._clock.callLater(GATHER_SECONDS, self._over)

    def stop(self) -> None:
        """Tell what is left, and remember nothing."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._told()
        self._counts = {}

    def _over(self) -> None:
        self._timer = None
        # Where it goes on, the next ones are told of in a minute; the others begin anew.
        self._counts = dict.fromkeys(self._told(), 0)
        if self._counts:
            self._timer = self._clock.callLater(GATHER_SECONDS, self._over)

    def _told(self) -> list[tuple[str, str]]:
        """Tell of those that have gathered, and give them."""
        found = [(key, count) for key, count in self._counts.items() if count]
        for key, count in found:
            self._say(key, count, "")
        return [key for key, _ in found]

    def _say(self, key: tuple[str, str], times: int, detail: str) -> None:
        host, token = key
        what = f"the certificate of {host} was refused" if host else "certificates of other servers"
        if not host:
            text = f"{what} were refused: {times} within a minute"
        elif detail:
            text = f"{what}: {detail}"
        else:
            text = f"{what} {times} more times within a minute: {token}"
        self._tell(UPSTREAM_CERTIFICATE_REFUSED(text, host, reason=token, times=str(times)))
