"""
HTTP/1 requests: bytes in, events out (RFC 9112 sections 2 to 7).

Strict: whatever two implementations could read in two ways is refused, never repaired. Pipelined requests wait in
C{rest} until L{RequestParser.next} is called, so that a caller takes them one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Set
from itertools import compress, repeat
from operator import ne

from gateway.wire.body import MessageReader
from gateway.wire.connects import KnownConnects
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import (
    BINDING_CREDENTIALS,
    CHUNKED,
    END,
    UNMET_EXPECTATION,
    RequestEvent,
    RequestHead,
    Section,
)
from gateway.wire.limits import DEFAULT_LIMITS, HeadLimits
from gateway.wire.lines import (
    BINDING,
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOP,
    HOST,
    KNOWN_LINES,
    LOOKALIKE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    USUAL_OPTIONS,
    joined,
    name_of,
)

#: Longest header section that a connection remembers.
KEPT_SECTION = 2048

_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([\x21-\x7e]+) HTTP/1\.([0-9])")
#: The same of one version alone, by what it counts as.
_LINES = tuple(
    re.compile(_LINE.pattern.replace(b"([0-9])", versions)) for versions in (b"0", b"[1-9]")
)
#: What most request lines begin and end with, and a table that changes what a target can't have in between.
_GET = b"GET "
_VERSION = b" HTTP/1.1"
_VISIBLE = bytes(code if 0x21 <= code <= 0x7E else 0x21 for code in range(256))
#: What we say ourselves of where to, behind an origin or alone: a path, or all of it.
_ORIGIN_FORM = re.compile(rb"/[\x21-\x7e]*|\*")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_OTHER_VERSION = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/[0-9]\.[0-9]")
_METHOD_BEGINS = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]")
_LONG_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{65,}")
#: Empty lines that may stand before a request line (RFC 9112 section 2.2).
_LEADING_EMPTY_LINES = 8
#: Fields that a Connection field may not take away from the message: the request would change its meaning.
_NOT_NOMINATED = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"content-encoding",
        b"expect",
    )
)


def can_be_asked(method: bytes, target: bytes) -> bool:
    """
    Tell whether a request line may be made of these (RFC 9112 section 3).

    @param target: in origin-form or asterisk-form.
    """
    if method == b"GET" and target[:1] == b"/":
        # The usual case takes no expression.
        return target.translate(_VISIBLE) is target
    return bool(_METHOD.fullmatch(method) and _ORIGIN_FORM.fullmatch(target))


class RequestParser(MessageReader):
    """
    Reads the requests of one client connection.

    @ivar partial: bytes of a head of which not all is there.
    """

    __slots__ = ("_connects", "_like", "_longest", "_section", "_skipped", "partial")

    def __init__(
        self, limits: HeadLimits = DEFAULT_LIMITS, connects: KnownConnects | None = None
    ) -> None:
        """
        Read from the beginning of a connection.

        @param connects: of all connections with these limits; C{None}: heads of CONNECTs are not remembered.
        """
        super().__init__(limits)
        self._connects = connects
        self.partial = b""
        # Bytes of empty lines before the head that is being read.
        self._skipped = 0
        # The last header section, from the CRLF before it to the empty line behind, and what was made of it: on a kept connection the next one is often the same.
        self._section = b""
        self._like: Section | None = None
        # Request lines before it are looked at closer if they are longer: they may break a limit.
        self._longest = 0

    def renew(self, limits: HeadLimits, connects: KnownConnects | None = None) -> None:
        """Keep to other limits from the next head on, and forget what was made of the heads before."""
        self._limits = limits
        self._connects = connects
        self._section = b""
        self._like = None

    def receive(self, data: bytes) -> list[RequestEvent]:
        """
        Take bytes from the client and give the events they complete, up to one End.

        What is behind that End waits in C{rest} until L{next}; what comes while the message is being answered is for
        L{hold}.

        @raise RemoteProtocolError: nothing more can be read, now and for all further bytes.
        """
        like = self._like
        if like is not None and not (
            like.framing or self.reading_content or self.rest or self.partial or self._skipped
        ):
            # One whole request whose header section is the last one again: nothing of that is looked at twice.
            section = self._section
            end = len(data) - len(section)
            # Cut out and compared, here and in what else each message is asked: a method that takes more than one argument is dearer.
            if 0 < end <= self._longest and data[end:] == section:
                if data[:4] == _GET and like.minor and data[end - 9 : end] == _VERSION:
                    # The usual line costs half of what the expression takes for any.
                    target = data[4 : end - 9]
                    if target and target.translate(_VISIBLE) is target:
                        return [RequestHead(b"GET", target, like), END]
                match = _LINES[like.minor].fullmatch(data, 0, end)
                if match is not None:
                    method, target = match.groups()
                    return [RequestHead(method, target, like), END]
        elif like is None and self._connects is not None:
            known_connect = self._connects.get(data) if data[:8] == b"CONNECT " else None
            if known_connect is not None and not (
                self.reading_content or self.rest or self.partial or self._skipped or self._left
            ):
                target, like = known_connect
                return [RequestHead(b"CONNECT", target, like), END]
        out: list[RequestEvent] = []
        try:
            if self._left < 0:
                self._not_broken()
            if self.reading_content:
                self._read_content(data, out)  # type: ignore[arg-type]
                return out
            if self.rest:
                self.rest += data
                return out
            known = 0
            if self.partial:
                known = len(self.partial)
                data = self.partial + data
            if data[:2] == b"\r\n":
                known = 0
                data = self._skip_empty_lines(data)
            stop = self._find_head(data)
            if stop < 0:
                self._judge_open_head(data, known)
                self.partial = data
                return out
            self.partial = b""
            head = self._head(data[:stop])
            if not head.framing:
                if len(data) > stop + 4:
                    self.rest = data[stop + 4 :]
                elif head.raw_method == b"CONNECT" and self._connects is not None:
                    self._connects.keep(data, head)
                return [head, END]
            out.append(head)
            self._begin_content(head.framing, head.section.received)
            self._read_content(data[stop + 4 :], out)  # type: ignore[arg-type]
        except RemoteProtocolError:
            self.partial = b""
            self._like = None
            self._break()
            raise
        return out

    def hold(self, data: bytes) -> None:
        """
        Keep bytes of later requests for L{next}, while the answer to a complete one is under way.

        How many that may be is the caller's business: C{len(rest)} tells.
        """
        self.rest += data

    def next(self) -> list[RequestEvent]:
        """
        Go on to the next pipelined request.

        @raise RemoteProtocolError: as in L{receive}.
        """
        data, self.rest = self.rest, b""
        return self.receive(data) if data else []

    def _skip_empty_lines(self, data: bytes) -> bytes:
        at = 0
        while data[at : at + 2] == b"\r\n":
            at += 2
            # They stay counted from read to read, so that empty lines alone can't keep a connection for ever.
            self._skipped += 2
            if self._skipped > 2 * _LEADING_EMPTY_LINES:
                raise RemoteProtocolError(
                    "too many empty lines before a request line", "RFC 9112 section 2.2"
                )
        return data[at:]

    def _judge_open_head(self, data: bytes, known: int) -> None:
        """
        Refuse an unfinished head whose request line is already wrong or too long.

        @param known: how much of it was there before; a line that was complete then is not looked at again.
        """
        # Looking for one byte is thirty times as fast as for two, and bare ones were refused by now.
        end = data.find(b"\r")
        if end < 0 or end == len(data) - 1:
            if len(data) > self._limits.target + 128:
                raise self._too_large(data)
            if end and data and _METHOD_BEGINS.match(data) is None:
                raise _bad_request_line(data)
        elif end + 2 > known and _LINE.fullmatch(data, 0, end) is None:
            raise _bad_request_line(data[:end])

    def _too_large(self, data: bytes) -> RemoteProtocolError:
        end = data.find(b"\r\n")
        if _LONG_METHOD.match(data):
            return _bad_request_line(data[:100])
        if end < 0 or end > self._limits.target + 128:
            return _uri_too_long(self._limits.target)
        return super()._too_large(data)

    def _head(self, block: bytes) -> RequestHead:
        end = block.find(b"\r\n")
        line = block if end < 0 else block[:end]
        match = _LINE.fullmatch(line)
        if match is None:
            raise _bad_request_line(line)
        method, target, minor = match.groups()
        self._skipped = 0
        limits = self._limits
        if len(target) > limits.target:
            raise _uri_too_long(limits.target)
        section = b"" if end < 0 else block[end:]
        like = self._like
        if (
            like is not None
            and section + b"\r\n\r\n" == self._section
            and (minor != b"0") == like.minor
            and method != b"CONNECT"
        ):
            return RequestHead(method, target, like)
        # It begins with the CRLF of the request line.
        lines = section.split(b"\r\n")[1:]
        if len(lines) > limits.fields:
            raise RemoteProtocolError(
                f"more than {limits.fields} field lines",
                "RFC 9110 section 5.4",
                431,
                "too_large_head",
            )
        made: Section | None = None
        if like is not None and (minor != b"0") == like.minor and method != b"CONNECT":
            made = _with_others(like, lines)
        if made is None:
            special = list(filter(None, map(KNOWN_LINES.__getitem__, lines)))
            made = Section(0 if minor == b"0" else 1, lines, special)
            _read_special(made)
        if method == b"CONNECT":
            # Nothing like it comes behind it.
            if made.framing:
                raise RemoteProtocolError("content in a CONNECT request", "RFC 9110 section 9.3.6")
        elif len(section) <= KEPT_SECTION:
            self._section = section + b"\r\n\r\n"
            self._like = made
            self._longest = min(limits.target, limits.head - len(section))
        return RequestHead(method, target, made)


def _with_others(like: Section, lines: list[bytes]) -> Section | None:
    """
    Give the section of lines that are those of the last one but for some that have no meaning of their own, neither now nor then.

    So it is with most requests of a browser, and nothing that the others mean is looked at twice; credentials among them, which
    are remembered nowhere else, are in the connection's last section as it is.

    @return: C{None}: it has to be read.
    @raise RemoteProtocolError: one of them is not valid.
    """
    before = like.received
    if like.nominates or len(lines) != len(before):
        return None
    differ = list(map(ne, lines, before))
    # What is not remembered of an old one may have been anything.
    if any(map(KNOWN_LINES.__getitem__, compress(lines, differ))) or any(
        map(KNOWN_LINES.get, compress(before, differ), repeat(like))
    ):
        return None
    return like.with_others(lines, differ)


def _read_special(section: Section) -> None:
    """Decide framing and persistence from the known lines, and mark those that end here."""
    length: int | None = None
    chunked = False
    hosts = 0
    options: Set[bytes] | None = None
    nominating = False
    upgrade: bytes | None = None
    hop: list[bytes] = []
    for known in section.special:
        code = known.code
        if code == HOST:
            section.host_field = known.value
            hosts += 1
        elif code == CONNECTION:
            hop.append(known.line)
            options = known.options if options is None else joined(options, known.options)
            if not known.only_usual:
                nominating = True
        elif code == CONTENT_LENGTH:
            hop.append(known.line)
            if length is not None:
                raise RemoteProtocolError("more than one Content-Length", "RFC 9112 section 6.3")
            length = known.number
        elif code == TRANSFER_ENCODING:
            hop.append(known.line)
            if chunked:
                raise RemoteProtocolError("more than one Transfer-Encoding", "RFC 9112 section 6.1")
            if known.value.lower() != b"chunked":
                raise _bad_coding(known.value)
            chunked = True
        elif code in _DROPPED:
            hop.append(known.line)
        elif code == TE:
            hop.append(known.line)
            if b"trailers" in [coding.strip(b" \t") for coding in known.value.lower().split(b",")]:
                section.accepts_trailers = True
        elif code == UPGRADE:
            hop.append(known.line)
            upgrade = known.value if upgrade is None else upgrade + b", " + known.value
        elif code in _DEMANDING:
            if code == BINDING:
                section.demands |= BINDING_CREDENTIALS
            elif not section.minor:
                # Meaningless from a client that knows no interim response (RFC 9110 section 10.1.1).
                hop.append(known.line)
            elif known.value.lower() == b"100-continue":
                section.expects_continue = True
            else:
                section.demands |= UNMET_EXPECTATION
    if hosts > 1:
        raise RemoteProtocolError("more than one Host field", "RFC 9112 section 3.2")
    if not hosts and section.minor:
        raise RemoteProtocolError("no Host field", "RFC 9112 section 3.2")
    if options is not None:
        if b"close" in options:
            section.persistent = False
        elif b"keep-alive" in options and not section.minor:
            section.keep_alive = True
        if nominating:
            section.nominates = True
            _drop_nominated(section, options - USUAL_OPTIONS, hop)
        if upgrade is not None and b"upgrade" in options and section.minor:
            section.asked_upgrade = upgrade
    if hop:
        section.hop = set(hop)
    if chunked:
        if length is not None:
            raise RemoteProtocolError(
                "both Content-Length and Transfer-Encoding", "RFC 9112 section 6.1"
            )
        if not section.minor:
            raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0", "RFC 9112 section 6.1")
        section.framing = CHUNKED
    elif length is not None:
        section.framing = section.declared = length


def _drop_nominated(section: Section, nominated: Set[bytes], hop: list[bytes]) -> None:
    """Mark the fields that a Connection field names as ending here (RFC 9110 section 7.6.1)."""
    if nominated & _NOT_NOMINATED:
        raise RemoteProtocolError(
            "Connection names a field of the message", "RFC 9110 section 7.6.1"
        )
    hop.extend(line for line in section.received if name_of(line) in nominated)


def _bad_request_line(line: bytes) -> RemoteProtocolError:
    if _LONG_METHOD.match(line):
        return RemoteProtocolError(
            "a method that nobody knows", "RFC 9112 section 3", 501, "not_implemented"
        )
    if _OTHER_VERSION.fullmatch(line):
        return RemoteProtocolError(
            "an HTTP version other than 1.x", "RFC 9110 section 2.5", 505, "version"
        )
    return RemoteProtocolError("a bad request line", "RFC 9112 section 3")


def _uri_too_long(limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"the request target is longer than {limit} bytes",
        "RFC 9112 section 3",
        414,
        "uri_too_long",
    )


def _bad_coding(value: bytes) -> RemoteProtocolError:
    codings = [coding.strip(b" \t") for coding in value.lower().split(b",")]
    if (
        codings[-1] == b"chunked"
        and all(coding in _CODINGS for coding in codings[:-1])
        and codings[:-1]
    ):
        return RemoteProtocolError(
            "a transfer coding that is not implemented",
            "RFC 9112 section 6.1",
            501,
            "not_implemented",
        )
    return RemoteProtocolError("a bad Transfer-Encoding", "RFC 9112 section 6.1")


_DROPPED = frozenset((HOP, LOOKALIKE, PROXY_AUTHORIZATION))
# One look-up for what is rarely there.
_DEMANDING = frozenset((EXPECT, BINDING))
_CODINGS = frozenset((b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"))
