"""
One attempt to deliver a notice: a call of a plugin, with an end.

It ends with what the plugin gives, with its time-out, or because it was broken off; once, and what comes later counts for
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from gateway.api.alarms import DeliveryFailed, Notice
from gateway.api.services import Clock

Deliver: TypeAlias = Callable[[Notice], Awaitable[None] | None]

#: A call that keeps the reactor longer delays every client; seconds, as for hooks.
SLOW_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Trial:
    """
    What an operator tries a receiver with.

    @ivar answer: fires with an empty text, or with why it was not delivered.
    """

    notice: Notice
    answer: Deferred[str]

    def say(self, why: str) -> None:
        """Answer, if anybody waits still."""
        if not self.answer.called:
            self.answer.callback(why)


class Attempt:
    """
    One call of a plugin's C{deliver}.

    @ivar number: 1 for the first of a notice.
    @ivar trial: what asked for it; C{None}: it is the one whose turn it is.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_deliver",
        "_ended",
        "_is_over",
        "_slow",
        "_timeout_seconds",
        "_waiting",
        "number",
        "trial",
    )

    def __init__(
        self,
        clock: Clock,
        deliver: Deliver,
        timeout_seconds: float,
        ended: Callable[[Attempt, BaseException | None], None],
        slow: Callable[[float], None],
        *,
        number: int = 1,
        trial: Trial | None = None,
    ) -> None:
        """
        Prepare.

        @param ended: told once how it ended, unless it is broken off: C{None} is well.
        @param slow: told for how many seconds the call kept the reactor, if that is more than L{SLOW_SECONDS}.
        """
        self.number = number
        self.trial = trial
        self._clock = clock
        self._deliver = deliver
        self._timeout_seconds = timeout_seconds
        self._ended = ended
        self._slow = slow
        self._is_over = False
        self._call: Any = None
        self._waiting: Deferred[Any] | None = None

    def begin(self, notice: Notice) -> None:
        """Call the plugin, unless that was called off meanwhile."""
        if self._is_over:
            return
        begun = time.perf_counter()
        try:
            self._call_plugin(notice)
        finally:
            seconds = time.perf_counter() - begun
            if seconds > SLOW_SECONDS:
                self._slow(seconds)

    def _call_plugin(self, notice: Notice) -> None:
        try:
            answer = self._deliver(notice)
        except Exception as error:
            self._end(error)
            return
        if not isinstance(answer, Awaitable):
            self._end(None)
            return
        self._call = self._clock.callLater(self._timeout_seconds, self._expire)
        self._waiting = waiting = _deferred(answer)
        waiting.addCallbacks(lambda _: self._end(None), self._broke)

    def cancel(self) -> None:
        """Break it off; what comes of it counts for nothing."""
        self._is_over = True
        self._clean()

    def _broke(self, failure: Failure) -> None:
        self._end(failure.value)

    def _expire(self) -> None:
        self._end(DeliveryFailed(f"it took longer than {self._timeout_seconds:g} s"))

    def _end(self, error: BaseException | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._clean()
        self._ended(self, error)

    def _clean(self) -> None:
        """Let go of the clock and of the plugin's call."""
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            # One that has fired may wait for another one in turn; else that does nothing.
            waiting.cancel()


def _deferred(answer: Awaitable[None]) -> Deferred[Any]:
    """Begin what a plugin gave."""
    if isinstance(answer, Deferred):
        return answer
    return ensureDeferred(_awaited(answer))


async def _awaited(answer: Awaitable[None]) -> None:
    await answer


def reason(error: BaseException) -> str:
    """Say why an attempt failed; of what was not raised for that only its kind, for its text may hold a secret."""
    if isinstance(error, DeliveryFailed):
        return str(error) or "no reason given"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
