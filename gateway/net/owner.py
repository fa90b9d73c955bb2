"""
Whose upstream connections serve nobody else: those of a client that authenticates its connection (RFC 4559 section 6), or
that carry what says who somebody is.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Protocol


class Owned(Protocol):
    """A connection that is somebody's."""

    def disowned(self) -> None:
        """He is gone: close, now or when the exchange ends."""


class Owner:
    """
    Somebody whose upstream connections may serve nobody else; they are closed when he is gone.

    @ivar gone: he is.
    """

    __slots__ = ("_connections", "gone")

    def __init__(self) -> None:
        self.gone = False
        self._connections: set[Owned] = set()

    def add(self, connection: Owned) -> None:
        """Take one that is made for him."""
        self._connections.add(connection)

    def forget(self, connection: Owned) -> None:
        """Let one go that is closing."""
        self._connections.discard(connection)

    def leave(self) -> None:
        """Close his connections: idle ones now, those in use when their exchange ends. More than once is harmless."""
        self.gone = True
        for connection in list(self._connections):
            connection.disowned()


class OwnKey(NamedTuple):
    """
    What an owner's connections are kept under.

    @ivar key: what they would be kept under for everybody.
    @ivar who: for whom, if he speaks for several.
    @ivar owner: compared by identity.
    """

    key: Hashable
    who: Hashable
    owner: Owner


#: Owns what nobody may use again.
NOBODY = Owner()
NOBODY.gone = True
