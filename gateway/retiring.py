"""
A snapshot that was followed by another one: it lives until the last transaction that began with it has ended.

Then its plugins are stopped, in order, and what it alone had towards its upstreams is closed. A download or a tunnel
that goes on for hours keeps exactly the one snapshot that it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gateway.modes.listening import Listening
from gateway.pipeline.driver import Task
from gateway.snapshots import Snapshot


class Retiring:
    """
    One such snapshot.

    @ivar running: what is still under way with it.
    @ivar stopped: fires when its plugins are stopped.
    """

    _log = Logger()

    def __init__(
        self,
        snapshot: Snapshot,
        running: Iterable[Task],
        living: Callable[[Retiring], Collection[Snapshot]],
        gone: Callable[[Retiring], None],
    ) -> None:
        """
        Wait for what runs; with nothing running the plugins' stop begins at once.

        @param living: gives the snapshots that are in use but for this one.
        @param gone: called once when all is stopped.
        """
        self.snapshot = snapshot
        self.running: set[Task] = set(running)
        self.stopped: Deferred[None] = Deferred()
        self._living = living
        self._gone = gone
        self._begun = False
        for task in self.running:
            task.finished = self._told(task, task.finished)

    def begin(self) -> None:
        """Stop if nothing runs; once it is entered where its owner finds it."""
        if not self.running:
            self.stop()

    def stop(self) -> None:
        """Stop the plugins now, whatever runs; harmless when that was begun already."""
        if self._begun:
            return
        self._begun = True
        self.running.clear()
        Deferred.fromCoroutine(self._stop()).addErrback(
            lambda failure: self._log.failure("a snapshot did not end as it should", failure)
        )

    async def _stop(self) -> None:
        living = self._living(self)
        try:
            await self.snapshot.plugins.stop(living=[other.plugins for other in living])
            self.snapshot.upstreams.stop([other.upstreams for other in self._living(self)])
        finally:
            self._gone(self)
            self.stopped.callback(None)

    def _told(self, task: Task, finished: Callable[[], None] | None) -> Callable[[], None]:
        def told() -> None:
            if finished is not None:
                finished()
            self.running.discard(task)
            if not self.running:
                self.stop()

        return told


def under_way(listenings: Iterable[Listening]) -> set[Task]:
    """Find every transaction, tunnel and screening that runs on these listeners."""
    found: set[Task] = set()
    for listening in listenings:
        for connection in listening.connections:
            task: Any = connection.unfinished
            if task is not None and not task.over:
                found.add(task)
    return found
