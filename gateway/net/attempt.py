"""One non-blocking connect to one address, and the connection to an upstream or a name server that comes of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EALREADY, ECONNREFUSED, ECONNRESET, EINPROGRESS, EISCONN
from typing import Any, cast

from twisted.internet.interfaces import IProtocol, IReactorFDSet

from gateway.net.reactor import SlimEPollReactor
from gateway.net.transport import ImmediateConnection, Outgoing, Socket, with_code_of_its_own

# Looked up once, and as the plain numbers that the calls want.
_CONNECTING = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_TCP = int(socket.IPPROTO_TCP)
_NODELAY = int(socket.TCP_NODELAY)


@with_code_of_its_own
class Attempt(Outgoing):
    """
    One non-blocking connect to one address: half the system calls of Twisted's C{Client}.

    Exactly one of the two callbacks is called, once, never from inside L{start}'s caller unless the kernel answers at
    once; after L{cancel} none is. Connected and given a protocol it is that protocol's transport; nobody else may use it as one.

    @ivar address: that is dialled, and so is C{port}.
    """

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
        @param connected: take the connection with L{transport} or L{cancel} it.
        @param prepare: called with the fresh socket and its family before the connect, to choose a source port; may
            raise L{OSError}.
        """
        self.reactor = reactor
        self.address = address
        self.port = port
        self._peer = address, port
        self._prepare = prepare
        self._told: Callable[[Attempt], None] | None = connected
        # Until it is a transport, or over.
        self._failed: Callable[[Attempt, OSError], None] | None = failed
        # The reactor watches for the answer.
        self._waiting = False

    def start(self) -> None:
        """Begin; a failure that is known at once is reported before this returns."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        try:
            made = Socket(family, _CONNECTING)
            self._take(made, None, self.reactor)
            made.setsockopt(_TCP, _NODELAY, 1)
            if self._prepare is not None:
                self._prepare(cast(socket.socket, made), family)
            code = made.connect_ex(self._peer)
        except OSError as error:
            self._give_up(error)
            return
        if code == EINPROGRESS:
            self._waiting = True
            self.reactor.addWriter(self)
        else:
            self._ended(code)

    def transport(self, protocol: IProtocol) -> Outgoing:
        """Become a protocol's transport, which reads. Once, from C{connected} on."""
        assert self._failed is not None
        self._told = self._failed = None
        self.protocol = protocol
        reactor = self.reactor
        if not self._waiting:
            reactor.addReader(self)
        elif type(reactor) is SlimEPollReactor:
            reactor.turn(self)
        else:
            reactor.removeWriter(self)
            reactor.addReader(self)
        protocol.makeConnection(self)
        return self

    def cancel(self) -> None:
        """Give up and close; harmless when it is over or a transport."""
        if self._failed is None:
            return
        self._told = self._failed = None
        if self._waiting:
            self.reactor.removeWriter(self)
        made: Socket | None = getattr(self, "socket", None)
        if made is not None:
            # It is no transport that could be lost, and none that could be written to.
            self.disconnected = True
            self.connected = 0
            self._free = False
            made.close()

    def doWrite(self) -> Any:
        """Learn how the connect ended: the socket is writable or in error. A transport sends what is queued."""
        if self._failed is None:
            return super().doWrite()  # type: ignore[no-untyped-call]
        if type(self.reactor) is SlimEPollReactor:
            # That reactor tells of an error by connectionLost, and of no event that was meant for somebody else.
            self._ended(0)
            return None
        # Asked for again, a connect tells how it stands. SO_ERROR is 0 also for one that still goes on, and the event
        # may be meant for a descriptor that was closed in this turn and had our number.
        code = self.socket.connect_ex(self._peer)
        if code != EALREADY:
            self._ended(0 if code == EISCONN else code)
        return None

    def connectionLost(self, reason: Any) -> None:
        """Learn of an error that the reactor saw first (EPOLLERR or EPOLLHUP without EPOLLOUT); a transport is closed."""
        if self._failed is None:
            # Not by super(): see with_code_of_its_own.
            ImmediateConnection.connectionLost(self, reason)
        else:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or ECONNRESET
            self._give_up(OSError(code, os.strerror(code)))

    def logPrefix(self) -> str:
        """Name it for the log."""
        return self.logstr if self._failed is None else "connect"

    def _ended(self, code: int) -> None:
        # A connect to a port of this machine on which nobody listens may be given that very port as its source, and
        # then TCP connects it to itself (RFC 9293 section 3.5, simultaneous open). No ephemeral port is below 1024.
        if code == 0 and self.port >= 1024 and self.socket.getsockname()[:2] == self._peer:
            code = ECONNREFUSED
        if code:
            self._give_up(OSError(code, os.strerror(code)))
        else:
            # A method of nobody's: looked up as one of ours it would be searched for in all our classes.
            told = self._told
            assert told is not None
            told(self)

    def _give_up(self, error: OSError) -> None:
        failed = self._failed
        self.cancel()
        if failed is not None:
            failed(self, error)
