"""
Heads of stored responses as they are sent, kept with what is stored: written once for all clients that get the same.
"""

from __future__ import annotations

from gateway.api.answers import Stored
from gateway.api.messages import Response
from gateway.message.statuses import is_final, phrase
from gateway.wire.write import WHOLE_HEAD, section

#: Where the memo of a stored response has it.
_NAME = "gateway.head"
_BODILESS = frozenset((204, 304))
_D = frozenset((b"D", b"d"))


class Written:
    """
    A head that was written, and what it was written of.

    @ivar head: with the empty line behind it.
    """

    __slots__ = ("_length", "_lines", "_more", "_reason", "_response", "_status", "_via", "head")

    def __init__(self, response: Response, via: bytes, more: bytes) -> None:
        self._response = response
        self._status = response.status
        self._reason = response.reason
        self._lines = response.fields.lines
        self._length = len(response.content)
        self._via = via
        self._more = more
        fields = section(self._lines) + via + more
        self.head = WHOLE_HEAD % (self._status, phrase(self._reason), fields, self._length)

    def fits(self, response: Response) -> bool:
        """Tell whether it is that of another copy, in which no plugin has changed anything."""
        return (
            response.fields.lines is self._lines
            and response.status == self._status
            and response.reason is self._reason
            and len(response.content) == self._length
        )


def written_head(stored: Stored, via: bytes, more: bytes) -> bytes | None:
    """
    Give the head of a stored response for a client that keeps its connection and speaks HTTP/1.1.

    @param via: our line, with its CRLF.
    @param more: lines to add, each with its CRLF; known by its identity.
    @return: C{None}: it can't be kept.
    """
    memo = stored.memo
    if memo is None:
        return None
    response = stored.response
    known = memo.get(_NAME)
    if (
        type(known) is Written
        and known._more is more
        and known._via is via
        and (known._response is response or known.fits(response))
    ):
        return known.head
    status = response.status
    if status in _BODILESS or not is_final(status) or not dated(response.fields.lines):
        # There is no length, or it can't be sent, or the next one may have another date.
        return None
    made = memo[_NAME] = Written(response, via, more)
    return made.head


def dated(lines: list[bytes]) -> bool:
    """Tell whether there is a Date; an index of all fields would cost ten times as much."""
    return any(line[:1] in _D and line[:5].lower() == b"date:" for line in lines)
