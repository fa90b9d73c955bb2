"""
One connection to clamd that is kept: a session (C{IDSESSION}), one scan at a time.

clamd takes several orders of one session at once, and their answers come out of order. That gains nothing over as many
connections, and costs their independence: one scan that is over a limit or takes too long ends the connection, and with it
all others on it. So there is one, and pings while it lasts, as clamd closes a session that is silent for too long.
"""

from __future__ import annotations

import array
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.api import Clock
from gateway_clamd.contents import Feed, Stream
from gateway_clamd.wire import DESCRIPTOR, PING, SESSION, AnswerReader, BadAnswer, numbered


class Lost(Exception):
    """The connection ended, or can't be used, before an answer came."""


class Silent(Lost):
    """It is connected, and does not answer."""


class Outdated(Lost):
    """There is an answer, of one of whom nothing was known; it says nothing against him."""


class TookTooLong(Exception):
    """The answer did not come in time."""


class Session(Protocol):
    """
    A connection to a clamd.

    @ivar busy: it has an order whose answer is still to come; also if nobody waits for it any more.
    @ivar alive: it can be given orders.
    @ivar why: it ended for this.
    """

    def __init__(
        self,
        clock: Clock,
        idle_seconds: float,
        freed: Callable[[Session], None],
        ended: Callable[[Session], None],
    ) -> None:
        """
        Make one, to be connected.

        @param idle_seconds: after so long without an order it closes itself, and so often it pings during one.
        @param freed: is told each time that it can take another order.
        @param ended: is told once that it can't any more; not after C{freed} in the same moment.
        """
        self.busy = False
        self.alive = False
        self.why: Exception | None = None
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._freed = freed
        self._ended = ended
        self._reader = AnswerReader()
        # Of the last order; the session itself has none.
        self._number = 0
        self._scan = 0
        self._pings: set[int] = set()
        self._answer: Deferred[str] | None = None
        self._feed: Feed | None = None
        self._limit: Any = None
        self._tick: Any = None
        self._used = False

    # For the one who gives orders.

    def send(self, stream: Stream, seconds: float) -> Deferred[str]:
        """
        Have content scanned that is sent; it is closed in any case.

        @return: the answer; fails with L{Lost} or L{TookTooLong}. If it is cancelled, the session stays busy until the
            answer is there, or the time is over: clamd goes on anyhow.
        """
        answer = self._begin(seconds)
        if self._number == 1:
            self._transport.write(SESSION)
        self._feed = Feed(stream, self._transport, self._unreadable)
        return answer

    def pass_on(self, descriptor: int, seconds: float) -> Deferred[str]:
        """
        Have a file scanned that is open here; the descriptor stays the caller's, and may be closed when this returns.

        @return: as of L{send}.
        """
        answer = self._begin(seconds)
        # The first order opens the session, so nothing that was written before waits in the transport.
        order = (SESSION if self._number == 1 else b"") + DESCRIPTOR
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        try:
            sent = self._transport.getHandle().sendmsg([order], passed)
        except OSError as error:
            self._break(Lost(f"it takes no descriptor: {error.strerror}"))
            return answer
        if sent < len(order):
            self._transport.write(order[sent:])
        return answer

    def ping(self, seconds: float) -> Deferred[str]:
        """
        See whether anybody is there.

        @return: as of L{send}; C{PONG}.
        """
        answer = self._begin(seconds)
        self._transport.write((SESSION if self._number == 1 else b"") + PING)
        return answer

    def close(self, why: str = "it was closed") -> None:
        """End it; who waits for an answer fails with L{Lost}."""
        self._break(Lost(why))

    # For the transport.

    def connectionMade(self) -> None:
        """Be ready."""
        self.alive = True
        if hasattr(self._transport, "setTcpNoDelay"):
            self._transport.setTcpNoDelay(True)
        self._tick = self._clock.callLater(self._idle_seconds, self._ticked)

    def dataReceived(self, data: bytes) -> None:
        """Take what clamd answers."""
        try:
            for answer in self._reader.read(data):
                self._take(*numbered(answer))
        except BadAnswer as error:
            self._break(Lost(f"it answers what is no answer: {error}"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what is under way."""
        self._break(Lost(f"the connection was lost: {reason.getErrorMessage()}"))

    @property
    def _transport(self) -> Any:
        return self.transport

    def _begin(self, seconds: float) -> Deferred[str]:
        assert self.alive and not self.busy
        self.busy = self._used = True
        self._number += 1
        self._scan = self._number
        self._limit = self._clock.callLater(seconds, self._late)
        self._answer = Deferred(self._forgotten)
        return self._answer

    def _forgotten(self, answer: Deferred[str]) -> None:
        self._answer = None

    def _take(self, number: int, text: str) -> None:
        if not self.alive:
            return
        answer = None
        if number in self._pings:
            self._pings.discard(number)
        elif number == self._scan and self._answer_due:
            answer = self._answered()
        else:
            raise BadAnswer("it has the number of no order")
        if self.alive and not self._answer_due and not self._pings:
            # Every order is answered: nothing is on its way, in either direction.
            self.busy = False
            self._freed(self)
        if answer is not None:
            answer.callback(text)

    @property
    def _answer_due(self) -> bool:
        return self._limit is not None

    def _answered(self) -> Deferred[str] | None:
        """Give who waits for the answer, which is there."""
        self._unlimit()
        answer, self._answer = self._answer, None
        if self._feed is not None and self._feed.active:
            # An answer in the middle is a refusal, and clamd closes the connection after it.
            self._break(Lost("it was refused"))
        self._feed = None
        return answer

    def _ticked(self) -> None:
        self._tick = self._clock.callLater(self._idle_seconds, self._ticked)
        if self.busy:
            if self._answer_due and (self._feed is None or not self._feed.active):
                self._number += 1
                self._pings.add(self._number)
                self._transport.write(PING)
        elif not self._used:
            self._break(Lost("it was idle"))
        self._used = False

    def _late(self) -> None:
        self._limit = None
        self._break(TookTooLong())

    def _unreadable(self, why: str) -> None:
        self._break(Lost(f"the content can't be read: {why}"))

    def _unlimit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None and limit.active():
            limit.cancel()

    def _break(self, why: Exception) -> None:
        """End it, in whatever state it is; more than once is harmless."""
        self._unlimit()
        if self._feed is not None:
            self._feed.stop()
            self._feed = None
        was_alive, self.alive = self.alive, False
        if was_alive:
            self.why = why
        if self._tick is not None and self._tick.active():
            self._tick.cancel()
        self._tick = None
        answer, self._answer = self._answer, None
        if was_alive:
            self._transport.abortConnection()
            self._ended(self)
        if answer is not None:
            answer.errback(Failure(why))
