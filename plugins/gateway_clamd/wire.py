"""
clamd's protocol, as far as it is spoken here: orders within a session, and its answers (clamd(8), C{IDSESSION}).

Orders begin with C{z} and end with a NUL, as do answers. Within a session each answer has the number of its order in front, the
first being 1, and they come in any order. Pure: no transport, no clock.
"""

from __future__ import annotations

import struct

SESSION = b"zIDSESSION\0"
STREAM = b"zINSTREAM\0"
#: The NUL behind it is the byte that the descriptor comes with.
DESCRIPTOR = b"zFILDES\0\0"
PING = b"zPING\0"
#: A piece of no bytes ends a stream.
END_OF_STREAM = bytes(4)

#: Answers are a name at the longest; C{STATS}, the longest, grows with the threads that clamd may have.
MOST_ANSWER = 65536


class BadAnswer(Exception):
    """This is no answer of a clamd."""


def stream_head(size: int) -> bytes:
    """
    Give what goes in front of content that is sent.

    All of it is one piece, so that clamd sees at once whether it is more than it takes, and not when it has most of it.

    @param size: less than 4 GiB.
    """
    return STREAM + struct.pack(">I", size)


def order(name: str) -> bytes:
    """Give an order outside of a session."""
    return b"z" + name.encode("ascii") + b"\0"


class AnswerReader:
    """Finds answers in what comes, however it is cut."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, data: bytes) -> list[str]:
        """
        Take bytes and give the answers that they complete.

        @raise BadAnswer: one is longer than any can be.
        """
        *whole, self._rest = (self._rest + data).split(b"\0")
        if len(self._rest) > MOST_ANSWER or any(len(one) > MOST_ANSWER for one in whole):
            raise BadAnswer("an answer without an end")
        return [one.decode("ascii", "replace") for one in whole]


def numbered(answer: str) -> tuple[int, str]:
    """
    Take the number off an answer.

    @raise BadAnswer: it has none.
    """
    number, colon, text = answer.partition(": ")
    if not colon or not number.isascii() or not number.isdigit() or len(number) > 10:
        raise BadAnswer("an answer without a number")
    return int(number), text
