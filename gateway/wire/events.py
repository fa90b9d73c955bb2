"""
What the HTTP/1 parsers give: heads, content as plain C{bytes}, and L{End}.

Heads are made once for each message and read by many; nobody but the parser writes them, except that plugins may
change C{fields} through L{Fields<gateway.message.fields.Fields>}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gateway.api.transaction import Request, Response
from gateway.message.fields import Fields
from gateway.wire.lines import FieldLine
from gateway.wire.write import section as joined_lines

#: Framing of content by the chunked coding; a value of C{framing} beside lengths of 0 and more.
CHUNKED = -1
#: Framing of response content by the end of the connection.
UNTIL_CLOSE = -2

#: What a header section may demand of the gateway itself; bits.
UNMET_EXPECTATION = 1
BINDING_CREDENTIALS = 2


class Section:
    """
    The header section of a request, and all that follows from it alone.

    On a kept connection the next request often has the same one, byte by byte; then it is shared.

    @ivar received: its lines as received; while a head's C{fields.lines} is this very list nobody changed a field.
    @ivar special: the known lines, for those who need Via, Forwarded and the like.
    @ivar hop: raw lines that end at this hop (RFC 9110 section 7.6.1) or that nobody may see.
    @ivar host_field: the one Host value, C{None} only for HTTP/1.0.
    @ivar declared: value of Content-Length, C{None} without.
    @ivar persistent: the client lets the connection be used again.
    @ivar keep_alive: an HTTP/1.0 client asked for that by C{Connection: keep-alive}.
    @ivar expects_continue: C{Expect: 100-continue}.
    @ivar demands: what is out of the ordinary: L{UNMET_EXPECTATION}, any but that; L{BINDING_CREDENTIALS}, an
        Authorization that holds for the connection, as long as nobody has seen to it. Usually 0.
    @ivar asked_upgrade: value of Upgrade if the Connection field names it.
    @ivar accepts_trailers: C{TE: trailers}.
    @ivar harmless: nothing in it calls for more than to be sent on; a mode's finding.
    @ivar onward: what it became for the next hop, as a mode remembers it.
    @ivar onward_for: under which circumstances; C{None}: nothing is remembered.
    @ivar onward_lines: of which lines it was made: those received, or what plugins have made of them.
    """

    __slots__ = (
        "accepts_trailers",
        "asked_upgrade",
        "declared",
        "demands",
        "expects_continue",
        "harmless",
        "hop",
        "host_field",
        "keep_alive",
        "onward",
        "onward_for",
        "onward_lines",
        "persistent",
        "received",
        "special",
    )

    def __init__(self, received: list[bytes], special: list[FieldLine], persistent: bool) -> None:
        self.received = received
        self.special = special
        self.hop: set[bytes] | None = None
        self.host_field: bytes | None = None
        self.declared: int | None = None
        self.persistent = persistent
        self.keep_alive = False
        self.expects_continue = False
        self.demands = 0
        self.asked_upgrade: bytes | None = None
        self.accepts_trailers = False
        self.harmless = False
        self.onward = b""
        self.onward_for: object = None
        self.onward_lines: list[bytes] | None = None


class RequestHead(Request):
    """
    A request line and its header section.

    It is the transaction's request at the same time; scheme, host, port and C{raw_target} are the mode's to fill in.

    @ivar target: as received: origin-form, absolute-form, authority or asterisk; printable ASCII.
    @ivar framing: bytes of content that follow, or L{CHUNKED}.
    @ivar upgrade: as the section's C{asked_upgrade}, as long as nobody decided to ignore it.
    @ivar section: the header section.
    """

    __slots__ = ("framing", "section", "target", "upgrade")

    def __init__(
        self, method: bytes, target: bytes, minor: int, fields: Fields, special: list[FieldLine]
    ) -> None:
        self.raw_method = method
        self.raw_target = self.target = target
        self.minor = minor
        self.fields = fields
        self.scheme = "http"
        self.host = ""
        self.port = 0
        self.length = 0
        self.framing = 0
        self.upgrade: bytes | None = None
        self.section = Section(fields.lines, special, minor > 0)

    def again(self, method: bytes, target: bytes) -> RequestHead:
        """Make the head of another request with the same section and version; C{fields} is its own."""
        made = RequestHead.__new__(RequestHead)
        made.section = section = self.section
        made.raw_method = method
        made.raw_target = made.target = target
        made.minor = self.minor
        made.fields = Fields(section.received)
        made.scheme = "http"
        made.host = ""
        made.port = 0
        made.framing = framing = self.framing
        made.length = framing if framing >= 0 else None
        made.upgrade = section.asked_upgrade
        return made


class ResponseHead(Response):
    """
    A status line and its header section.

    It is the transaction's response at the same time. Below 200 it is interim and another head follows, but for 101;
    C{length} is the value of Content-Length, also where no content follows (HEAD, 304).

    @ivar minor: 0 or 1.
    @ivar framing: bytes of content that follow, L{CHUNKED} or L{UNTIL_CLOSE}.
    @ivar persistent: the upstream lets the connection be used again.
    @ivar upgrade: value of Upgrade if the Connection field names it.
    @ivar dated: there is a Date field.
    @ivar hop: raw lines of C{fields} that end at this hop.
    @ivar media_type: as the log writes it; remembered there, C{None} before.
    @ivar received_length: value of Content-Length as received; a plugin may change C{length}.
    @ivar received: the lines as received; while C{fields.lines} is this very list nobody changed a field.
    """

    __slots__ = (
        "_passed",
        "_start",
        "dated",
        "framing",
        "hop",
        "media_type",
        "minor",
        "persistent",
        "received",
        "received_length",
        "upgrade",
    )

    def __init__(self, status: int, reason: bytes, minor: int, fields: Fields) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields = fields
        self.content = b""
        self.length = None
        self.received_length: int | None = None
        self.framing = 0
        self.persistent = minor > 0
        self.upgrade: bytes | None = None
        self.dated = False
        self.hop: set[bytes] | None = None
        self.received = fields.lines
        # As received, for the heads alike: this one is a plugin's to change.
        self._start = (status, reason)
        self.media_type: str | None = None
        self._passed: bytes | None = None

    @property
    def passed(self) -> bytes:
        """Give the lines as received that do not end at this hop, each with its CRLF; made once for all heads alike."""
        passed = self._passed
        if passed is None:
            hop = self.hop
            kept = (
                self.received
                if hop is None
                else [line for line in self.received if line not in hop]
            )
            passed = self._passed = joined_lines(kept)
        return passed

    def again(self) -> ResponseHead:
        """Make the same head once more, for another response with the same bytes; C{fields} is its own."""
        made = ResponseHead.__new__(ResponseHead)
        made._start = start = self._start
        made.status, made.reason = start
        made.minor = self.minor
        made.received = lines = self.received
        made.fields = Fields(lines)
        made.content = b""
        made.length = self.received_length
        made.received_length = self.received_length
        made.framing = self.framing
        made.persistent = self.persistent
        made.upgrade = self.upgrade
        made.dated = self.dated
        made.hop = self.hop
        made.media_type = self.media_type
        made._passed = self._passed
        return made


@dataclass(frozen=True, slots=True)
class End:
    """
    The message is complete.

    @ivar trailers: trailer field lines without those that may not be there (RFC 9110 section 6.5.1).
    """

    trailers: tuple[bytes, ...] = ()


#: The End of every message without trailers.
END = End()

RequestEvent: TypeAlias = RequestHead | bytes | End
ResponseEvent: TypeAlias = ResponseHead | bytes | memoryview | End
