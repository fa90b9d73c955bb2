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

#: Framing of content by the chunked coding; a value of C{framing} beside lengths of 0 and more.
CHUNKED = -1
#: Framing of response content by the end of the connection.
UNTIL_CLOSE = -2


class RequestHead(Request):
    """
    A request line and its header section.

    It is the transaction's request at the same time; scheme, host, port and C{raw_target} are the mode's to fill in.

    @ivar target: as received: origin-form, absolute-form, authority or asterisk; printable ASCII.
    @ivar framing: bytes of content that follow, or L{CHUNKED}.
    @ivar declared: value of Content-Length, C{None} without.
    @ivar persistent: the client lets the connection be used again.
    @ivar keep_alive: an HTTP/1.0 client asked for that by C{Connection: keep-alive}.
    @ivar host_field: the one Host value, C{None} only for HTTP/1.0.
    @ivar expects_continue: C{Expect: 100-continue}.
    @ivar unmet_expectation: some other expectation.
    @ivar upgrade: value of Upgrade if the Connection field names it.
    @ivar accepts_trailers: C{TE: trailers}.
    @ivar hop: raw lines of C{fields} that end at this hop (RFC 9110 section 7.6.1) or that nobody may see.
    @ivar special: the known lines, for those who need Via, Forwarded and the like.
    """

    __slots__ = (
        "accepts_trailers",
        "declared",
        "expects_continue",
        "framing",
        "hop",
        "host_field",
        "keep_alive",
        "persistent",
        "special",
        "target",
        "unmet_expectation",
        "upgrade",
    )

    def __init__(self, method: bytes, target: bytes, minor: int, fields: Fields, special: list[FieldLine]) -> None:
        self.raw_method = method
        self.raw_target = self.target = target
        self.minor = minor
        self.fields = fields
        self.scheme = "http"
        self.host = ""
        self.port = 0
        self.length = 0
        self.special = special
        self.framing = 0
        self.declared: int | None = None
        self.persistent = minor > 0
        self.keep_alive = False
        self.host_field: bytes | None = None
        self.expects_continue = False
        self.unmet_expectation = False
        self.upgrade: bytes | None = None
        self.accepts_trailers = False
        self.hop: set[bytes] | None = None


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
    """

    __slots__ = ("dated", "framing", "hop", "minor", "persistent", "upgrade")

    def __init__(self, status: int, reason: bytes, minor: int, fields: Fields) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields = fields
        self.content = b""
        self.length = None
        self.framing = 0
        self.persistent = minor > 0
        self.upgrade: bytes | None = None
        self.dated = False
        self.hop: set[bytes] | None = None


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
ResponseEvent: TypeAlias = ResponseHead | bytes | End
