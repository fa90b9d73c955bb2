"""
The write queue: what waits to be written, not more of it than memory is set aside for.

What is to be written is collected for a moment and then done in one call of the pool C{disk} (L{gateway_cache.writing}). One
call is under way at a time, so everything happens in its order.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api import Clock, Overloaded, Threads
from gateway_cache.calls import in_thread
from gateway_cache.limits import Limits
from gateway_cache.opening import Folder
from gateway_cache.operations import Operation, Written
from gateway_cache.writing import write

#: How long changes are collected, seconds.
GATHER_SECONDS = 0.05
#: Operations of one call: a long change holds up other processes.
_CALL_OPERATIONS = 1000
#: How long to wait when all threads are busy, seconds.
_BUSY_SECONDS = 0.25


class WriteQueue:
    """
    What waits to be written.

    @ivar size: bytes of it, with what is being written.
    """

    def __init__(
        self,
        folder: Folder,
        limits: Limits,
        threads: Threads,
        clock: Clock,
        told: Callable[[Written], None],
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        """
        Make it.

        @param told: what became of each call, in the reactor's thread.
        """
        self.size = 0
        self._folder = folder
        self._limits = limits
        self._threads = threads
        self._clock = clock
        self._told = told
        self._gather_seconds = gather_seconds
        self._waiting: deque[Operation] = deque()
        self._is_busy = False
        self._call: Any = None
        self._idle: list[Deferred[None]] = []

    def add(self, operation: Operation) -> None:
        """Let something be done soon, after all that was added before."""
        self._waiting.append(operation)
        self.size += operation.size
        if self._is_busy or self._call is not None:
            return
        self._call = self._clock.callLater(self._gather_seconds, self._begin)

    def idle(self) -> Deferred[None]:
        """Fire when nothing is left to be written; nothing is collected any longer until then."""
        waiting: Deferred[None] = Deferred()
        self._idle.append(waiting)
        if not self._is_busy:
            if self._call is not None:
                self._call.cancel()
            self._begin()
        return waiting

    def alone(self, function: Callable[..., Any], *args: object) -> Deferred[Any]:
        """Call a function in a thread, while nothing is written; the queue has to be idle."""
        assert not self._is_busy
        self._is_busy = True
        call = in_thread(self._threads, function, *args)
        call.addBoth(self._over)
        return call

    @property
    def is_busy(self) -> bool:
        """Something is being written."""
        return self._is_busy

    def _over(self, result: Any) -> Any:
        self._is_busy = False
        if (self._waiting or self._idle) and self._call is None:
            self._call = self._clock.callLater(0, self._begin)
        return result

    def _begin(self) -> None:
        self._call = None
        if self._is_busy:
            return
        if not self._waiting:
            waiting, self._idle = self._idle, []
            for one in waiting:
                one.callback(None)
            return
        operations: list[Operation] = []
        size = 0
        most = self._limits.call_bytes
        if self.size < most and len(self._waiting) <= _CALL_OPERATIONS:
            # Nothing is being written, so this is the size of all of them.
            operations += self._waiting
            size = self.size
            self._waiting.clear()
        while self._waiting and size < most and len(operations) < _CALL_OPERATIONS:
            operation = self._waiting.popleft()
            size += operation.size
            operations.append(operation)
        self._is_busy = True
        call = in_thread(self._threads, write, self._folder, operations, self._limits)
        call.addCallbacks(
            self._done, self._failed, callbackArgs=(size,), errbackArgs=(operations, size)
        )

    def _done(self, written: Written, size: int) -> None:
        self.size -= size
        for copy, place in written.placed:
            copy.place = place
        self._is_busy = False
        self._told(written)
        self._go_on()

    def _failed(self, failure: Failure, operations: list[Operation], size: int) -> None:
        self._is_busy = False
        if failure.check(Overloaded) is not None:
            self._waiting.extendleft(reversed(operations))
            self._call = self._clock.callLater(_BUSY_SECONDS, self._begin)
            return
        self.size -= size
        self._told(Written(error=OSError(errno.EIO, failure.getErrorMessage())))
        self._go_on()

    def _go_on(self) -> None:
        if self._is_busy or self._call is not None:
            return
        if self._waiting or self._idle:
            seconds = (
                0.0 if self._idle or self.size > self._limits.call_bytes else self._gather_seconds
            )
            self._call = self._clock.callLater(seconds, self._begin)
