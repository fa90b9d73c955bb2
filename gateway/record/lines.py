"""
Lines on their way to a file: gathered, written in one system call, never waited for.

The data path appends to a list. A full disk, a missing folder, a terminal or a pipe that nobody reads must not hold
up traffic: what cannot be written stays in memory up to a bound, is tried again, and over the bound new lines are
dropped and counted. A line is written whole or, if a file takes only part of it, continued, so a reader never sees
two lines run together.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

#: Lines wait this long at most while there is no trouble.
FLUSH_SECONDS = 0.2
#: So many bytes are written at once without waiting.
FLUSH_BYTES = 64 * 1024
#: A file that failed is tried again after so long.
RETRY_SECONDS = 1.0
#: So many bytes are kept while a file fails.
KEPT_BYTES = 4 * 1024 * 1024

#: What to a pipe can be written without waiting, once poll says that it takes anything (pipe(7), PIPE_BUF).
_PIPE_BYTES = 4096
_STDOUT = 1
#: Errors that pass when somebody makes room: the file stays open, for a line may be half in it.
_ROOM_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_FILE_MODE = 0o640


class Sink(Protocol):
    """
    Where lines go: an open file of any kind. Neither call may wait.

    @ivar identity: device and inode.
    """

    identity: tuple[int, int]

    def write(self, content: memoryview) -> int:
        """
        Take some of it and give how many bytes; 0 if it would have to wait.

        @raise OSError: nothing was taken.
        """

    def close(self) -> None:
        """Let go of the descriptor, if it is ours."""


class LineFile:
    """
    A file of lines that are gathered before they are written.

    @ivar written: bytes the file took since the start.
    @ivar dropped: lines lost since the start.
    @ivar failures: how often the file could not be opened or written.
    """

    _log = Logger()

    def __init__(self, path: str, clock: IReactorTime, kept_bytes: int = KEPT_BYTES) -> None:
        """
        Prepare; nothing is opened yet.

        @param path: C{"-"} is the standard output.
        @param kept_bytes: bound of what is kept in memory while the file fails.
        """
        self.path = path
        self.written = 0
        self.dropped = 0
        self.failures = 0
        self._clock = clock
        self._kept_bytes = kept_bytes
        self._sink: Sink | None = None
        self._call: IDelayedCall | None = None
        self._lines: list[str] = []
        self._gathered = 0
        # The block being written; what lies before the offset is in the file.
        self._block = b""
        self._offset = 0
        self._identity = (0, 0)
        self._failing = False
        self._told = False
        self._dropped_before = 0

    def start(self) -> None:
        """Open the file; if that fails, say so once and go on trying."""
        self._open()

    def write(self, line: str) -> None:
        """
        Take a line; it is written within L{FLUSH_SECONDS}.

        @param line: ASCII with its line feed at the end and no other.
        """
        size = self._gathered + len(line)
        if self._failing and size + len(self._block) > self._kept_bytes:
            self._drop()
            return
        self._lines.append(line)
        self._gathered = size
        if size >= FLUSH_BYTES and not self._failing:
            self.flush()
        elif self._call is None:
            self._call = self._clock.callLater(FLUSH_SECONDS, self._turn)

    def flush(self) -> None:
        """Write what there is, as far as the file takes it."""
        sink = self._sink or self._open()
        if sink is None:
            self._again(RETRY_SECONDS)
            return
        while self._fill():
            if not self._push(sink):
                return
        self._recovered()

    def reopen(self) -> None:
        """
        Write what there is to the old file and open the path anew, after a rotation.

        If the old file took part of a line, the new one gets the whole line.
        """
        if self._sink is not None:
            self.flush()
        self._close()
        if self._open() is None:
            self._again(RETRY_SECONDS)
        elif self._lines_wait():
            self.flush()

    def stop(self) -> None:
        """Write what there is, once, and close. What the file does not take is lost and counted."""
        if self._lines_wait() or self._sink is not None:
            self.flush()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        lost = self._block[self._offset :].count(b"\n") + len(self._lines)
        if lost:
            self.dropped += lost
            self._log.error("{lost} lines of {path} are lost at the end", lost=lost, path=self.path)
        self._lines.clear()
        self._gathered = 0
        self._block = b""
        self._offset = 0
        self._close()

    def _turn(self) -> None:
        self._call = None
        self.flush()

    def _again(self, seconds: float) -> None:
        if self._call is None:
            self._call = self._clock.callLater(seconds, self._turn)

    def _lines_wait(self) -> bool:
        return bool(self._lines) or self._offset < len(self._block)

    def _fill(self) -> bool:
        """Make the next block if the last is done; tell whether there is anything to write."""
        if self._offset < len(self._block):
            return True
        if not self._lines:
            self._block = b""
            self._offset = 0
            return False
        # A format that let another character through has a fault; the file stays ASCII all the same.
        self._block = "".join(self._lines).encode("ascii", "backslashreplace")
        self._offset = 0
        self._lines.clear()
        self._gathered = 0
        return True

    def _push(self, sink: Sink) -> bool:
        """Write the block; tell whether all of it went. If not, it is tried again."""
        while self._offset < len(self._block):
            try:
                taken = sink.write(memoryview(self._block)[self._offset :])
            except OSError as error:
                if error.errno not in _ROOM_ERRORS:
                    self._close()
                self._failed(error)
                self._again(RETRY_SECONDS)
                return False
            if not taken:
                # A pipe that is full is no failure yet, but what is kept is bounded from here on.
                self._failing = True
                self._again(FLUSH_SECONDS)
                return False
            self._offset += taken
            self.written += taken
        return True

    def _open(self) -> Sink | None:
        try:
            self._sink = sink = open_sink(self.path)
        except OSError as error:
            self._failed(error)
            return None
        identity = sink.identity
        if identity != self._identity:
            # Another file than the one that has the first part of a line: it gets the whole line.
            self._offset = self._block.rfind(b"\n", 0, self._offset) + 1
            self._identity = identity
        return sink

    def _close(self) -> None:
        if self._sink is not None:
            with contextlib.suppress(OSError):
                self._sink.close()
            self._sink = None

    def _drop(self) -> None:
        if self.dropped == self._dropped_before:
            self._log.error(
                "{path} takes nothing and {kept} bytes wait: new lines are dropped",
                path=self.path,
                kept=self._kept_bytes,
            )
        self.dropped += 1

    def _failed(self, error: OSError) -> None:
        self.failures += 1
        if not self._told:
            self._told = True
            self._log.error(
                "{path} can't be written ({reason}); traffic goes on, lines are kept up to {kept} bytes",
                path=self.path,
                reason=error.strerror or str(error),
                kept=self._kept_bytes,
            )
        self._failing = True

    def _recovered(self) -> None:
        if not self._failing:
            return
        lost = self.dropped - self._dropped_before
        if self._told or lost:
            self._log.warn(
                "{path} is written again; {lost} lines were lost", path=self.path, lost=lost
            )
        self._failing = self._told = False
        self._dropped_before = self.dropped


def open_sink(path: str) -> Sink:
    """
    Open a path for appending, made with mode 0640 if it is not there; C{"-"} is the standard output.

    @raise OSError: it can't be opened; so it is with a named pipe that nobody reads.
    """
    if path == "-":
        return shared_sink(_STDOUT)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return _File(os.open(path, flags, _FILE_MODE))


def shared_sink(fd: int) -> Sink:
    """
    Make a sink of a descriptor that others hold too, and leave it as it is.

    @raise OSError: it is not open.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        return _Socket(fd)
    if stat.S_ISREG(mode):
        return _File(os.dup(fd))
    # Turning O_NONBLOCK on would turn it on for everyone who shares this pipe or terminal.
    return _Polled(fd)


class _Descriptor:
    """A descriptor of our own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)

    def close(self) -> None:
        os.close(self._fd)


class _File(_Descriptor):
    """A file that is always ready, or a named pipe that was opened not to wait."""

    def write(self, content: memoryview) -> int:
        try:
            return os.write(self._fd, content)
        except BlockingIOError:
            return 0


class _Polled(_Descriptor):
    """A pipe or terminal shared with others, asked before each piece."""

    def __init__(self, fd: int) -> None:
        super().__init__(os.dup(fd))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def write(self, content: memoryview) -> int:
        if not self._poll.poll(0):
            return 0
        return os.write(self._fd, content[:_PIPE_BYTES])


class _Socket(_Descriptor):
    """A stream socket as standard output, as under systemd."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=os.dup(fd))
        super().__init__(self._socket.fileno())

    def write(self, content: memoryview) -> int:
        try:
            return self._socket.send(content, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        self._socket.close()
