"""
The records of one TLS connection: bytes of the network in, content out, and the other way round, in memory.

There are two ways to deal with OpenSSL: by pyOpenSSL's API, which is slow for this (L{CarefulRecords}), and past it
(L{gateway.net.tls_quick_records}), where the version that is installed has what that takes.
"""

from __future__ import annotations

from typing import Protocol

from OpenSSL import SSL

#: Most bytes of content in one record (RFC 8446 section 5.1).
RECORD_BYTES = 16384
#: Content handed over in one piece, where there is so much.
PIECE_BYTES = 4 * RECORD_BYTES


class Records(Protocol):
    """
    OpenSSL's side of a connection that was made without a socket.

    Each method but L{received} raises L{SSL.Error} if TLS is broken; what is to be sent then is the alert.

    @ivar more: beyond what was given last there may be something: content, an error, an answer of TLS to be sent.
    """

    more: bool

    def feed(self, data: bytes) -> None:
        """Take what the network brought."""

    def received(self, data: bytes) -> bytes:
        """
        Take what the network brought, and give content where that is done in one go; never raises.

        L{more} says whether to ask L{content}, and then L{sendable}.
        """

    def shake(self) -> bool:
        """Go on with the handshake as far as it goes; tells whether it is done."""

    def content(self) -> bytes:
        """
        Give content, of several records if they are there; empty if there is no whole record.

        @raise SSL.ZeroReturnError: the peer has said that it sends no more.
        """

    def encrypt(self, data: bytes) -> None:
        """Make records of content."""

    def encrypted(self, data: bytes) -> bytes:
        """Make records of content, which is not empty, and give all that is to be sent."""

    def sendable(self) -> bytes:
        """Give what is to be sent; empty if there is nothing."""


class CarefulRecords:
    """By pyOpenSSL's API alone."""

    __slots__ = ("_connection",)

    #: Who has to ask for it has not asked.
    more = True

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def feed(self, data: bytes) -> None:
        """Take what the network brought."""
        if data:
            self._connection.bio_write(data)

    def received(self, data: bytes) -> bytes:
        """Take what the network brought."""
        self.feed(data)
        return b""

    def shake(self) -> bool:
        """Go on with the handshake."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def content(self) -> bytes:
        """Give content."""
        try:
            return self._connection.recv(PIECE_BYTES)
        except SSL.WantReadError:
            return b""

    def encrypt(self, data: bytes) -> None:
        """Make records of content."""
        done = 0
        while done < len(data):
            done += self._connection.send(memoryview(data)[done:])

    def encrypted(self, data: bytes) -> bytes:
        """Make records of content and give what is to be sent."""
        self.encrypt(data)
        return self.sendable()

    def sendable(self) -> bytes:
        """Give what is to be sent."""
        parts = []
        try:
            while True:
                parts.append(self._connection.bio_read(PIECE_BYTES))
        except SSL.WantReadError:
            return b"".join(parts)


try:
    from gateway.net.tls_quick_records import QuickRecords
except (ImportError, AttributeError):  # pragma: no cover - with a pyOpenSSL to come
    _KIND: type[Records] = CarefulRecords
else:
    _KIND = QuickRecords


def records(connection: SSL.Connection) -> Records:
    """Make the quicker kind that there is."""
    made: Records = _KIND(connection)  # type: ignore[call-arg]
    return made
