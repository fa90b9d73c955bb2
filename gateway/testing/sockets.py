"""
TCP in memory: pairs of sockets that behave as a kernel's do, without any descriptor.

What a test of a proxy depends on is here: a receive window that fills up and so holds the sender back, half-close, a
reset by C{SO_LINGER} or by closing with unread bytes, and the reset that answers bytes to a closed socket (RFC 9293
section 3.10). Each call takes effect at once; nothing is lost, delayed or reordered.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence

#: Bytes that may lie unread at a receiver, unless a network says otherwise.
WINDOW = 65536

_NO_LINGER = struct.pack("ii", 1, 0)


class MemorySocket:
    """
    One end of a connection, with the calls of L{socket.socket} that transports make.

    @ivar closed: this end was closed.
    @ivar ended: the other end sends no more.
    @ivar broken: the other end reset the connection.
    @ivar unread: bytes that have arrived and were not read.
    """

    def __init__(self, here: tuple[str, int], there: tuple[str, int], window: int) -> None:
        """Make one end; see L{connected_pair}."""
        self.closed = False
        self.ended = False
        self.broken = False
        self.unread = bytearray()
        self.window = window
        self.other: MemorySocket
        self._here = here
        self._there = there
        self._shut = False
        self._resets = False

    # What the owner calls.

    def send(self, data: bytes | memoryview) -> int:
        """
        Hand over what the other end's window takes.

        @raise BlockingIOError: it takes nothing now.
        @raise OSError: it never will.
        """
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self.broken:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if self._shut:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self.other.closed:
            # Taken by our kernel, and answered with a reset by the other one.
            self.broken = True
            return len(data)
        room = self.other.room
        if not room and data:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.other.unread += data[:room]
        return min(room, len(data))

    def sendmsg(self, parts: Sequence[bytes]) -> int:
        """Hand over several pieces as L{send} does one."""
        return self.send(b"".join(parts))

    def recv(self, size: int) -> bytes:
        """
        Read up to so many bytes; C{b""} means that no more come.

        @raise BlockingIOError: nothing is there now.
        @raise ConnectionResetError: nothing will be.
        """
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self.unread:
            data = bytes(self.unread[:size])
            del self.unread[:size]
            return data
        if self.broken:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if self.ended:
            return b""
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def shutdown(self, how: int) -> None:
        """End our direction (C{SHUT_WR} or C{SHUT_RDWR})."""
        if self.broken:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        if how != socket.SHUT_RD and not self._shut:
            self._shut = True
            self.other.ended = True

    def close(self) -> None:
        """Close: with a reset if that was asked for or bytes are unread, in order otherwise."""
        if self.closed:
            return
        self.closed = True
        if self._resets or self.unread:
            self.other.broken = True
        else:
            self.other.ended = True
        self.unread.clear()

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """Understand C{SO_LINGER} with no time, which makes L{close} reset; take anything else for done."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._resets = value == _NO_LINGER

    def getsockopt(self, level: int, option: int) -> int:
        """Say that nothing is set."""
        return 0

    def setblocking(self, blocking: bool) -> None:
        """Nothing: it never blocks."""

    def getsockname(self) -> tuple[str, int]:
        """Give our address."""
        return self._here

    def getpeername(self) -> tuple[str, int]:
        """Give the other end's address."""
        return self._there

    def fileno(self) -> int:
        """Say that there is no descriptor."""
        return -1

    # What a reactor asks.

    @property
    def room(self) -> int:
        """How many bytes this end's window still takes."""
        return max(0, self.window - len(self.unread))

    @property
    def readable(self) -> bool:
        """L{recv} would not have to wait."""
        return bool(self.unread) or self.ended or self.broken

    @property
    def writable(self) -> bool:
        """L{send} would not have to wait."""
        return self.broken or self._shut or self.other.closed or self.other.room > 0


def connected_pair(
    one: tuple[str, int], other: tuple[str, int], window: int = WINDOW
) -> tuple[MemorySocket, MemorySocket]:
    """Make a connection between two addresses and give its ends."""
    here, there = MemorySocket(one, other, window), MemorySocket(other, one, window)
    here.other, there.other = there, here
    return here, there
