"""
The slim epoll reactor: stock C{EPollReactor} with a shorter way round its loop and from the poller to C{doRead}.

Stock dispatch wraps every event in a logging context and several checks, and every round of the loop looks through its
timers four times; together that is a good part of what a small request costs. Here a round in which no timer is due
goes straight to the poller, an event straight to its descriptor, and a descriptor straight into the poller. Everything
abnormal (hang-up, error, reading and writing at once, files that epoll does not take) goes the stock way. C{twistd -n
gateway} installs it; C{--reactor=gateway} names it for C{twistd} and C{trial}. The rest of the gateway runs on any
reactor.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT
from time import monotonic
from typing import Any, Protocol

from twisted.internet import main
from twisted.internet.epollreactor import EPollReactor
from twisted.python import log

_BOTH = EPOLLIN | EPOLLOUT
#: After so many events what their connections wrote is held back no longer.
_MOST_HELD = 32
#: Events taken from the kernel at once, which are dealt with before any timer is looked at; those who have to wait are first in the
#: next round. The kernel fills an array that is made for each call, so "all there may be" is dear, too.
_MOST_EVENTS = 64
#: The longest sleep in seconds that the kernel takes.
_LONGEST = 2147483.0


class Parting(Protocol):
    """A connection that is to be closed, and has said all."""

    def part(self) -> None:
        """Close."""


class Sender(Protocol):
    """A connection with something to send."""

    def send_held(self) -> None:
        """Send what was held back; must not call back into whoever wrote it."""


class HeldSends:
    """
    What is written while several events are dealt with: it leaves when they were, one connection after the other.

    Sent in between, each message would wake a peer that has gone to sleep since the last one, and waking costs more than
    sending: a quarter of what a small answer costs. A single event's answer leaves at once.

    @ivar open: whether there is somebody who sends it.
    @ivar waiting: whose.
    @ivar afterwards: what no peer waits for, and is done when all is sent.
    """

    __slots__ = ("afterwards", "open", "waiting")

    def __init__(self) -> None:
        self.open = False
        self.waiting: list[Sender] = []
        self.afterwards: list[Callable[[], object]] = []

    def send(self) -> None:
        """Send what waits, then do what waits for that."""
        waiting, self.waiting = self.waiting, []
        for sender in waiting:
            try:
                sender.send_held()
            except BaseException:
                # One connection's fault: the others' answers wait for nothing else.
                log.err()
        if self.afterwards:
            afterwards, self.afterwards = self.afterwards, []
            for call in afterwards:
                try:
                    call()
                except BaseException:
                    log.err()


class SlimEPollReactor(EPollReactor):
    """
    An epoll reactor with direct dispatch, whose clock nobody can set.

    @ivar sends: what its connections hold back while it is open.
    """

    def __init__(self) -> None:
        self.sends = HeldSends()
        # Descriptors registered since the last look at the poller: what that look saw was of somebody before them.
        self._fresh: set[int] = set()
        self._parting: list[Parting] = []
        super().__init__()

    # The stock reactor's time follows the wall clock, and time limits with it.
    seconds = staticmethod(monotonic)

    def mainLoop(self) -> None:
        """Run until stopped; what fails in a round is logged and ends nothing but that round."""
        while self._started:
            try:
                while self._started:
                    planned = self._pendingTimedCalls
                    if planned and not (
                        self._newTimedCalls
                        or self.threadCallQueue
                        or self._justStopped
                        or not self.running
                    ):
                        # Nothing to do but wait for the next timer; the stock way finds that out four times.
                        timeout = planned[0].time - monotonic()
                        if 0.0 < timeout < _LONGEST:
                            self.doPoll(timeout)
                            continue
                    self.runUntilCurrent()
                    self.doPoll(self.timeout() if self.running else 0.0)
            except BaseException:
                log.err(None, "unexpected error in main loop")

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events and hand each to its descriptor."""
        if self._parting:
            self._part_all()
            # What comes of it, such as a timer, may be due at once.
            timeout = 0.0
        fresh = self._fresh
        if fresh:
            fresh.clear()
        try:
            events = self._poller.poll(timeout, _MOST_EVENTS)
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        if len(events) == 1:
            self._dispatch(events)
            return
        sends = self.sends
        sends.open = True
        try:
            while len(events) > _MOST_HELD:
                self._dispatch(events[:_MOST_HELD])
                sends.send()
                del events[:_MOST_HELD]
            self._dispatch(events)
        finally:
            sends.open = False
            sends.send()

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        selectables = self._selectables
        fresh = self._fresh
        for fd, event in events:
            # An earlier event of this round may have closed it, and its number may be another's by
            # now, whom this event does not concern: a stale hang-up would end a fresh connection.
            # One who took over a living descriptor is told in the next round.
            if fd in fresh:
                continue
            try:
                selectable = selectables[fd]
            except KeyError:
                continue
            try:
                if event == EPOLLIN or event & _BOTH == EPOLLIN:
                    # Hung up or in error as well: reading tells which, after what is still to be read.
                    why = selectable.doRead()
                elif event == EPOLLOUT:
                    why = selectable.doWrite()
                else:
                    log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)
                    continue
            except BaseException as error:
                # As stock: what application code raises is logged and ends that connection.
                log.err()
                why = error
            if why is not None:
                self._disconnectSelectable(selectable, why, event & EPOLLIN != 0)

    doIteration = doPoll

    # What follows is stock behaviour for what is nearly always asked, and the stock code for the rest.

    def addReader(self, reader: Any) -> None:
        """Watch for bytes to read."""
        fd = reader.fileno()
        if fd in self._reads:
            return
        try:
            if fd in self._writes:
                self._poller.modify(fd, _BOTH)
            else:
                self._poller.register(fd, EPOLLIN)
                self._fresh.add(fd)
        except OSError:
            super().addReader(reader)
            return
        self._reads.add(fd)
        self._selectables[fd] = reader

    def addWriter(self, writer: Any) -> None:
        """Watch for room to write."""
        fd = writer.fileno()
        if fd in self._writes:
            return
        try:
            if fd in self._reads:
                self._poller.modify(fd, _BOTH)
            else:
                self._poller.register(fd, EPOLLOUT)
                self._fresh.add(fd)
        except OSError:
            super().addWriter(writer)
            return
        self._writes.add(fd)
        self._selectables[fd] = writer

    def removeReader(self, reader: Any) -> None:
        """Stop watching for bytes."""
        fd = reader.fileno()
        if fd in self._reads:
            if fd in self._writes:
                self._poller.modify(fd, EPOLLOUT)
            else:
                del self._selectables[fd]
                self._poller.unregister(fd)
            self._reads.remove(fd)
        elif fd < 0 or self._continuousPolling.isReading(reader):
            super().removeReader(reader)

    def removeWriter(self, writer: Any) -> None:
        """Stop watching for room."""
        fd = writer.fileno()
        if fd in self._writes:
            if fd in self._reads:
                self._poller.modify(fd, EPOLLIN)
            else:
                del self._selectables[fd]
                self._poller.unregister(fd)
            self._writes.remove(fd)
        elif fd < 0 or self._continuousPolling.isWriting(writer):
            super().removeWriter(writer)

    def turn(self, selectable: Any) -> None:
        """
        Watch for bytes where room was watched for so far: in one system call.

        The same as L{removeWriter} and L{addReader}.
        """
        fd = selectable.fileno()
        writes = self._writes
        reads = self._reads
        if fd in writes and fd not in reads:
            self._poller.modify(fd, EPOLLIN)
            writes.remove(fd)
            reads.add(fd)
        else:
            self.removeWriter(selectable)
            self.addReader(selectable)

    def forget(self, selectable: Any) -> None:
        """Stop watching somebody's descriptor, which is about to be closed: L{removeReader} and L{removeWriter}."""
        fd = selectable.fileno()
        selectables = self._selectables
        if fd in selectables:
            self._poller.unregister(fd)
            del selectables[fd]
            self._reads.discard(fd)
            self._writes.discard(fd)
        elif fd < 0 or self._continuousPolling._readers or self._continuousPolling._writers:
            super().removeReader(selectable)
            super().removeWriter(selectable)

    def part_soon(self, connection: Parting) -> None:
        """
        Watch a connection no more, and have it closed in the next turn.

        The stock way is to wait until there is room for the nothing that is to be sent: four system calls.
        """
        self.forget(connection)
        self._parting.append(connection)

    def removeAll(self) -> list[Any]:
        """Watch nobody any more, and give all that were watched or are still to be closed."""
        parting, self._parting = self._parting, []
        return list({*parting, *super().removeAll()})

    def _part_all(self) -> None:
        parting, self._parting = self._parting, []
        for connection in parting:
            try:
                connection.part()
            except BaseException:
                # As in a round: one connection's fault.
                log.err()


def install() -> None:
    """
    Make this the process's reactor.

    @raise twisted.internet.error.ReactorAlreadyInstalledError: there is one already.
    """
    main.installReactor(SlimEPollReactor())
