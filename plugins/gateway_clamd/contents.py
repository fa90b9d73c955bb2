"""
How content gets to clamd: as an open file, or in pieces.

An open file costs nothing however long the content is: clamd reads it by itself. Pieces go out no faster than clamd takes
them, and a file is read one piece for each turn of the reactor, so no more than that is ever in memory.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from gateway.api import ScanJob
from gateway_clamd.wire import END_OF_STREAM, stream_head

#: What goes out, and is read from a file, in one turn of the reactor.
PIECE_BYTES = 262144

#: What is in memory and not longer is sent: it is as quick as a file, and needs none.
SMALL_BYTES = 32768

#: What is in memory and longer is sent, too: to write it into a file would take too long at once.
LARGE_BYTES = 4 << 20


class Place(enum.Enum):
    """What kind of file content goes to clamd as; it may read one and not the other."""

    HELD = "files of held content"
    MEMORY = "files in memory"


def place_of(job: ScanJob) -> Place | None:
    """Tell as what kind of file content goes best, where clamd can read it; C{None}: it is better sent."""
    if job.path is not None:
        return Place.HELD
    return Place.MEMORY if SMALL_BYTES < job.size <= LARGE_BYTES else None


def descriptor(job: ScanJob) -> int:
    """
    Open content to be read; whoever calls closes it.

    @raise OSError: it can't be opened.
    """
    if job.path is not None:
        return os.open(job.path, os.O_RDONLY | os.O_CLOEXEC)
    made = os.memfd_create("scan", os.MFD_CLOEXEC)
    try:
        view = memoryview(job.content)
        while view:
            view = view[os.write(made, view) :]
    except BaseException:
        os.close(made)
        raise
    return made


def padded(content: bytes, size: int) -> int:
    """
    Open a file that begins with content and goes on with zeros, which take no room; whoever calls closes it.

    @raise OSError: it can't be made.
    """
    made = os.memfd_create("scan", os.MFD_CLOEXEC)
    try:
        os.write(made, content)
        os.ftruncate(made, size)
    except BaseException:
        os.close(made)
        raise
    return made


def head(job: ScanJob, count: int) -> bytes:
    """
    Give the first bytes of content.

    @raise OSError: it can't be read.
    """
    if job.path is None:
        return job.content[:count]
    with job.path.open("rb", buffering=0) as file:
        return file.read(count)


def zeros(size: int, content: bytes) -> Callable[[int], bytes]:
    """Give what reads content and then zeros, up to a size."""
    left = size
    first = content

    def read(count: int) -> bytes:
        nonlocal left, first
        piece = first if first else bytes(min(count, left))
        first = b""
        left -= len(piece)
        return piece

    return read


class Stream:
    """
    Content to be sent.

    @ivar size: in bytes.
    @ivar small: all of it, if it may go out at once.
    """

    def __init__(self, size: int, read: Callable[[int], bytes], small: bytes | None = None) -> None:
        """
        Take what reads it.

        @param read: gives the next bytes, at most so many, none at the end.
        """
        self.size = size
        self.small = small
        self.read = read
        self._file: BinaryIO | None = None

    @classmethod
    def of(cls, job: ScanJob) -> Stream:
        """
        Send what a job is about.

        @raise OSError: its file can't be opened.
        """
        if job.path is not None:
            file = job.path.open("rb", buffering=0)
            made = cls(job.size, file.read)
            made._file = file
            return made
        if job.size <= SMALL_BYTES:
            return cls(job.size, _nothing, job.content)
        return cls(job.size, _reading(job.content))

    def close(self) -> None:
        """Read no more of it; more than once is harmless."""
        self.read = _nothing
        if self._file is not None:
            self._file.close()
            self._file = None


@implementer(IPullProducer)
class Feed:
    """
    Sends one piece of content, whenever the transport has room for it.

    @ivar active: not all of it went out yet.
    """

    def __init__(self, stream: Stream, transport: Any, broken: Callable[[str], None]) -> None:
        """
        Send what is small at once, or begin to send.

        @param broken: is told, once, why it can't go on.
        """
        self.active = True
        self._stream = stream
        self._left = stream.size
        self._transport = transport
        self._broken = broken
        if stream.small is not None:
            self._over()
            transport.write(stream_head(stream.size) + stream.small + END_OF_STREAM)
            return
        transport.write(stream_head(stream.size))
        transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """Send the next bytes; for the transport only."""
        if not self.active:
            return
        try:
            data = self._stream.read(min(PIECE_BYTES, self._left)) if self._left else b""
        except OSError as error:
            self._fail(error.strerror or "it can't be read")
            return
        if not data and self._left:
            self._fail("it is shorter than it was")
            return
        self._left -= len(data)
        if self._left:
            self._transport.write(data)
            return
        self._transport.write(data + END_OF_STREAM)
        self.stop()

    def stopProducing(self) -> None:
        """Send no more: the connection is gone; for the transport only."""
        self._over()

    def stop(self) -> None:
        """Send no more; more than once is harmless."""
        if self.active:
            self._over()
            self._transport.unregisterProducer()

    def _fail(self, why: str) -> None:
        self.stop()
        self._broken(why)

    def _over(self) -> None:
        self.active = False
        self._stream.close()


def _nothing(count: int) -> bytes:
    return b""


def _reading(content: bytes) -> Callable[[int], bytes]:
    at = 0

    def read(count: int) -> bytes:
        nonlocal at
        piece = content[at : at + count]
        at += len(piece)
        return piece

    return read
