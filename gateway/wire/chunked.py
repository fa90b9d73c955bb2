"""
The chunked transfer coding, decoded strictly (RFC 9112 section 7.1).

Chunk extensions are read and dropped, as an intermediary may; trailer lines are validated and those that could frame,
route or authenticate are dropped (RFC 9110 section 6.5.1).
"""

from __future__ import annotations

import re

from gateway.wire.errors import RemoteProtocolError
from gateway.wire.lines import KNOWN_LINES, LOOKALIKE, NOT_IN_TRAILERS, bad_line_end, name_of

#: Longest chunk-size line, extensions and CRLF included.
LINE_BYTES = 1024
#: Bytes of chunk extensions in one message: what they cost us must stay below what they carry.
EXTENSION_BYTES = 16384

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_EXTENSION = (
    rb';[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?'
    % (
        _TOKEN,
        _TOKEN,
    )
)
# The grammar has white space behind the size too, and the parsers of half the world read something else there.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:%b(?:[ \t]*%b)*)?)" % (_EXTENSION, _EXTENSION))


class ChunkedDecoder:
    """
    Bytes of a chunked body in, content out.

    @ivar done: the last chunk and the trailer section were read.
    @ivar trailers: the trailer lines that may be passed on, once C{done}.
    @ivar rest: bytes behind the body, once C{done}.
    """

    __slots__ = (
        "_buffer",
        "_extensions",
        "_left",
        "_max_fields",
        "_max_trailers",
        "_scanned",
        "_trailing",
        "done",
        "rest",
        "trailers",
    )

    def __init__(self, max_trailers: int, max_fields: int = 200) -> None:
        """
        Begin at the first chunk-size line.

        @param max_trailers: bytes the trailer section may have.
        @param max_fields: lines it may have.
        """
        self._buffer = b""
        self._left = 0
        self._trailing = False
        self._extensions = 0
        self._max_trailers = max_trailers
        self._max_fields = max_fields
        self._scanned = 0
        self.done = False
        self.rest = b""
        self.trailers: tuple[bytes, ...] = ()

    def receive(self, data: bytes) -> bytes:
        """
        Take bytes and give the content they complete; adjacent chunks come joined.

        @raise RemoteProtocolError: not the chunked coding, or over a limit; the decoder is of no use afterwards.
        """
        if self._left > 2 and not self._buffer and len(data) < self._left - 2:
            # The middle of a large chunk: nothing to look for.
            self._left -= len(data)
            return data
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        out: list[bytes] = []
        at = 0
        end = len(data)
        left = self._left
        while not self._trailing:
            if left > 2:
                take = min(left - 2, end - at)
                out.append(data[at : at + take])
                at += take
                left -= take
                if left > 2:
                    break
            if left:
                # The CRLF behind the chunk's data.
                if end - at < 2:
                    if data[at:end] not in (b"", b"\r"):
                        raise RemoteProtocolError(
                            "chunk data is longer than its size", "RFC 9112 section 7.1"
                        )
                    break
                if data[at : at + 2] != b"\r\n":
                    raise RemoteProtocolError(
                        "chunk data is longer than its size", "RFC 9112 section 7.1"
                    )
                at += 2
                left = 0
            line_end = data.find(b"\r\n", at, at + LINE_BYTES)
            if line_end < 0:
                self._judge_open_line(data, at, end)
                break
            match = _SIZE.fullmatch(data, at, line_end)
            if match is None:
                raise RemoteProtocolError("a bad chunk-size line", "RFC 9112 section 7.1")
            self._extensions += match.end(2) - match.start(2)
            if self._extensions > EXTENSION_BYTES:
                raise RemoteProtocolError("too many chunk extensions", "RFC 9112 section 7.1.1")
            at = line_end + 2
            size = int(match[1], 16)
            if size:
                left = size + 2
            else:
                self._trailing = True
        self._left = left
        if at < end:
            self._buffer = data[at:]
        if self._trailing:
            self._read_trailers()
        return out[0] if len(out) == 1 else b"".join(out)

    def _judge_open_line(self, data: bytes, at: int, end: int) -> None:
        """Refuse an unfinished chunk-size line that can't become a good one, rather than wait for it."""
        if end - at >= LINE_BYTES:
            raise RemoteProtocolError("a chunk-size line is too long", "RFC 9112 section 7.1")
        if bad_line_end(data, at, end):
            raise RemoteProtocolError(
                "a bare CR or LF in a chunk-size line", "RFC 9112 section 7.1"
            )

    def _read_trailers(self) -> None:
        buffer = self._buffer
        if buffer[:2] == b"\r\n":
            self._finish(b"", 2)
            return
        if buffer in (b"", b"\r"):
            return
        stop = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if stop < 0:
            if bad_line_end(buffer, max(0, self._scanned - 1), len(buffer)):
                raise RemoteProtocolError(
                    "a bare CR or LF in the trailer section", "RFC 9112 section 2.2"
                )
            self._scanned = len(buffer)
        # Up to three bytes of an unfinished section's end may be there.
        if (stop if stop >= 0 else len(buffer) - 3) > self._max_trailers:
            raise RemoteProtocolError(
                "the trailer section is too large", "RFC 9110 section 5.4", 431, "too_large_head"
            )
        if stop >= 0:
            self._finish(buffer[:stop], stop + 4)

    def _finish(self, section: bytes, used: int) -> None:
        kept: list[bytes] = []
        lines = section.split(b"\r\n") if section else ()
        if len(lines) > self._max_fields:
            raise RemoteProtocolError(
                f"more than {self._max_fields} trailer lines",
                "RFC 9110 section 5.4",
                431,
                "too_large_head",
            )
        for line in lines:
            known = KNOWN_LINES[line]
            if (known is None or known.code != LOOKALIKE) and name_of(line) not in NOT_IN_TRAILERS:
                kept.append(line)
        self.trailers = tuple(kept)
        self.rest = self._buffer[used:]
        self._buffer = b""
        self.done = True
