"""
HTTP/1 responses: bytes in, events out (RFC 9112 sections 4 to 8).

Strict like the request side: a response whose end could be seen in two ways is an upstream's fault and never passed on.
Whatever is behind a complete response was not asked for and shows in C{rest}.
"""

from __future__ import annotations

import re
from collections.abc import Set

from gateway.wire.body import MessageReader
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import (
    CHUNKED,
    END,
    UNTIL_CLOSE,
    End,
    ResponseEvent,
    ResponseHead,
    ResponseSection,
    WholeResponse,
)
from gateway.wire.limits import DEFAULT_LIMITS, HeadLimits
from gateway.wire.lines import (
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    HOP,
    KNOWN_LINES,
    LOOKALIKE,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    USUAL_OPTIONS,
    FieldLine,
    joined,
    name_of,
)

#: Longest head that a connection remembers.
KEPT_BLOCK = 2048

_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
_START = b"HTTP/1."
#: From here on whole content is a view of what was read: copying 100 KB costs more than the head.
_VIEWED = 32768


def _tail(data: bytes, start: int) -> bytes | memoryview:
    """Give the content behind a head without copying much."""
    return data[start:] if len(data) < _VIEWED else memoryview(data)[start:]


def _whole(events: list[ResponseEvent]) -> list[ResponseEvent] | WholeResponse:
    """Give what one read brought, as a tuple if that is a final response with its end and nothing before it."""
    head, end = events[0], events[-1]
    if type(end) is not End or type(head) is not ResponseHead or head.status < 200:
        return events
    content = events[1]
    return head, b"" if type(content) is End else content, end  # type: ignore[return-value]


class ResponseParser(MessageReader):
    """Reads the responses on one upstream connection, one L{expect} for each."""

    __slots__ = (
        "_awaiting",
        "_block",
        "_buffer",
        "_interim",
        "_like",
        "_method",
        "_switched",
        "_total",
        "started",
    )

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._buffer = b""
        self._method = b""
        self._awaiting = False
        self._interim = 0
        self.started = False
        # What follows is no HTTP any more.
        self._switched = False
        # The last final head up to its empty line, how long it is with its content, and what was made of it, for a request
        # of the same kind.
        self._block = b""
        self._total = 0
        self._like: ResponseSection | None = None

    def expect(self, method: bytes) -> None:
        """
        Make ready for the response to a request with this method; there must be no C{rest}.
        """
        if method != self._method:
            self._like = None
        self._method = method
        self._awaiting = True
        self._interim = 0
        self.started = False

    def receive(self, data: bytes) -> list[ResponseEvent] | WholeResponse:
        """
        Take bytes from the upstream and give the events they complete.

        @return: a tuple if this is all of a final response, from its first byte to its last; else a list.

        Content is C{bytes}, but a C{memoryview} where all of a large response came in one read. Interim responses are
        L{ResponseHead}s below 200. After a 101, and after a final head that answers CONNECT, no
        End comes: what follows is in C{rest}, and the caller bounds it.

        @raise RemoteProtocolError: nothing more can be read, now and for all further bytes.
        """
        like = self._like
        total = len(data)
        if total == self._total and like is not None and self._awaiting and not self._buffer:
            block = self._block
            size = len(block)
            if data[:size] == block:
                # The last head again, with all of its content: nothing of the head is looked at twice.
                self._awaiting = False
                return ResponseHead(like), _tail(data, size), END
        out: list[ResponseEvent] = []
        try:
            self._not_broken()
            if self.reading_content:
                self._read_content(data, out)  # type: ignore[arg-type]
                return out
            if not self._awaiting:
                if self._switched:
                    self.rest += data
                else:
                    # Nobody reads this: it is only there to show that it is there.
                    self.rest = self.rest or data
                return out
            self.started = True
            if self._buffer:
                data = self._buffer + data
            while True:
                stop = self._find_head(data)
                if stop < 0:
                    if data[:7] != _START[: len(data)]:
                        raise RemoteProtocolError(
                            "an answer that is not HTTP/1", "RFC 9112 section 4"
                        )
                    self._buffer = data
                    return out
                self._buffer = b""
                head = self._head(data[:stop])
                out.append(head)
                if head.framing > 0 and head.framing == len(data) - stop - 4 and head.status >= 200:
                    # With all of its content.
                    self._awaiting = False
                    return _whole([*out, _tail(data, stop + 4), END])
                data = data[stop + 4 :]
                if head.status < 200 and head.status != 101:
                    self._interim += 1
                    if self._interim > self._limits.interim:
                        raise RemoteProtocolError(
                            "too many interim responses", "RFC 9110 section 15.2"
                        )
                    continue
                self._awaiting = False
                if head.status == 101 or (self._method == b"CONNECT" and head.status < 300):
                    self._switched = True
                    self.rest = data
                elif head.framing:
                    self._begin_content(head.framing, head.section.received)
                    self._read_content(data, out)  # type: ignore[arg-type]
                else:
                    out.append(END)
                    self.rest = data
                return _whole(out)
        except RemoteProtocolError:
            self._buffer = b""
            self._like = None
            self._awaiting = False
            self._break()
            raise

    def closed(self) -> list[ResponseEvent]:
        """
        Learn that the upstream closed its side.

        @return: C{[END]} if that completes a response that runs until the close, else nothing.
        @raise RemoteProtocolError: it cuts a message off, so what was passed on is incomplete (RFC 9112 section 8).
        """
        if self.reading_content and self._left == UNTIL_CLOSE:
            self.reading_content = False
            return [END]
        self._not_broken()
        if self.reading_content:
            raise RemoteProtocolError(
                "the connection ended in the middle of a response", "RFC 9112 section 8"
            )
        if self._awaiting and self.started:
            raise RemoteProtocolError(
                "the connection ended in the middle of a response head", "RFC 9112 section 8"
            )
        return []

    def _head(self, block: bytes) -> ResponseHead:
        like = self._like
        if like is not None and block + b"\r\n\r\n" == self._block:
            return ResponseHead(like)
        lines = block.split(b"\r\n")
        match = _LINE.fullmatch(lines.pop(0))
        if match is None:
            raise RemoteProtocolError("a bad status line", "RFC 9112 section 4")
        if len(lines) > self._limits.fields:
            raise RemoteProtocolError(
                f"more than {self._limits.fields} field lines", "RFC 9110 section 5.4"
            )
        minor, status, reason = match.groups()
        made = ResponseSection(int(status), reason or b"", 0 if minor == b"0" else 1, lines)
        special = list(filter(None, map(KNOWN_LINES.__getitem__, lines)))
        self._read_special(made, special)
        if len(block) <= KEPT_BLOCK and made.status >= 200 and self._method != b"CONNECT":
            self._block = block + b"\r\n\r\n"
            # Where it does not say, no message is that short.
            self._total = len(block) + 4 + made.framing if made.framing >= 0 else 0
            self._like = made
        return ResponseHead(made)

    def _read_special(self, section: ResponseSection, special: list[FieldLine]) -> None:
        length: int | None = None
        chunked = False
        options: Set[bytes] | None = None
        nominating = False
        upgrade: bytes | None = None
        hop: list[bytes] = []
        for known in special:
            code = known.code
            if code == DATE:
                section.dated = True
            elif code == CONTENT_LENGTH:
                hop.append(known.line)
                if length is not None:
                    raise RemoteProtocolError(
                        "more than one Content-Length", "RFC 9112 section 6.3"
                    )
                length = known.number
            elif code == CONNECTION:
                hop.append(known.line)
                options = known.options if options is None else joined(options, known.options)
                if not known.only_usual:
                    nominating = True
            elif code == TRANSFER_ENCODING:
                hop.append(known.line)
                if chunked or known.value.lower() != b"chunked":
                    raise RemoteProtocolError("a bad Transfer-Encoding", "RFC 9112 section 6.1")
                chunked = True
            elif code in _DROPPED:
                hop.append(known.line)
            elif code == UPGRADE:
                hop.append(known.line)
                upgrade = known.value if upgrade is None else upgrade + b", " + known.value
        if options is not None:
            if b"close" in options:
                section.persistent = False
            elif not section.minor and b"keep-alive" in options:
                section.persistent = True
            if nominating:
                nominated = options - USUAL_OPTIONS - _MESSAGE
                hop.extend(line for line in section.received if name_of(line) in nominated)
            if upgrade is not None and b"upgrade" in options:
                section.upgrade = upgrade
        if hop:
            section.hop = set(hop)
        if chunked:
            if length is not None:
                raise RemoteProtocolError(
                    "both Content-Length and Transfer-Encoding", "RFC 9112 section 6.3"
                )
            if not section.minor:
                raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0", "RFC 9112 section 6.1")
        status = section.status
        if status < 200 or status == 204:
            return
        section.length = length
        if (
            status == 304
            or self._method == b"HEAD"
            or (self._method == b"CONNECT" and status < 300)
        ):
            return
        if chunked:
            section.framing = CHUNKED
        elif length is not None:
            section.framing = length
        else:
            section.framing = UNTIL_CLOSE
            section.persistent = False


_DROPPED = frozenset((HOP, LOOKALIKE, TE))
#: What a Connection field of a response can't take away: its loss would change what the content means.
_MESSAGE = frozenset(
    (
        b"content-type",
        b"content-encoding",
        b"content-range",
        b"set-cookie",
        b"cache-control",
        b"date",
    )
)
