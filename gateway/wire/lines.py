"""
Field lines: validated once, remembered, and told apart (RFC 9110 section 5, RFC 9112 section 5).

Clients send the same lines again and again, so what a line means is kept in a bounded dictionary keyed by its bytes:
one look-up in place of a regular expression for each line. Lines with credentials are never kept, nor are those whose
meaning takes more room than their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from itertools import filterfalse
from typing import Final

from gateway.message.forwarding import FORWARDING_FIELDS
from gateway.wire.errors import RemoteProtocolError

# What a known line is. Plain numbers: they are compared several times a request.
HOST: Final = 1
CONTENT_LENGTH: Final = 2
TRANSFER_ENCODING: Final = 3
CONNECTION: Final = 4
HOP: Final = 5
TE: Final = 6
UPGRADE: Final = 7
EXPECT: Final = 8
VIA: Final = 9
MAX_FORWARDS: Final = 10
PROXY_AUTHORIZATION: Final = 11
FORWARDING: Final = 12
REQUEST_ID: Final = 13
DATE: Final = 14
LOOKALIKE: Final = 15
COOKIE: Final = 16
PROXY_AUTHENTICATE: Final = 17
BINDING: Final = 18

_KNOWN: dict[bytes, int] = {
    b"host": HOST,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"keep-alive": HOP,
    b"proxy-connection": HOP,
    b"http2-settings": HOP,
    # No field of HTTP; to a CGI it is the variable HTTP_PROXY, and decides where the origin's own requests go.
    b"proxy": HOP,
    b"te": TE,
    b"upgrade": UPGRADE,
    b"expect": EXPECT,
    b"via": VIA,
    b"max-forwards": MAX_FORWARDS,
    b"proxy-authorization": PROXY_AUTHORIZATION,
    b"proxy-authenticate": PROXY_AUTHENTICATE,
    b"x-request-id": REQUEST_ID,
    b"date": DATE,
    b"cookie": COOKIE,
    b"authorization": BINDING,
    **dict.fromkeys(FORWARDING_FIELDS, FORWARDING),
}

#: Names that, spelt with other punctuation, an origin of the CGI kind takes for the real field: both become
#: HTTP_TRANSFER_ENCODING in its environment. Such lines are dropped.
_GUARDED = frozenset(
    re.sub(rb"[^a-z0-9]", b"", name)
    for name in (
        *_KNOWN,
        b"content-type",
        b"content-encoding",
        b"x-remote-user",
        b"x-http-method-override",
        b"trailer",
        b"range",
    )
)

#: Fields that frame or route a message, or that decide who asks: never taken from a trailer (RFC 9110 section 6.5.1).
NOT_IN_TRAILERS = frozenset(
    (
        *_KNOWN,
        b"www-authenticate",
        b"set-cookie",
        b"content-encoding",
        b"content-type",
        b"content-range",
        b"trailer",
        b"range",
        b"cache-control",
        b"age",
        b"expires",
        b"location",
        b"retry-after",
        b"vary",
        b"warning",
    )
) - {b"date", b"via", b"x-request-id"}

#: Connection options that name no field that could be anything but a matter of this hop.
USUAL_OPTIONS = frozenset((b"", b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"))

_LENGTH_DIGITS = 18

#: Fields whose values are credentials, or stand for them.
_SECRET = frozenset(
    (
        b"authorization",
        b"proxy-authorization",
        b"authentication-info",
        b"proxy-authentication-info",
        b"cookie",
        b"cookie2",
        b"set-cookie",
        b"set-cookie2",
        b"x-amz-security-token",
        b"x-api-key",
        b"x-auth-token",
        b"x-csrf-token",
        b"x-xsrf-token",
    )
)

# Possessive, for both parts take white space: backing out of one into the other is quadratic in a line of blanks.
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)")
#: Schemes that authenticate a connection and not a request (RFC 4559 section 6): what comes on it later without any
#: credentials is taken for the same user's.
_BINDING_SCHEME = re.compile(
    rb"(?:ntlm|negotiate|nego2)(?![!#$%&'*+\-.^_`|~0-9a-z])", re.IGNORECASE
)
# In joined lines; to begin with what is not part of the case makes it quick to find that there is none.
_BINDING_LINE = re.compile(rb"\n[Aa](?i:uthorization:[ \t]*+" + _BINDING_SCHEME.pattern + rb")")
_ODD_NAME = re.compile(rb"[^A-Za-z0-9\-]")
_NOT_ALNUM = re.compile(rb"[^a-z0-9]")

#: How many lines are kept, and how long a line may be to be kept: at worst about 3 MiB in all, usually a fifth of that.
#: What lengths of content alone fill it with (each upload has its own) is soon all there, and the process grows no more.
KEPT_LINES = 2048
KEPT_LENGTH = 384


class FieldLine:
    """
    A line with a meaning of its own.

    @ivar code: one of this module's numbers.
    @ivar name: in lower case.
    @ivar value: without surrounding white space.
    @ivar line: the whole line as received.
    @ivar number: the value of a Content-Length, -1 for any other line.
    @ivar options: the options of a Connection, in lower case; empty for any other line.
    @ivar only_usual: those options name no field of the message.
    """

    __slots__ = ("code", "line", "name", "number", "only_usual", "options", "value")

    def __init__(self, code: int, name: bytes, value: bytes, line: bytes) -> None:
        self.code = code
        self.name = name
        self.value = value
        self.line = line
        self.number = content_length(value) if code == CONTENT_LENGTH else -1
        self.options: frozenset[bytes] = frozenset()
        self.only_usual = True
        if code == CONNECTION:
            self.options = frozenset(option.strip(b" \t") for option in value.lower().split(b","))
            self.only_usual = self.options <= USUAL_OPTIONS


class KnownLines(dict[bytes, FieldLine | None]):
    """
    Field line to L{FieldLine}, or to C{None} for a valid line of no special meaning.

    Looking up a line that is not valid raises L{RemoteProtocolError}; such a line is not kept.
    """

    def __missing__(self, line: bytes) -> FieldLine | None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise _explain(line)
        name = match[1].lower()
        code = _KNOWN.get(name, 0)
        if not code:
            if _ODD_NAME.search(name) and _NOT_ALNUM.sub(b"", name) in _GUARDED:
                code = LOOKALIKE
        elif code == BINDING and _BINDING_SCHEME.match(match[2]) is None:
            code = 0
        made = FieldLine(code, name, match[2].rstrip(b" \t"), line) if code else None
        if len(line) > KEPT_LENGTH or name in _SECRET:
            return made
        if made is not None and (code == LOOKALIKE or not made.only_usual):
            # A lookalike may be one of a secret, and a Connection's set of options is many times its line.
            return made
        if len(self) >= KEPT_LINES:
            self.clear()
        self[line] = made
        return made


#: The process's lines, for requests and responses alike.
KNOWN_LINES = KnownLines()


def content_length(value: bytes) -> int:
    """
    Read a Content-Length (RFC 9110 section 8.6).

    @raise RemoteProtocolError: not digits only, or over 18 of them.
    """
    # isdigit() of bytes is ASCII only; int() alone would also take "+5", "0_5" and surrounding space.
    if not value.isdigit():
        raise RemoteProtocolError("a Content-Length that is not a number", "RFC 9110 section 8.6")
    if len(value) > _LENGTH_DIGITS:
        raise RemoteProtocolError("a Content-Length that is too large", "RFC 9110 section 8.6")
    return int(value)


def joined(options: Set[bytes], more: frozenset[bytes]) -> Set[bytes]:
    """
    Add the options of one more Connection field to those of the ones before it.

    That is in place from the second time on: many such fields must not cost more than their bytes.
    """
    if isinstance(options, set):
        options |= more
        return options
    return {*options, *more}


def binds(lines: Iterable[bytes]) -> bool:
    """Tell whether one of some valid lines is an Authorization that holds for the connection it comes by."""
    text = b"\n".join((b"", *lines))
    # A search for plain bytes is quicker than one for a pattern, and mostly there are none.
    return b"\nauthorization:" in text.lower() and _BINDING_LINE.search(text) is not None


def is_binding_challenge(value: str) -> bool:
    """Tell whether the value of a WWW-Authenticate asks for an Authorization of that kind, as its first challenge or a later one."""
    return any(
        _BINDING_SCHEME.match(challenge.strip(" \t").encode("latin-1"))
        for challenge in value.split(",")
    )


def name_of(line: bytes) -> bytes:
    """Give the lower-case name of a valid line."""
    return line[: line.index(b":")].lower()


def without_nominated(trailers: tuple[bytes, ...], lines: Iterable[bytes]) -> tuple[bytes, ...]:
    """
    Drop the trailer lines that a Connection field among C{lines} names: it speaks of both sections (RFC 9110 section
    7.6.1).
    """
    nominated: set[bytes] = set()
    for line in lines:
        known = KNOWN_LINES[line]
        if known is not None and known.code == CONNECTION:
            nominated |= known.options
    if not nominated:
        return trailers
    return tuple(line for line in trailers if name_of(line) not in nominated)


def going_on(lines: list[bytes], received: list[bytes], ended: Set[bytes]) -> list[bytes]:
    """
    Give those lines of a message that go on, of which a plugin has changed some.

    What a plugin has written goes on, also where the peer has sent the very same and named it in C{Connection}: else the peer
    could take out what the gateway says of it.

    @param received: as the peer has sent them.
    @param ended: those of them that end at this hop.
    """
    if all(map(KNOWN_LINES.__getitem__, filter(ended.__contains__, lines))):
        # What has a meaning of its own ends here, whoever has written it.
        return list(filterfalse(ended.__contains__, lines))
    theirs = set(map(id, received))
    return [
        line
        for line in lines
        if line not in ended or (id(line) not in theirs and KNOWN_LINES[line] is None)
    ]


def bad_line_end(data: bytes | bytearray, start: int, end: int) -> bool:
    """Tell whether there is a CR or LF in C{data[start:end]} that is not part of a CRLF; a last CR is not judged."""
    return _BARE.search(data, start, end) is not None


_BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")


def _explain(line: bytes) -> RemoteProtocolError:
    if line[:1] in (b" ", b"\t"):
        return RemoteProtocolError("a folded field line", "RFC 9112 section 5.2")
    name, colon, value = line.partition(b":")
    if not colon:
        return RemoteProtocolError("a field line without a colon", "RFC 9112 section 5")
    if not name:
        return RemoteProtocolError("a field line without a name", "RFC 9110 section 5.1")
    if name[-1:] in (b" ", b"\t"):
        return RemoteProtocolError(
            "white space before the colon of a field line", "RFC 9112 section 5.1"
        )
    if b"\r" in line or b"\n" in line:
        return RemoteProtocolError("a bare CR or LF in a field line", "RFC 9112 section 2.2")
    if _LINE.fullmatch(name + b":") is None:
        return RemoteProtocolError("a field name that is not a token", "RFC 9110 section 5.1")
    return RemoteProtocolError("a control character in a field value", "RFC 9110 section 5.5")
