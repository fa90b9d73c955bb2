"""
A look at what a tunnel's upstream says first, as it goes past.

Nothing is held back and nothing is consumed: bytes are passed on, then shown. When enough was seen the tunnel has its
transport for itself again, so all that follows costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IProtocol, IHalfCloseableProtocol)
class FirstAnswer:
    """The protocol of a tunnel's upstream in place of the tunnel's own, until enough was seen."""

    __slots__ = ("_seen", "_side")

    def __init__(self, side: Any, seen: Callable[[bytes], bool]) -> None:
        """
        Stand in for the tunnel.

        @param side: its protocol, which has taken its transport over.
        @param seen: called with each piece of bytes; tells whether that is enough. It must not raise.
        """
        self._side = side
        self._seen = seen
        side.transport.protocol = self

    def makeConnection(self, transport: Any) -> None:
        """Nothing: the transport was connected before it came to us."""

    def connectionMade(self) -> None:
        """Nothing, as above."""

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on, and show them."""
        side = self._side
        side.dataReceived(data)
        # Passing it on may have been the end of the tunnel.
        if self._seen(data) and getattr(side.transport, "protocol", None) is self:
            side.transport.protocol = side

    def readConnectionLost(self) -> None:
        """Pass on."""
        self._side.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Nothing."""

    def connectionLost(self, reason: Failure) -> None:
        """Pass on."""
        self._side.connectionLost(reason)
