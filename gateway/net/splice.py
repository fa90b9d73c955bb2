"""
Bytes from socket to socket without passing through Python: C{splice(2)} by way of a pipe.

A L{Splice} takes the two descriptors of a tunnel away from their transports, moves bytes while there is nothing but
bytes to move, and gives the descriptors back at the first thing that is more than that: the end of a stream, an error,
no pipe to be had. It knows nothing of half-close, time-outs or logs; those stay with L{gateway.net.tunnel}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import Enum, auto
from errno import EINVAL
from fcntl import F_GETPIPE_SZ, F_SETPIPE_SZ, fcntl, ioctl
from termios import TIOCOUTQ
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_FLAGS = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class Pipe:
    """A pipe and how much it holds at most; empty whenever it is not in use."""

    __slots__ = ("read_fd", "size", "write_fd")

    def __init__(self, wanted_bytes: int) -> None:
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.size: int = fcntl(self.write_fd, F_SETPIPE_SZ, wanted_bytes)
        except OSError:
            # Over fs.pipe-max-size or this user's fs.pipe-user-pages-soft: slower, but as good.
            self.size = fcntl(self.write_fd, F_GETPIPE_SZ)

    def close(self) -> None:
        """Free both descriptors."""
        os.close(self.read_fd)
        os.close(self.write_fd)


class PipePool:
    """
    The pipes of one process.

    A direction holds a pipe only while bytes are stuck in it, so a few pipes serve many tunnels; the limit bounds what
    slow readers can pin in the kernel: C{limit * size} bytes.

    @ivar open: pipes in existence, idle or in use.
    """

    def __init__(
        self, *, size: int = 1 << 20, least: int = 1 << 16, limit: int = 128, keep: int = 16
    ) -> None:
        """
        Begin with no pipe at all.

        @param size: bytes wanted in each pipe; the kernel may give less.
        @param least: bytes below which a pipe costs more than it saves; over its pages for one user the kernel
            gives pipes of a single page.
        @param limit: how many may be open at once.
        @param keep: how many stay open while nobody uses them.
        """
        self._size = size
        self._least = least
        self._limit = limit
        self._keep = keep
        self._idle: list[Pipe] = []
        self.open = 0

    def take(self) -> Pipe | None:
        """Give an empty pipe, or C{None} if the limit or what the kernel grants us is used up."""
        if self._idle:
            return self._idle.pop()
        if self.open >= self._limit:
            return None
        try:
            made = Pipe(self._size)
        except OSError:
            return None
        if made.size < self._least:
            made.close()
            return None
        self.open += 1
        return made

    def give(self, pipe: Pipe) -> None:
        """Take an empty pipe back."""
        if len(self._idle) < self._keep:
            self._idle.append(pipe)
        else:
            self.discard(pipe)

    def discard(self, pipe: Pipe) -> None:
        """Close a pipe, whatever it holds."""
        self.open -= 1
        pipe.close()

    def close(self) -> None:
        """Close the idle pipes; the pool can still be used."""
        while self._idle:
            self.discard(self._idle.pop())


#: The pool of this process, for everybody who does not bring one.
PIPES = PipePool()


class Halt(Enum):
    """Why a L{Splice} gave the descriptors back."""

    #: One side will send no more.
    END = auto()
    #: One side's connection is broken; the error was taken from the socket, so nobody else will see it.
    BROKEN = auto()
    #: No pipe could be had, or the kernel can't splice these sockets.
    UNABLE = auto()


def bare_socket(transport: Any) -> int | None:
    """
    Give the descriptor of a transport that passes bytes as they are and has none queued; else C{None}.

    What is asked is Twisted's own state, because no interface tells it: TLS, queued bytes, a close under way. What is
    merely held back for the end of the reactor's round is sent.
    """
    if getattr(transport, "_held", False):
        transport.send_held()
    if (
        not isinstance(transport, tcp.Connection)
        or not transport.connected
        or transport.disconnecting
        or transport.TLS
        or transport.dataBuffer
        or transport._tempDataLen
        or transport._writeDisconnecting is not transport._writeDisconnected
    ):
        return None
    return transport.fileno()


def unsent_bytes(transport: Any) -> int:
    """Give how much the kernel holds that the peer has not acknowledged, below TLS too; 0 for what is no socket."""
    while (below := getattr(transport, "below", None)) is not None:
        transport = below
    if (
        not isinstance(transport, tcp.Connection)
        or not transport.connected
        or transport.fileno() < 0
    ):
        return 0
    # SIOCOUTQ of tcp(7) is the same number.
    return int.from_bytes(ioctl(transport.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)


class Splice:
    """
    Move bytes between two descriptors until something else than bytes comes.

    The transports of both must have stopped reading and writing: an epoll reactor keeps one selectable a descriptor.
    """

    __slots__ = ("_ends", "_halted", "_moved", "_pipes", "_reactor", "running")

    def __init__(
        self,
        reactor: IReactorFDSet,
        descriptors: tuple[int, int],
        pipes: PipePool,
        *,
        moved: Callable[[int, int], None],
        halted: Callable[[int, Halt, tuple[bytes, bytes]], None],
    ) -> None:
        """
        Nothing is touched before L{start}.

        @param moved: called with the index of a side and how many bytes were just taken from it; with 0 when bytes
            taken earlier went on.
        @param halted: called once with the index of the side it is about, the reason and what L{stop} gives. The
            descriptors are free then.
        """
        self._reactor = reactor
        self._pipes = pipes
        self._moved = moved
        self._halted = halted
        first, second = _End(self, 0, descriptors[0]), _End(self, 1, descriptors[1])
        first.peer, second.peer = second, first
        self._ends: tuple[_End, ...] = (first, second)
        self.running = False

    def start(self, reading: tuple[bool, bool]) -> None:
        """Begin; C{reading} says of each side whether it may still send."""
        self.running = True
        for end, wanted in zip(self._ends, reading, strict=True):
            if wanted:
                self._reactor.addReader(end)

    def stop(self) -> tuple[bytes, bytes]:
        """Let go of the descriptors, once; give, for each side, bytes taken from it that did not go on to the other."""
        self.running = False
        first, second = self._ends
        # Cut loose from each other they need no collector of garbage, and neither does what the tunnel still holds.
        self._ends = ()
        for end in (first, second):
            self._reactor.removeReader(end)
            self._reactor.removeWriter(end)
            del end.peer
        return first.left(), second.left()

    def halt(self, end: _End, reason: Halt) -> None:
        """End it for a reason. For the ends."""
        if self.running:
            self._halted(end.index, reason, self.stop())


@implementer(IReadDescriptor, IWriteDescriptor)
class _End:
    """
    One descriptor.

    @ivar held: bytes taken from here that wait in C{pipe}; while there are any, nothing more is read.
    """

    __slots__ = ("_splice", "fd", "held", "index", "peer", "pipe")

    peer: _End

    def __init__(self, splice: Splice, index: int, fd: int) -> None:
        self._splice = splice
        self.index = index
        self.fd = fd
        self.pipe: Pipe | None = None
        self.held = 0

    def doRead(self) -> None:
        """Take what is there and pass on what the other side takes."""
        splice = self._splice
        # A turn that began before the descriptors were given back may still come here.
        if not splice.running or self.held:
            return
        pipes = splice._pipes
        pipe = pipes.take()
        if pipe is None:
            splice.halt(self, Halt.UNABLE)
            return
        try:
            count = os.splice(self.fd, pipe.write_fd, pipe.size, flags=_FLAGS)
        except BlockingIOError:
            pipes.give(pipe)
            return
        except OSError as error:
            pipes.give(pipe)
            splice.halt(self, Halt.UNABLE if error.errno == EINVAL else Halt.BROKEN)
            return
        if not count:
            pipes.give(pipe)
            splice.halt(self, Halt.END)
            return
        splice._moved(self.index, count)
        try:
            sent = os.splice(pipe.read_fd, self.peer.fd, count, flags=_FLAGS)
        except BlockingIOError:
            sent = 0
        except OSError:
            pipes.discard(pipe)
            splice.halt(self.peer, Halt.BROKEN)
            return
        if sent == count:
            pipes.give(pipe)
            return
        self.pipe = pipe
        self.held = count - sent
        splice._reactor.removeReader(self)
        splice._reactor.addWriter(self.peer)

    def doWrite(self) -> None:
        """Pass on what was held back for this side."""
        splice = self._splice
        if not splice.running:
            return
        source = self.peer
        pipe = source.pipe
        if pipe is None:
            return
        try:
            sent = os.splice(pipe.read_fd, self.fd, source.held, flags=_FLAGS)
        except BlockingIOError:
            return
        except OSError:
            splice.halt(self, Halt.BROKEN)
            return
        source.held -= sent
        splice._moved(source.index, 0)
        if not source.held:
            source.pipe = None
            splice._pipes.give(pipe)
            splice._reactor.removeWriter(self)
            splice._reactor.addReader(source)

    def left(self) -> bytes:
        """Take what was held out of the pipe and let go of the pipe."""
        pipe, self.pipe = self.pipe, None
        if pipe is None:
            return b""
        parts = []
        while self.held:
            parts.append(os.read(pipe.read_fd, self.held))
            self.held -= len(parts[-1])
        self._splice._pipes.give(pipe)
        return b"".join(parts)

    def connectionLost(self, reason: Failure) -> None:
        """Learn from the reactor that the connection is broken, or that the reactor stops."""
        self._splice.halt(self, Halt.BROKEN)

    def fileno(self) -> int:
        """Give the descriptor to the reactor."""
        return self.fd

    def logPrefix(self) -> str:
        """Name it for the log."""
        return "splice"
