"""
What the child process unpacks from and into: windows of content, and spools that draw on the walk's share of room.

Nothing has a name in a file system: what is small is in memory, what is not in a sealed memory file, which is gone with
its last reference. Nothing here knows of archives.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

from gateway_archive import search
from gateway_archive.faults import TooMuch

#: What is longer is in a file.
SMALL_BYTES = 1 << 16
#: How much is read at a time.
PIECE_BYTES = 1 << 16

#: A file that was given away is never changed again, by nobody.
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Share:
    """
    The room that one walk may use at once, for everything that it keeps.

    @ivar left: bytes.
    """

    __slots__ = ("_all", "left")

    def __init__(self, count: int) -> None:
        self._all = count
        self.left = count

    @property
    def used(self) -> int:
        """How much of it is used, in bytes."""
        return self._all - self.left

    def take(self, count: int) -> None:
        """
        Use room.

        @raise TooMuch: there is not enough.
        """
        if count > self.left:
            raise TooMuch("size", f"unpacking it takes more room than {self._all} bytes")
        self.left -= count

    def give(self, count: int) -> None:
        """Give room back."""
        self.left += count


class Held:
    """
    Bytes that do not change, in memory or in a file; gone, and its room given back, with the last reference.

    @ivar fd: the file; -1: they are in memory.
    @ivar data: what is in memory.
    """

    __slots__ = ("_share", "data", "fd", "size")

    def __init__(self, data: bytes, fd: int, size: int, share: Share | None) -> None:
        """
        Hold them.

        @param fd: is closed at the end.
        @param share: that C{size} was taken of; C{None}: none.
        """
        self.data = data
        self.fd = fd
        self.size = size
        self._share = share

    @property
    def is_sealed(self) -> bool:
        """Whether it was spooled here, so that nobody can change it."""
        return self._share is not None

    def __del__(self) -> None:
        """Let go."""
        if self.fd >= 0:
            os.close(self.fd)
        if self._share is not None:
            self._share.give(self.size)


class Blob:
    """
    A window of held bytes.

    @ivar held: what it is a window of.
    @ivar start: where it begins therein.
    @ivar size: bytes.
    """

    __slots__ = ("held", "size", "start")

    def __init__(self, held: Held, start: int = 0, size: int = -1) -> None:
        self.held = held
        self.start = start
        self.size = held.size if size < 0 else size

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """Make one of bytes that are there anyway."""
        return cls(Held(data, -1, len(data), None))

    @property
    def is_file(self) -> bool:
        """Whether it is given to others as a file; else it is short enough to be given as it is."""
        return self.held.fd >= 0 and self.size > SMALL_BYTES

    def alone(self, share: Share) -> Blob:
        """
        Give the same, such that it can be given to others: not as a window of something else.

        @raise TooMuch: there is no room for a copy.
        """
        if not self.is_file or (self.size == self.held.size and self.held.is_sealed):
            return self
        return copied(self.pieces(), share)

    def read(self, at: int, count: int) -> bytes:
        """Give bytes from a place, fewer at the end, none behind it."""
        count = min(count, self.size - at)
        if count <= 0 or at < 0:
            return b""
        at += self.start
        held = self.held
        if held.fd < 0:
            return held.data[at : at + count]
        parts = []
        while count:
            data = os.pread(held.fd, count, at)
            if not data:
                break
            parts.append(data)
            at += len(data)
            count -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pieces(self, count: int = PIECE_BYTES) -> Iterator[bytes]:
        """Give all of it, one piece after the other."""
        for at in range(0, self.size, count):
            yield self.read(at, count)

    def cut(self, start: int, end: int | None = None) -> Blob:
        """Give a window of it."""
        end = self.size if end is None else min(end, self.size)
        start = min(max(start, 0), end)
        return Blob(self.held, self.start + start, end - start)

    def find(self, what: bytes, start: int = 0, end: int | None = None) -> int:
        """Find the first place of some bytes; -1: they are not there."""
        end = self.size if end is None else min(end, self.size)
        step = 1 << 18
        for at in range(start, end, step):
            data = self.read(at, min(step + len(what) - 1, end - at))
            found = search.find(data, what)
            if found >= 0:
                return at + found
        return -1

    def is_blank(self) -> bool:
        """Tell whether there is nothing in it but zeros."""
        return not any(piece.strip(b"\0") for piece in self.pieces())

    def open(self) -> BinaryIO:
        """Give a file to read it with, from any place."""
        return cast(BinaryIO, io.BufferedReader(_Reader(self), PIECE_BYTES))


class _Reader(io.RawIOBase):
    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, self._blob.size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._blob.read(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


class Spool:
    """
    Takes what is unpacked, piece by piece.

    @ivar size: bytes taken.
    """

    __slots__ = ("_fd", "_parts", "_share", "size")

    def __init__(self, share: Share) -> None:
        self.size = 0
        self._share = share
        self._parts: list[bytes] = []
        self._fd = -1

    def write(self, data: bytes) -> None:
        """
        Append.

        @raise TooMuch: there is no room.
        """
        self._share.take(len(data))
        self.size += len(data)
        if self._fd < 0:
            self._parts.append(data)
            if self.size <= SMALL_BYTES:
                return
            self._fd = os.memfd_create("member", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            data = b"".join(self._parts)
            self._parts = []
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def finish(self) -> Blob:
        """Give what was taken; nothing can be appended any more."""
        fd, self._fd = self._fd, -1
        size, self.size = self.size, 0
        if fd >= 0:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
        data = b"".join(self._parts)
        self._parts = []
        return Blob(Held(data, fd, size, self._share))

    def __del__(self) -> None:
        """Give back what was not finished."""
        if self._fd >= 0:
            os.close(self._fd)
        self._share.give(self.size)


def copied(pieces: Iterable[bytes], share: Share) -> Blob:
    """
    Take all that comes.

    @raise TooMuch: there is no room.
    """
    spool = Spool(share)
    for piece in pieces:
        spool.write(piece)
    return spool.finish()
