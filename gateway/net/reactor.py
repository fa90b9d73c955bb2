"""
The slim epoll reactor: stock C{EPollReactor} with a shorter way from the poller to C{doRead} and C{doWrite}.

Stock dispatch wraps every event in a logging context and several checks; that is 2 to 5 us of a 40 us request. Here
a plain readable or writable event goes straight to its descriptor, and everything abnormal (hang-up, error, several
events at once) takes the stock path. C{twistd -n gateway} installs it; C{--reactor=gateway} names it for C{twistd} and
C{trial}. The rest of the gateway runs on any reactor.
"""

from __future__ import annotations

import errno
from select import EPOLLIN, EPOLLOUT
from time import monotonic

from twisted.internet import main
from twisted.internet.epollreactor import EPollReactor
from twisted.python import log


class SlimEPollReactor(EPollReactor):
    """An epoll reactor with direct dispatch, whose clock nobody can set."""

    def seconds(self) -> float:
        """Give monotonic time: the stock reactor's follows the wall clock, and time limits with it."""
        return monotonic()

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events and hand each to its descriptor."""
        selectables = self._selectables
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        waiting = [selectables.get(fd) for fd, _ in events]
        for (fd, event), then in zip(events, waiting, strict=True):
            # An earlier event of this round may have closed it, and its number may be another's by
            # now, whom this event does not concern: a stale hang-up would end a fresh connection.
            # One who took over a living descriptor is told in the next round.
            selectable = selectables.get(fd)
            if selectable is not then or selectable is None:
                continue
            try:
                if event == EPOLLIN:
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
                self._disconnectSelectable(selectable, why, event == EPOLLIN)

    doIteration = doPoll


def install() -> None:
    """
    Make this the process's reactor.

    @raise twisted.internet.error.ReactorAlreadyInstalledError: there is one already.
    """
    main.installReactor(SlimEPollReactor())
