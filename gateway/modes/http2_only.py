"""
Servers that turned out to speak HTTP/2 alone, and are passed on unread for a while.

To find out costs a connection that fails, so it is remembered: the next client is passed on at once. Whether a server may
be passed on at all is L{gateway.modes.decryption}'s to say. Kept in memory, and gone with its configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.api.catalogue.certificate import TLS_HTTP2_ONLY
from gateway.api.events import Event

#: Seconds after which a server is asked anew.
REMEMBERED_SECONDS: Final = 3600.0
#: Servers that are remembered; for one more the one that was found first gives way.
MAX_SERVERS: Final = 1000


class Http2Only:
    """Those that one snapshot knows of."""

    __slots__ = ("_seconds", "_tell", "_until")

    def __init__(self, seconds: Callable[[], float], tell: Callable[[Event], None]) -> None:
        """
        Know none.

        @param seconds: a clock that never goes backwards, such as the reactor's.
        @param tell: takes an event for each that is found: nothing passes unread in silence.
        """
        self._seconds = seconds
        self._tell = tell
        self._until: dict[tuple[str, int], float] = {}

    def __len__(self) -> int:
        """Count them, those whose time is over included."""
        return len(self._until)

    def known(self, host: str, port: int) -> bool:
        """Tell whether a server is one of them."""
        until = self._until.get((host, port))
        if until is None:
            return False
        if until <= self._seconds():
            del self._until[host, port]
            return False
        return True

    def found(self, host: str, port: int) -> None:
        """Remember a server, and tell of it."""
        known = self._until
        known.pop((host, port), None)
        while len(known) >= MAX_SERVERS:
            del known[next(iter(known))]
        known[host, port] = self._seconds() + REMEMBERED_SECONDS
        self._tell(
            TLS_HTTP2_ONLY(
                f"{host}:{port} speaks HTTP/2 alone and can't be decrypted: it is passed on unread for "
                f"{REMEMBERED_SECONDS / 3600:g} hour",
                host,
                port=str(port),
                seconds=f"{REMEMBERED_SECONDS:g}",
            )
        )
