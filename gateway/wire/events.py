"""
What the HTTP/1 parsers give: heads, content as plain C{bytes}, and L{End}.

Heads are made once for each message and read by many; nobody but the parser writes them, except that plugins may
change C{fields} through L{Fields<gateway.message.fields.Fields>}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.api.messages import Request, Response
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

    @ivar minor: the version's, 0 or 1.
    @ivar received: its lines as received; while a head's C{fields.lines} is this very list nobody changed a field.
    @ivar special: the known lines, for those who need Via, Forwarded and the like.
    @ivar hop: raw lines that end at this hop (RFC 9110 section 7.6.1) or that nobody may see.
    @ivar host_field: the one Host value, C{None} only for HTTP/1.0.
    @ivar framing: bytes of content that follow, or L{CHUNKED}.
    @ivar declared: value of Content-Length, C{None} without.
    @ivar persistent: the client lets the connection be used again.
    @ivar keep_alive: an HTTP/1.0 client asked for that by C{Connection: keep-alive}.
    @ivar expects_continue: C{Expect: 100-continue}.
    @ivar demands: what is out of the ordinary: L{UNMET_EXPECTATION}, any but that; L{BINDING_CREDENTIALS}, an
        Authorization that holds for the connection, as long as nobody has seen to it. Usually 0.
    @ivar asked_upgrade: value of Upgrade if the Connection field names it.
    @ivar accepts_trailers: C{TE: trailers}.
    @ivar nominates: a Connection field names a field that could be any other one.
    @ivar harmless: nothing in it calls for more than to be sent on; a mode's finding.
    @ivar agent_and_referer: the values of User-Agent and Referer, as the log found them; remembered there, C{None} before.
    @ivar way: what a mode remembers of where such requests go; C{None}: nothing.
    @ivar before: lines of the section that this one was made from, as many as these; C{None}: from none.
    @ivar differ: for each line, whether it is another one there; C{None}: there is no such section.
    """

    __slots__ = (
        "accepts_trailers",
        "agent_and_referer",
        "asked_upgrade",
        "before",
        "declared",
        "demands",
        "differ",
        "expects_continue",
        "framing",
        "harmless",
        "hop",
        "host_field",
        "keep_alive",
        "minor",
        "nominates",
        "persistent",
        "received",
        "special",
        "way",
    )

    def __init__(self, minor: int, received: list[bytes], special: list[FieldLine]) -> None:
        self.minor = minor
        self.received = received
        self.special = special
        self.framing = 0
        self.hop: set[bytes] | None = None
        self.host_field: bytes | None = None
        self.declared: int | None = None
        self.persistent = minor > 0
        self.keep_alive = False
        self.expects_continue = False
        self.demands = 0
        self.asked_upgrade: bytes | None = None
        self.accepts_trailers = False
        self.nominates = False
        self.harmless = False
        self.agent_and_referer: tuple[bytes, bytes] | None = None
        self.way: Any = None
        self.before: list[bytes] | None = None
        self.differ: list[bool] | None = None

    def with_others(self, received: list[bytes], differ: list[bool]) -> Section:
        """
        Give that of lines of which some have become others, all of them without a meaning of their own before and now.

        What is made of this one is shared, where its requests go is not.

        @param differ: for each line, whether it is one of those.
        """
        made = Section(self.minor, received, self.special)
        made.before = self.received
        made.differ = differ
        made.framing = self.framing
        made.hop = self.hop
        made.host_field = self.host_field
        made.declared = self.declared
        made.persistent = self.persistent
        made.keep_alive = self.keep_alive
        made.expects_continue = self.expects_continue
        made.demands = self.demands
        made.asked_upgrade = self.asked_upgrade
        made.accepts_trailers = self.accepts_trailers
        made.harmless = self.harmless
        return made


class _Received:
    """
    What the heads of both directions have in common: fields that are made when somebody asks for them. Mostly nobody does.

    @ivar own_fields: C{fields}, if somebody has asked for them; C{None}: nobody has, and they are as received.
    """

    # Those of two bases can't be joined: each head has its own.
    __slots__ = ()

    section: Section | ResponseSection
    own_fields: Fields | None

    @property
    def fields(self) -> Fields:
        """The field lines, as received or as plugins have changed them."""
        own = self.own_fields
        if own is None:
            own = self.own_fields = Fields(self.section.received)  # type: ignore[misc]
        return own

    @fields.setter
    def fields(self, fields: Fields) -> None:
        self.own_fields = fields  # type: ignore[misc]

    def lines(self) -> list[bytes]:
        """Give the lines of C{fields} as they are now."""
        own = self.own_fields
        return self.section.received if own is None else own.lines


class RequestHead(_Received, Request):
    """
    A request line and its header section.

    It is the transaction's request at the same time; scheme, host, port and C{raw_target} are the mode's to fill in.

    @ivar target: as received: origin-form, absolute-form, authority or asterisk; printable ASCII.
    @ivar framing: as the section's.
    @ivar upgrade: as the section's C{asked_upgrade}, as long as nobody decided to ignore it.
    @ivar section: the header section.
    """

    __slots__ = ("framing", "own_fields", "section", "target", "upgrade")

    section: Section

    def __init__(self, method: bytes, target: bytes, section: Section) -> None:
        """Make the head of one of the requests that have the section; C{fields} is its own."""
        self.section = section
        self.raw_method = method
        self.raw_target = self.target = target
        self.minor = section.minor
        self.own_fields = None
        self.scheme = "http"
        self.host = ""
        self.port = 0
        self.framing = framing = section.framing
        self.length = framing if framing >= 0 else None
        self.upgrade = section.asked_upgrade

    def differing(self, since: list[bytes]) -> list[bool] | None:
        """Tell what the parser has found out, as long as no plugin has changed a line."""
        section = self.section
        own = self.own_fields
        if section.before is not since or (own is not None and own.lines is not section.received):
            return None
        return section.differ


class ResponseSection:
    """
    A response's status line and header section, and all that follows from them alone.

    On a kept connection the next response often has the same ones, byte by byte; then this is shared.

    @ivar status: as received, and so are C{reason} and C{length}; a plugin may change those of a head.
    @ivar minor: 0 or 1.
    @ivar received: the lines as received; while a head's C{fields.lines} is this very list nobody changed a field.
    @ivar length: value of Content-Length, if the message can have content.
    @ivar framing: bytes of content that follow, L{CHUNKED} or L{UNTIL_CLOSE}.
    @ivar persistent: the upstream lets the connection be used again.
    @ivar upgrade: value of Upgrade if the Connection field names it.
    @ivar dated: there is a Date field.
    @ivar hop: raw lines that end at this hop.
    @ivar hints: what it says that its content is, as the memory of what was said of content has it; remembered there,
        C{None} before.
    @ivar media_type: as the log writes it; remembered there, C{None} before.
    @ivar onward: what a whole response of a usual kind begins with on its way to the client, as the pipeline remembers it.
    @ivar onward_for: what of the pipeline's is in it, to be compared by identity; C{None}: nothing is remembered.
    @ivar onward_added: the line that a plugin had added behind all others; C{None}: none had.
    """

    __slots__ = (
        "_passed",
        "dated",
        "framing",
        "hints",
        "hop",
        "length",
        "media_type",
        "minor",
        "onward",
        "onward_added",
        "onward_for",
        "persistent",
        "reason",
        "received",
        "status",
        "upgrade",
    )

    def __init__(self, status: int, reason: bytes, minor: int, received: list[bytes]) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.received = received
        self.length: int | None = None
        self.framing = 0
        self.persistent = minor > 0
        self.upgrade: bytes | None = None
        self.dated = False
        self.hop: set[bytes] | None = None
        self.hints: bytes | None = None
        self.media_type: str | None = None
        self.onward = b""
        self.onward_for: object = None
        self.onward_added: bytes | None = None
        self._passed: bytes | None = None

    @property
    def passed(self) -> bytes:
        """Give the lines as received that do not end at this hop, each with its CRLF; made once."""
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


class ResponseHead(_Received, Response):
    """
    A status line and its header section.

    It is the transaction's response at the same time. Below 200 it is interim and another head follows, but for 101;
    C{length} is the value of Content-Length, also where no content follows (HEAD, 304).

    @ivar framing: as the section's.
    @ivar section: what was received.
    """

    __slots__ = ("framing", "own_fields", "section")

    section: ResponseSection

    def __init__(self, section: ResponseSection) -> None:
        """Make a head of its own for one of the responses that have the section."""
        self.section = section
        self.status = section.status
        self.reason = section.reason
        self.own_fields = None
        self.content = b""
        self.length = section.length
        self.framing = section.framing


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
#: All of a final response: its head, its content, which may be empty, and its end.
WholeResponse: TypeAlias = tuple[ResponseHead, bytes | memoryview, End]
