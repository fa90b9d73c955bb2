"""
What the data plane and the modes report to: the access log and the counters behind one object.

Started first and stopped last, so that nothing that ends while the gateway stops goes unrecorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from gateway.api.transaction import Transaction
from gateway.config.sections.log import Log
from gateway.record.access import AccessLog
from gateway.record.counters import Counters
from gateway.record.exposition import Exposition
from gateway.record.host import ReactorLag


class Rounds(Protocol):
    """
    What a reactor says of its rounds.

    @ivar open: several events are dealt with, one after the other.
    @ivar afterwards: is called when they were.
    """

    open: bool
    afterwards: list[Callable[[], object]]


class _NoRounds:
    """Of a reactor that says nothing of them."""

    def __init__(self) -> None:
        self.open = False
        self.afterwards: list[Callable[[], object]] = []


class Recorder:
    """
    The record of one process.

    What ends in a busy round is written down at the end of that round: no peer waits for it, and the same few functions are
    quicker one time after the other than with the whole of a request between them.

    @ivar access: C{None} if the log is switched off.
    @ivar counters: read by the metrics; C{counters.pool_sources} is for the pools to enter themselves.
    @ivar lag: measured while it runs.
    """

    def __init__(
        self, log: Log, counters: Counters, clock: IReactorTime, rounds: Rounds | None = None
    ) -> None:
        """
        Prepare; nothing is opened before L{start}.

        @param rounds: of the reactor; C{None}: everything is written down at once.
        @raise ValueError: the format of the access log is at fault.
        """
        self.counters = counters
        self.lag = ReactorLag(clock)
        self._clock = clock
        self._log = log
        self.access = _access_log(log, clock)
        self._started = time.time()
        self._rounds = _NoRounds() if rounds is None else rounds
        # Of the round that is under way.
        self._ended: list[Transaction] = []
        # What is called most is not looked up each time.
        self._count = counters.ended
        self._write = None if self.access is None else self.access.write
        self.counted = counters.counted
        self.tls_decided = counters.tls_decided
        self.tls_handshake = counters.tls_handshake

    def transaction(self, txn: Transaction) -> None:
        """
        Record a transaction or tunnel; to be called exactly once, at its end, whatever that was.

        @param txn: its outcome and C{timings.ended} are set. It is kept to the end of the reactor's round at most.
        """
        rounds = self._rounds
        if rounds.open:
            ended = self._ended
            if not ended:
                rounds.afterwards.append(self._catch_up)
            ended.append(txn)
            return
        self._count((txn,))
        write = self._write
        if write is not None:
            write(txn)

    def _catch_up(self) -> None:
        ended, self._ended = self._ended, []
        if not ended:
            # All of it was written down within the round, before a stop: the log may be closed by now.
            return
        self._count(ended)
        if self.access is not None:
            self.access.write_all(ended)

    def exposition(self) -> Exposition:
        """Make what answers C{/metrics}."""
        return Exposition(self.counters, self.access, self.lag, self._started)

    def start(self) -> None:
        """Open the log and begin to measure; a log that can't be opened does not stop the start."""
        self.lag.start()
        if self.access is not None:
            self.access.start()

    def stop(self) -> None:
        """Write what waits and close; to be called when no transaction runs any more."""
        self.lag.stop()
        self._catch_up()
        if self.access is not None:
            self.access.stop()

    def follow(self, log: Log) -> None:
        """
        Write as another configuration says, from the next line on; lines made before go where they were meant to go.

        @raise ValueError: the format is at fault, and nothing has changed.
        """
        if log == self._log:
            return
        self._catch_up()
        made = _access_log(log, self._clock)
        before, self.access = self.access, made
        self._write = None if made is None else made.write
        self._log = log
        if before is not None:
            before.stop()
        if made is not None:
            made.start()

    def reopen(self) -> None:
        """Go on in a new file of the same path; for the signal after a rotation."""
        self._catch_up()
        if self.access is not None:
            self.access.reopen()


def _access_log(log: Log, clock: IReactorTime) -> AccessLog | None:
    if not log.access.path:
        return None
    return AccessLog(log.access.path, log.access.format, log.mask, clock)
