"""
A connection attempt on reactors that can't drive our own transport: those without file descriptors, as in tests.

The same face as L{Attempt<gateway.net.attempt.Attempt>}; the transport is the reactor's own.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet import error
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IHalfCloseableProtocol,
    IProtocol,
    ITCPTransport,
)
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import alsoProvides


class StockAttempt(ClientFactory):
    """One connect to one address by C{connectTCP}; source ports are left to the system."""

    noisy = False

    def __init__(
        self,
        reactor: Any,
        address: str,
        port: int,
        connected: Callable[[StockAttempt], None],
        failed: Callable[[StockAttempt, OSError], None],
        prepare: Callable[[socket.socket, int], None] | None = None,
    ) -> None:
        """
        Keep what is needed; nothing happens before L{start}.

        @param prepare: not used.
        """
        self.address = address
        self.port = port
        self._reactor = reactor
        self._connected = connected
        self._failed = failed
        self._connector: IConnector | None = None
        self._door: _Door | None = None
        self._over = False

    def start(self) -> None:
        """Begin."""
        # Who made us has a time limit of his own.
        self._connector = self._reactor.connectTCP(self.address, self.port, self, timeout=None)

    def transport(self, protocol: IProtocol) -> Any:
        """Give the transport to the protocol; once, from C{connected} on."""
        assert self._door is not None
        self._over = True
        self._forget()
        self._door.open(protocol)
        return self._door.transport

    def cancel(self) -> None:
        """Give up and close; harmless when there is nothing left to close."""
        if self._over:
            return
        self._over = True
        self._forget()
        if self._door is not None and self._door.transport is not None:
            cast(ITCPTransport, self._door.transport).abortConnection()
        elif self._connector is not None:
            self._connector.stopConnecting()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Stand between the reactor's transport and the protocol, which is made when the connection stands."""
        if self._over:
            return None
        self._door = _Door(self._open)
        return self._door

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Report the system's error."""
        if not self._over:
            self._over = True
            code = _code(reason.value)
            failed = self._failed
            self._forget()
            failed(self, OSError(code, os.strerror(code)))

    def _forget(self) -> None:
        """Let go of who dialled: the reactor keeps this, and the connection does."""
        del self._connected, self._failed

    def _open(self) -> None:
        if not self._over:
            self._connected(self)


class _Door(Protocol):
    """Pass everything on to a protocol that comes later than the transport."""

    _inner: IProtocol | None = None

    def __init__(self, made: Callable[[], None]) -> None:
        self._made = made

    def open(self, inner: IProtocol) -> None:
        self._inner = inner
        if IHalfCloseableProtocol.providedBy(inner):
            alsoProvides(self, IHalfCloseableProtocol)
        assert self.transport is not None
        inner.makeConnection(self.transport)

    def connectionMade(self) -> None:
        self._made()

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)

    def readConnectionLost(self) -> None:
        IHalfCloseableProtocol(self._inner).readConnectionLost()

    def writeConnectionLost(self) -> None:
        IHalfCloseableProtocol(self._inner).writeConnectionLost()


def _code(reason: BaseException | None) -> int:
    code = getattr(reason, "osError", None)
    if isinstance(code, int):
        return code
    for kind, number in (
        (error.ConnectionRefusedError, errno.ECONNREFUSED),
        (error.TCPTimedOutError, errno.ETIMEDOUT),
        (error.TimeoutError, errno.ETIMEDOUT),
        (error.NoRouteError, errno.ENETUNREACH),
        (error.ConnectBindError, errno.EADDRNOTAVAIL),
    ):
        if isinstance(reason, kind):
            return number
    return errno.EHOSTUNREACH
