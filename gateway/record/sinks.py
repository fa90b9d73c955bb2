"""
Where lines go: files, pipes, terminals and sockets, none of which is ever waited for.

A file of our own is opened so that it can't make us wait. The standard output may belong to others too, and changing
it to non-blocking would change it for them; it is asked first or written by a call that does not wait.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from typing import Protocol

#: What to a pipe can be written without waiting, once poll says that it takes anything (pipe(7), PIPE_BUF).
_PIPE_BYTES = 4096
_STDOUT = 1
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
