"""
What both parsers share: finding the end of a head, and reading content by its framing (RFC 9112 section 6).
"""

from __future__ import annotations

from typing import Final

from gateway.wire.chunked import ChunkedDecoder
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import CHUNKED, END, UNTIL_CLOSE, End
from gateway.wire.limits import HeadLimits
from gateway.wire.lines import bad_line_end, without_nominated

#: In place of a framing: an error was raised and nothing can be read any more.
_BROKEN: Final = -3


class MessageReader:
    """
    The state of reading one message after the other.

    @ivar reading_content: a head was given and its End was not.
    @ivar rest: bytes behind the last complete message, while no other one was begun.
    """

    __slots__ = ("_chunks", "_left", "_limits", "_lines", "_scanned", "reading_content", "rest")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self.rest = b""
        self._scanned = 0
        self._left = 0
        self._chunks: ChunkedDecoder | None = None
        # The field lines of a chunked message.
        self._lines: list[bytes] = []
        self.reading_content = False

    def _find_head(self, data: bytes) -> int:
        """
        Give the index of the empty line's CRLFCRLF in C{data}, or -1 if there is none yet.

        @raise RemoteProtocolError: too large, or line ends that no head may have.
        """
        stop = data.find(b"\r\n\r\n", self._scanned - 3 if self._scanned > 3 else 0)
        if stop < 0:
            size = len(data)
            # Up to three bytes of the end itself may be there.
            if size > self._limits.head + 3:
                raise self._too_large(data)
            if bad_line_end(data, max(0, self._scanned - 1), size):
                raise RemoteProtocolError(
                    "a bare CR or LF in a message head", "RFC 9112 section 2.2"
                )
            self._scanned = size
            return -1
        self._scanned = 0
        if stop > self._limits.head:
            raise self._too_large(data)
        return stop

    def _too_large(self, data: bytes) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"the header section is larger than {self._limits.head} bytes",
            "RFC 9110 section 5.4",
            431,
            "too_large_head",
        )

    def _begin_content(self, framing: int, lines: list[bytes]) -> None:
        self.reading_content = True
        self._left = framing
        if framing == CHUNKED:
            self._chunks = ChunkedDecoder(self._limits.trailers, self._limits.fields)
            self._lines = lines

    def _not_broken(self) -> None:
        """
        Go on.

        @raise RemoteProtocolError: nothing can be read any more.
        """
        if self._left == _BROKEN:
            raise RemoteProtocolError("bytes behind what could not be read", "RFC 9112 section 2.2")

    def _break(self) -> None:
        """Read nothing more: where the next message would begin is not known."""
        self.reading_content = False
        self._left = _BROKEN
        self._chunks = None
        self._lines = []
        self.rest = b""

    def _read_content(self, data: bytes, out: list[bytes | End]) -> None:
        """Append content and perhaps an End; bytes behind the message go to C{rest}."""
        left = self._left
        if left >= 0:
            size = len(data)
            if size < left:
                if size:
                    out.append(data)
                    self._left = left - size
                return
            self.reading_content = False
            if size > left:
                self.rest = data[left:]
                data = data[:left]
            out += (data, END)
        elif left == UNTIL_CLOSE:
            if data:
                out.append(data)
        else:
            chunks = self._chunks
            assert chunks is not None
            content = chunks.receive(data)
            if content:
                out.append(content)
            if chunks.done:
                self.reading_content = False
                self._chunks = None
                self.rest = chunks.rest
                lines, self._lines = self._lines, []
                trailers = chunks.trailers and without_nominated(chunks.trailers, lines)
                out.append(End(trailers) if trailers else END)
