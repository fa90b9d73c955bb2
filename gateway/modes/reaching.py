"""
A connection that is being made for one transaction, and what the transaction is told of it: when what happened, and where to.

What is done with the connection is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IReactorTime

from gateway.api.transaction import Transaction
from gateway.net.dial import Dialer, Dialling, Trace


class Reaching(Dialling):
    """One that is begun when this is made."""

    __slots__ = ("_failed", "_made", "_txn")

    def __init__(
        self,
        dialer: Dialer,
        txn: Transaction,
        host: str,
        port: int,
        make: Callable[[], Any],
        made: Callable[[Any], object],
        failed: Callable[[Any], object],
        seconds: float,
        guarded: bool,
    ) -> None:
        """
        Begin.

        @param make: makes its protocol, which has an C{address} to be set.
        @param made: called with that when it is connected, perhaps before this returns.
        @param failed: called with why it is not, a L{TransactionError<gateway.api.errors.TransactionError>}, likewise.
        @param seconds: for all of it.
        @param guarded: whether the guard judges the address.
        """
        Dialling.__init__(self, dialer, host, port, make, guarded)
        self._txn = txn
        self._made = made
        self._failed = failed
        self.begin(seconds)

    def abort(self) -> None:
        """Give up, and tell nobody; harmless when it is made or has failed."""
        if not self.over:
            # How far it had come is of interest all the same.
            noted(self._txn, self, 0, self._dialer.reactor)
        self.cancel()

    def made(self, protocol: Any) -> None:
        """Tell where it goes, and pass it on."""
        txn = self._txn
        noted(txn, self, self._port, self._dialer.reactor)
        protocol.address = txn.upstream
        made = self._made
        made(protocol)

    def failed(self, error: BaseException) -> None:
        """Tell how far it has come, and pass the reason on."""
        noted(self._txn, self, self._port, self._dialer.reactor)
        failed = self._failed
        failed(error)


def noted(txn: Transaction, trace: Trace, port: int, clock: IReactorTime) -> None:
    """
    Tell a transaction how far a dial has come.

    @param port: that was dialled; 0: where it went is not told.
    """
    # What is traced is on the reactor's clock.
    offset = monotonic() - clock.seconds()
    timings = txn.timings
    if trace.resolved_at is not None:
        timings.resolved = trace.resolved_at + offset
    if trace.connected_at is not None:
        timings.connected = trace.connected_at + offset
    address = trace.address
    if address and port:
        txn.upstream = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
