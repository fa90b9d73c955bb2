"""
The child processes: so many that run, so many that wait for somebody to go on, and the rest of the world in turn.

A process that has something unpacked whose members are scanned just now does nothing, and keeps nobody from running. So there may
be more processes than may run. In the reactor's thread only, but for what the threads do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError

from gateway.api import Clock, Log, Overloaded, Threads
from gateway_archive.process import Child
from gateway_archive.room import Room

T = TypeVar("T")

#: Processes for each that may run.
SPARE = 4
#: After so many pieces of content a process has a successor.
_JOBS = 5000
_REAP_SECONDS = 0.05
_STOP_SECONDS = 2.0
_IDLE_SECONDS = 30.0


class NoProcess(Exception):
    """None came free in time, or none can be started."""


class ChildPool:
    """
    The processes of one plugin object.

    @ivar started: how many were started so far.
    @ivar children: those that there are.
    """

    def __init__(
        self,
        workers: int,
        spawn: Callable[[], Child],
        clock: Clock,
        threads: Threads,
        log: Log,
        wait: float,
    ) -> None:
        """
        Begin without any.

        @param workers: how many may run.
        @param wait: how long to wait for one, in seconds.
        """
        self.started = 0
        self.children: set[Child] = set()
        self._workers = workers
        self._spawn = spawn
        self._clock = clock
        self._threads = threads
        self._log = log
        self._wait = wait
        # Each with the time since when; the one that was idle for the longest is the first.
        self._idle: list[tuple[Child, float]] = []
        self._places = Room(workers * SPARE, clock)
        self._turns = Room(workers, clock)
        self._dying: list[Child] = []
        self._stopped = False
        self._reaping: Any = None
        self._trimming: Any = None

    async def enter(self) -> None:
        """
        Take a place, for as long as one piece of content is unpacked; L{leave} gives it back.

        @raise NoProcess: none comes free in time.
        """
        if not await self._places.take(1, self._wait):
            raise NoProcess("all processes that unpack content are busy")

    def leave(self, child: Child | None, *, is_fine: bool) -> None:
        """
        Give the place back, and the process if there is one.

        @param is_fine: it has answered all that it was asked; else it is killed.
        """
        self._places.give(1)
        if child is None:
            return
        if is_fine and child.jobs < _JOBS and not self._stopped:
            self._idle.append((child, self._clock.seconds()))
            self._trim()
        else:
            self.drop(child)

    async def turn(
        self, child: Child | None, function: Callable[..., T], *args: object
    ) -> tuple[Child, T | Exception]:
        """
        Call a function that asks a process, in a thread, when it is its turn.

        @param child: which; C{None}: any that is free, or a new one. So no more are started than may run.
        @return: the process, and what the function gave or raised.
        @raise NoProcess: it is not its turn in time, or none can be started.
        """
        if not await self._turns.take(1, self._wait):
            raise NoProcess("all processes that unpack content are busy")
        picked = None
        try:
            if child is None:
                picked = child = self._pick()
                child.jobs += 1
            try:
                return child, await self._threads.run("scan", function, child, *args)
            except CancelledError:
                if picked is not None:
                    # Nobody else knows of it.
                    self.drop(picked)
                raise
            except Exception as error:
                return child, error
        finally:
            self._turns.give(1)

    async def outside(self, function: Callable[..., T], *args: object) -> T:
        """Call a function that reads a file, in a thread."""
        return await self._threads.run("scan", function, *args)

    async def stop(self) -> None:
        """Kill all of them, and see that they are gone."""
        self._stopped = True
        self._idle.clear()
        self._trim()
        dying, self._dying = [*self.children, *self._dying], []
        self.children.clear()
        if self._reaping is not None:
            self._reaping.cancel()
            self._reaping = None
        for child in dying:
            child.kill()
        if any(not child.is_gone() for child in dying):
            # A thread that is not to be had is no reason to wait here: nothing depends on it.
            with suppress(Overloaded):
                await self._threads.run("scan", _bury, dying)

    def drop(self, child: Child) -> None:
        """End a process that is of no use any more; harmless twice."""
        if child not in self.children:
            return
        self.children.discard(child)
        child.kill()
        if not child.is_gone():
            self._dying.append(child)
            if self._reaping is None:
                self._reaping = self._clock.callLater(_REAP_SECONDS, self._reap)

    def _pick(self) -> Child:
        if self._stopped:
            raise NoProcess("it was stopped")
        while self._idle:
            child = self._idle.pop()[0]
            if child.is_alive:
                return child
            self.drop(child)
        try:
            child = self._spawn()
        except OSError as error:
            self._log.error("cannot start a process: {why}", why=error.strerror)
            raise NoProcess("the process that unpacks content can't be started") from None
        self.started += 1
        self.children.add(child)
        return child

    def _trim(self) -> None:
        """End those that had nothing to do for a while, but for as many as may run; look again as long as there are some."""
        if self._trimming is not None and self._trimming.active():
            self._trimming.cancel()
        self._trimming = None
        now = self._clock.seconds()
        while len(self._idle) > self._workers and now - self._idle[0][1] >= _IDLE_SECONDS:
            self.drop(self._idle.pop(0)[0])
        if len(self._idle) > self._workers:
            self._trimming = self._clock.callLater(_IDLE_SECONDS, self._trim)

    def _reap(self) -> None:
        self._reaping = None
        self._dying = [child for child in self._dying if not child.is_gone()]
        if self._dying:
            self._reaping = self._clock.callLater(_REAP_SECONDS, self._reap)


def _bury(children: Sequence[Child]) -> None:
    """In a thread: wait until they are gone."""
    for child in children:
        child.wait(_STOP_SECONDS)
