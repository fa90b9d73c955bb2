"""
Messages between the gateway and a child process that unpacks, over a socket: some JSON, some bytes, some open files.

Both sides block. The child is not to be trusted with what it reads, so whatever comes from it is bounded and checked.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

_HEAD = struct.Struct(">IIH")
#: Files that go with one message, at most.
MAX_FILES = 32
_MAX_WORDS = 4 << 20
_MAX_DATA = 64 << 20
_FIRST = 1 << 16


class BadMessage(Exception):
    """What came is no message, or there is no more: the other side is of no use any longer."""


class TooLate(Exception):
    """The time is over."""


@dataclass(slots=True)
class Message:
    """
    One message.

    @ivar words: what it says.
    @ivar data: bytes that it says something about.
    @ivar files: descriptors of open files; whoever takes the message closes them, L{close} if nobody else.
    """

    words: Mapping[str, Any]
    data: bytes = b""
    files: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close what was not taken."""
        while self.files:
            os.close(self.files.pop())


def send(
    to: socket.socket,
    words: Mapping[str, Any],
    data: Sequence[bytes] = (),
    files: Sequence[int] = (),
    deadline: float | None = None,
) -> None:
    """
    Send a message; the files stay open here.

    @param deadline: by C{time.monotonic}; C{None}: for ever.
    @raise BadMessage: the other side is gone.
    @raise TooLate: it does not take it.
    """
    text = json.dumps(words, separators=(",", ":")).encode("ascii")
    head = _HEAD.pack(len(text), sum(map(len, data)), len(files))
    unsent = b"".join((head, text, *data))
    try:
        _limit(to, deadline)
        if files:
            unsent = unsent[socket.send_fds(to, [unsent], files) :]
        view = memoryview(unsent)
        while view:
            view = view[to.send(view) :]
            _limit(to, deadline)
    except TimeoutError:
        raise TooLate from None
    except OSError as error:
        raise BadMessage(f"it can't be reached: {error.strerror}") from None


def receive(come: socket.socket, deadline: float | None = None) -> Message:
    """
    Wait for a message.

    @raise BadMessage: it is none, or none will come.
    @raise TooLate: none came in time.
    """
    files: list[int] = []
    try:
        # One answers the other, so what comes is one message and nothing of a next one.
        came = bytearray()
        while len(came) < _HEAD.size:
            _limit(come, deadline)
            data, more, flags, _ = socket.recv_fds(come, _FIRST, MAX_FILES)
            files += more
            if flags & socket.MSG_CTRUNC or len(files) > MAX_FILES:
                raise BadMessage("too many files came")
            if not data:
                raise BadMessage("it ended")
            came += data
        words_size, data_size, count = _HEAD.unpack_from(came)
        if words_size > _MAX_WORDS or data_size > _MAX_DATA or count != len(files):
            raise BadMessage("it sends what is no message")
        start = _HEAD.size + words_size
        _complete(come, came, start + data_size, deadline)
        words = json.loads(came[_HEAD.size : start])
        if type(words) is not dict:
            raise BadMessage("it sends what is no message")
        return Message(words, bytes(memoryview(came)[start:]), files)
    except BaseException as error:
        for one in files:
            os.close(one)
        if isinstance(error, TimeoutError):
            raise TooLate from None
        if isinstance(error, (OSError, ValueError, RecursionError)):
            raise BadMessage(f"it can't be read: {type(error).__name__}") from None
        raise


def _complete(come: socket.socket, came: bytearray, size: int, deadline: float | None) -> None:
    """Wait for the rest of a message of which there is the beginning."""
    at = len(came)
    if at > size:
        raise BadMessage("it sends more than it says")
    came += bytes(size - at)
    with memoryview(came) as view:
        while at < size:
            _limit(come, deadline)
            got = come.recv_into(view[at:])
            if not got:
                raise BadMessage("it ended")
            at += got


def _limit(of: socket.socket, deadline: float | None) -> None:
    left = None if deadline is None else deadline - monotonic()
    if left is not None and left <= 0:
        raise TimeoutError
    of.settimeout(left)
