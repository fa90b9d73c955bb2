"""
Calls in threads: all that the store lets be done off the reactor, so that nothing is closed under a thread that is at it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.api import Threads


class Calls:
    """
    The calls of one store.

    @ivar stopping: the store is being stopped: what takes long looks at it, and leaves the rest.
    """

    def __init__(self, threads: Threads) -> None:
        self.stopping = False
        self._threads = threads
        self._under_way: set[Deferred[Any]] = set()
        self._quiet: Deferred[None] | None = None

    def run(self, function: Callable[..., Any], *args: object) -> Deferred[Any]:
        """Call a function in a thread; nothing is closed before it has ended."""
        call = in_thread(self._threads, function, *args)
        self._under_way.add(call)

        def ended(result: Any) -> Any:
            self._under_way.discard(call)
            quiet = self._quiet
            if quiet is not None and not self._under_way:
                self._quiet = None
                quiet.callback(None)
            return result

        return call.addBoth(ended)

    @property
    def are_under_way(self) -> bool:
        """There is one that has not ended."""
        return bool(self._under_way)

    def quiet(self) -> Deferred[None]:
        """Fire when all have ended; others may have begun at what they gave. For one who waits, at a time."""
        if not self._under_way:
            return succeed(None)
        self._quiet = Deferred()
        return self._quiet

    def is_stopping(self) -> bool:
        """Tell whether the store is being stopped; for any thread."""
        return self.stopping


def in_thread(threads: Threads, function: Callable[..., Any], *args: object) -> Deferred[Any]:
    """Call a function in the pool C{disk}; fires with what it gives or raises."""
    call = threads.run("disk", function, *args)
    # Its shape says only that it can be awaited.
    assert isinstance(call, Deferred)
    return call
