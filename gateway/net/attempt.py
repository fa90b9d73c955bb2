"""One non-blocking connect to one address, the way to a connection to an upstream or a name server."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EALREADY, ECONNREFUSED, ECONNRESET, EINPROGRESS, EISCONN
from typing import Any, cast

from twisted.internet.interfaces import IProtocol, IReactorFDSet

from gateway.net.reactor import SlimEPollReactor
from gateway.net.transport import Outgoing, Socket

# Looked up once, and as the plain numbers that the calls want.
_CONNECTING = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_TCP = int(socket.IPPROTO_TCP)
_NODELAY = int(socket.TCP_NODELAY)


class Attempt:
    """
    One non-blocking connect to one address: half the system calls of Twisted's C{Client}.

    Exactly one of the two callbacks is called, once, never from inside L{start}'s caller unless the kernel answers at
    once; after L{cancel} none is.
    """

    __slots__ = (
        "_connected",
        "_failed",
        "_prepare",
        "_reactor",
        "_slim",
        "_socket",
        "_waiting",
        "address",
        "fileno",
        "peer",
        "port",
    )

    def __init__(
        self,
        reactor: IReactorFDSet,
        address: str,
        port: int,
        connected: Callable[[Attempt], None],
        failed: Callable[[Attempt, OSError], None],
        prepare: Callable[[socket.socket, int], None] | None = None,
    ) -> None:
        """
        Keep what is needed; nothing happens before L{start}.

        @param address: a literal IPv4 or IPv6 address.
        @param connected: take the socket with L{transport} or L{cancel} it.
        @param prepare: called with the fresh socket and its family before the connect, to choose a source port; may
            raise L{OSError}.
        """
        self.address = address
        self.port = port
        self.peer = address, port
        self._reactor = reactor
        self._slim = type(reactor) is SlimEPollReactor
        self._prepare = prepare
        self._connected = connected
        self._failed = failed
        self._socket: Socket | None = None
        #: For the reactor (L{IFileDescriptor<twisted.internet.interfaces.IFileDescriptor>}).
        self.fileno: Callable[[], int] = _closed
        # The reactor watches for the answer.
        self._waiting = False

    def start(self) -> None:
        """Begin; a failure that is known at once is reported before this returns."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        try:
            self._socket = made = Socket(family, _CONNECTING)
            self.fileno = made.fileno
            made.setsockopt(_TCP, _NODELAY, 1)
            if self._prepare is not None:
                self._prepare(cast(socket.socket, made), family)
            code = made.connect_ex(self.peer)
        except OSError as error:
            self.cancel()
            self._failed(self, error)
            return
        if code == EINPROGRESS:
            self._waiting = True
            self._reactor.addWriter(self)  # type: ignore[arg-type]
        else:
            self._ended(code)

    def transport(self, protocol: IProtocol) -> Outgoing:
        """Make the transport, give it to the protocol and start reading. Once, from C{connected} on."""
        assert self._socket is not None
        taken, self._socket = self._socket, None
        reactor = self._reactor
        made = Outgoing(taken, protocol, self.peer, reactor)
        if not self._waiting:
            reactor.addReader(made)
        elif self._slim:
            cast(SlimEPollReactor, reactor).replace(self, made)
        else:
            reactor.removeWriter(self)  # type: ignore[arg-type]
            reactor.addReader(made)
        self._waiting = False
        self.fileno = _closed
        protocol.makeConnection(made)
        return made

    def cancel(self) -> None:
        """Give up and close; harmless when there is nothing left to close."""
        if self._waiting:
            self._waiting = False
            self._reactor.removeWriter(self)  # type: ignore[arg-type]
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.fileno = _closed

    def doWrite(self) -> None:
        """Learn how the connect ended: the socket is writable or in error."""
        assert self._socket is not None
        if self._slim:
            # That reactor tells of an error by connectionLost, and of no event that was meant for somebody else.
            self._ended(0)
            return
        # Asked for again, a connect tells how it stands. SO_ERROR is 0 also for one that still goes on, and the event
        # may be meant for a descriptor that was closed in this turn and had our number.
        code = self._socket.connect_ex(self.peer)
        if code == EALREADY:
            return
        self._ended(0 if code == EISCONN else code)

    def connectionLost(self, reason: Any) -> None:
        """Learn of an error that the reactor saw first (EPOLLERR or EPOLLHUP without EPOLLOUT)."""
        if self._socket is not None:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.cancel()
            self._failed(self, OSError(code or ECONNRESET, os.strerror(code or ECONNRESET)))

    def logPrefix(self) -> str:
        """Name it for the log."""
        return "connect"

    def _ended(self, code: int) -> None:
        # A connect to a port of this machine on which nobody listens may be given that very port as its source, and
        # then TCP connects it to itself (RFC 9293 section 3.5, simultaneous open). No ephemeral port is below 1024.
        if code == 0 and self.port >= 1024 and self._socket is not None:
            code = ECONNREFUSED if self._socket.getsockname()[:2] == self.peer else 0
        if code:
            self.cancel()
            self._failed(self, OSError(code, os.strerror(code)))
        else:
            self._connected(self)


def _closed() -> int:
    """Stand in for the descriptor of a socket that is not there."""
    return -1
