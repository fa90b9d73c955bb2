"""
Messages by UDP (RFC 5426): one a datagram, and nobody who says that they arrived.

All that is ever known is that the receiver's system has sent back that nobody listens there; it is waited for a moment for that. A burst is
spread a little, for what does not fit into the receiver's buffer is lost. Sending never waits, so it needs no thread and no reactor; only a name is looked up by the reactor's resolver.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorPluggableNameResolver, IResolutionReceiver
from zope.interface import implementer

from gateway.api import DeliveryFailed, Log
from gateway_syslog.ways import Unreachable, Written, later, pieces

#: The pause after some datagrams, until the next ones.
PAUSE_SECONDS = 0.005
#: So long it is waited for the answer that nobody listens; not more often than every L{SURE_SECONDS}.
REFUSAL_SECONDS = 0.05
SURE_SECONDS = 1.0
#: So long the address of a name is used without asking again.
NAME_SECONDS = 60.0

# The interface is busy: it passes.
_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
_MOST_PAUSES = 400

#: Opens a datagram socket that is connected to an IP address and a port.
Open: TypeAlias = Callable[[str, int], socket.socket]


def opened(host: str, port: int) -> socket.socket:
    """Open a socket that never waits."""
    family, kind, number, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, number)
    try:
        made.connect(where)
    except OSError:
        made.close()
        raise
    return made


class Datagrams:
    """The way to one receiver by UDP, a L{Way<gateway_syslog.ways.Way>}."""

    def __init__(
        self,
        clock: Any,
        host: str,
        port: int,
        log: Log,
        *,
        name: str,
        open: Open = opened,
    ) -> None:
        """
        Prepare; nothing is opened before there is something to send.

        @param host: a name, or an IP address.
        @param name: of the receiver, for the log.
        """
        self._clock = clock
        self._host = host
        self._port = port
        self._log = log
        self._name = name
        self._open = open
        self._socket: socket.socket | None = None
        self._until = 0.0
        self._sure_until = 0.0
        self._is_closed = False

    async def send(self, written: Written) -> None:
        """Send messages, and see whether somebody listens."""
        stream = await self._ready()
        if _fault(stream):
            # What was sent before counts as delivered already.
            self._log.warn(
                "nobody listened at {receiver} when the last alarms were sent: they may be lost",
                receiver=self._name,
            )
            self._sure_until = 0.0
        for number, piece in enumerate(pieces(written(0))):
            if number:
                await later(self._clock, PAUSE_SECONDS)
            for message in piece:
                await self._sent(stream, message)
        if self._clock.seconds() >= self._sure_until:
            await later(self._clock, REFUSAL_SECONDS)
            if self._is_closed or (fault := _fault(stream)):
                raise self._failed("the gateway stops" if self._is_closed else fault)
            self._sure_until = self._clock.seconds() + SURE_SECONDS

    def close(self) -> None:
        """Close the socket."""
        self._is_closed = True
        self._drop()

    async def _sent(self, stream: socket.socket, message: bytes) -> None:
        for _ in range(_MOST_PAUSES):
            if self._is_closed:
                raise self._failed("the gateway stops")
            try:
                stream.send(message)
                return
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise DeliveryFailed(
                        f"{len(message)} bytes are too long for a datagram to {self._name}: lower max_size",
                        is_final=True,
                    ) from None
                if error.errno not in _FULL:
                    raise self._failed(error.strerror or "it can't be sent") from None
            await later(self._clock, PAUSE_SECONDS)
        raise self._failed("the network takes no datagrams")

    async def _ready(self) -> socket.socket:
        if self._is_closed:
            raise self._failed("the gateway stops")
        # A closed socket is opened anew after a while, too: the name, or the way there, may be another one.
        if self._socket is None or self._clock.seconds() >= self._until:
            host = await self._resolved()
            self._drop()
            try:
                self._socket = self._open(host, self._port)
            except OSError as error:
                raise self._failed(error.strerror or str(error)) from None
            self._until = self._clock.seconds() + NAME_SECONDS
        return self._socket

    async def _resolved(self) -> str:
        host = self._host
        try:
            return str(ip_address(host))
        except ValueError:
            pass
        if not IReactorPluggableNameResolver.providedBy(self._clock):
            raise self._failed("there is no network here")
        addresses = await _addresses(self._clock.nameResolver, host)
        if not addresses:
            raise self._failed(f"{host} has no address")
        return addresses[0]

    def _failed(self, why: str) -> Unreachable:
        self._drop()
        return Unreachable(why)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._sure_until = 0.0


def _fault(stream: socket.socket) -> str:
    """Give what came back of what was sent; empty: nothing did. It is forgotten by that."""
    number = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not number:
        return ""
    return (
        "nobody listens there" if number == errno.ECONNREFUSED else errno.errorcode.get(number, "")
    )


def _addresses(resolver: Any, host: str) -> Deferred[list[str]]:
    done: Deferred[list[str]] = Deferred()
    found: list[str] = []

    @implementer(IResolutionReceiver)
    class Receiver:
        def resolutionBegan(self, resolution: object) -> None:
            """It has begun."""

        def addressResolved(self, address: Any) -> None:
            """Note an address."""
            found.append(address.host)

        def resolutionComplete(self) -> None:
            """Give what was found; after a time-out nobody wants it."""
            if not done.called:
                done.callback(found)

    resolver.resolveHostName(Receiver(), host)
    return done
