"""
What the log says of a transaction, piece by piece, with masking applied.

Each piece is printable ASCII when it leaves here, or raw bytes whose name says so. The line formats put the pieces
together (L{gateway.record.formats}, L{gateway.record.directives}); nothing else of C{record} looks into a request.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Collection

from gateway.api.messages import Request
from gateway.api.transaction import Transaction
from gateway.message.fields import Fields
from gateway.record.escape import ONLY_PLAIN, Memo, json_string, url_text, word, word_text
from gateway.wire.events import RequestHead, ResponseHead

#: What C{log.mask} may hold.
MASKS = frozenset(("query", "user"))

#: Fields whose value is, or carries, a secret: no format may name them.
SECRET_FIELDS = frozenset(
    (
        "authorization",
        "cookie",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "authentication-info",
        "set-cookie",
        "www-authenticate",
    )
)

#: Fields whose value is a URL, which masking of the query must reach.
_URL_FIELDS = frozenset(
    (b"content-location", b"destination", b"location", b"referer", b"refresh", b"x-original-url")
)

#: Said in the URL's place when the request line could not be read, as Squid does.
INVALID_REQUEST = "error:invalid-request"

_USERINFO = re.compile(rb"//[^/?#]*@")
_MEDIA_TYPE_BYTES = 128
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Columns:
    """
    The pieces of a line.

    @ivar methods: request method by its raw bytes; C{"-"} if there is none.
    @ivar names: a name of ours or an address as one column; C{"-"} if it is empty.
    @ivar json_names: the same as a JSON string, C{null} if it is empty.
    @ivar hosts: the address of C{"address:port"}, without brackets.
    @ivar media_types: media type, in lower case, by the value of Content-Type; C{"-"} if there is none.
    """

    def __init__(self, mask: Collection[str] = (), key: bytes | None = None) -> None:
        """
        Prepare for one log.

        @param mask: some of L{MASKS}.
        @param key: for the hash that stands for a masked user; a fresh one by default, so that the hashes of one
            run can be compared with one another and never traced back. At most 64 bytes.
        @raise ValueError: an unknown mask.
        """
        unknown = sorted(set(mask) - MASKS)
        if unknown:
            raise ValueError(f"log.mask: {unknown[0]!r} is not one of {', '.join(sorted(MASKS))}")
        self._mask_query = "query" in mask
        self._mask_user = "user" in mask
        self._key = secrets.token_bytes(32) if key is None else key
        self.methods: Memo[bytes, str] = Memo(word)
        self.names: Memo[str, str] = Memo(_name)
        self.json_names: Memo[str, str] = Memo(_json_name)
        self.hosts: Memo[str, str] = Memo(_host)
        self.media_types: Memo[bytes, str] = Memo(_media_type)
        self._origins: Memo[tuple[str, str, int], str] = Memo(_origin)
        self._users: Memo[str, str] = Memo(self._user)
        self._second = -1
        self._iso = self._apache = ""

    def user(self, txn: Transaction) -> str:
        """Give the user as one column, hashed where users are masked; C{"-"} if nobody is known."""
        identity = txn.identity
        return "-" if identity is None else self._users[identity.user]

    def url(self, request: Request) -> str:
        """Give the target URI; just C{host:port} for CONNECT, and L{INVALID_REQUEST} if the request had none."""
        host = request.host
        scheme = request.scheme
        if not host:
            return self.target(request) or INVALID_REQUEST
        origin = self._origins[scheme, host, request.port]
        if not scheme:
            return origin
        raw = request.raw_target
        if self._mask_query:
            raw = _without_query(raw)
        if raw.translate(ONLY_PLAIN) is not raw:
            return origin + url_text(raw)
        return origin if raw == b"*" else origin + raw.decode("ascii")

    def target(self, request: Request) -> str:
        """Give the request target as it stands in the request's first line; empty if there is none."""
        raw = request.raw_target
        if self._mask_query:
            raw = _without_query(raw)
        if b"@" in raw:
            raw = _USERINFO.sub(b"//", raw)
        return url_text(raw)

    def request_target(self, txn: Transaction) -> str:
        """Give the target in the form its sender used: a URL to a forward proxy, else path and query."""
        request = txn.request
        if txn.client.mode == "forward" or not request.scheme:
            return self.url(request)
        return self.target(request) or "-"

    def media_type(self, txn: Transaction) -> str:
        """Give the response's media type without its parameters; C{"-"} if it has none."""
        response = txn.response
        if response is None:
            return "-"
        if response.__class__ is ResponseHead:
            # Remembered by the head, which a connection reuses for heads that are alike.
            section = response.section
            known = section.media_type
            if known is None:
                known = section.media_type = self._media_type_of(section.received)
            return known
        lines = response.fields.lines
        logged = response.logged_type
        if logged is None or logged[0] is not lines:
            logged = response.logged_type = lines, self._media_type_of(lines)
        return logged[1]

    def _media_type_of(self, lines: list[bytes]) -> str:
        # The loop costs half of what field_value does, for it stops early.
        for line in lines:
            if line[0] in b"Cc" and line[:13].lower() == b"content-type:":
                return self.media_types[line[13 : 13 + _MEDIA_TYPE_BYTES]]
        return "-"

    def agent_and_referer(self, request: Request) -> tuple[bytes, bytes]:
        """Give the raw values of User-Agent and of Referer, the latter masked; empty where there is none."""
        if request.__class__ is not RequestHead:
            found = _agent_and_referer(request.fields.lines)
        else:
            section = request.section
            own = request.own_fields
            if own is not None and own.lines is not section.received:
                found = _agent_and_referer(own.lines)
            else:
                # Remembered by the section, which a connection reuses for requests that are alike.
                known = section.agent_and_referer
                if known is None:
                    known = section.agent_and_referer = _agent_and_referer(section.received)
                found = known
        referer = found[1]
        return (found[0], self._masked_url(referer)) if referer else found

    def field(self, fields: Fields, name: bytes) -> bytes:
        """Give the raw value of the first line of a name, which is in lower case, masked if it is a URL."""
        value = field_value(fields, b"\n%b:" % name)
        return self._masked_url(value) if name in _URL_FIELDS else value

    def iso_time(self, wall: float) -> str:
        """Give a moment to the second as C{2026-11-21T22:08:58}, in UTC."""
        second = int(wall)
        if second != self._second:
            self._turn_to(second)
        return self._iso

    def apache_time(self, wall: float) -> str:
        """Give a moment to the second as C{21/Nov/2026:22:08:58 +0000}, in UTC."""
        second = int(wall)
        if second != self._second:
            self._turn_to(second)
        return self._apache

    def content_out(self, txn: Transaction) -> int:
        """Give how many bytes the client was sent beside the heads."""
        return max(0, txn.bytes_out - txn.head_out)

    def _turn_to(self, second: int) -> None:
        year, month, day, hour, minute, sec, *_ = time.gmtime(second)
        clock = f"{hour:02d}:{minute:02d}:{sec:02d}"
        self._iso = f"{year:04d}-{month:02d}-{day:02d}T{clock}"
        self._apache = f"{day:02d}/{_MONTHS[month - 1]}/{year:04d}:{clock} +0000"
        self._second = second

    def _user(self, user: str) -> str:
        if not self._mask_user:
            return word_text(user)
        raw = user.encode("utf-8", "surrogatepass")
        return f"user-{hashlib.blake2b(raw, key=self._key, digest_size=8).hexdigest()}"

    def _masked_url(self, value: bytes) -> bytes:
        if b"@" in value:
            value = _USERINFO.sub(b"//", value)
        return _without_query(value) if self._mask_query else value


def _agent_and_referer(lines: list[bytes]) -> tuple[bytes, bytes]:
    joined = b"\n" + b"\n".join(lines)
    lowered = joined.lower()
    agent = referer = b""
    at = lowered.find(b"\nuser-agent:")
    if at >= 0:
        agent = _value(joined, at + 12)
    at = lowered.find(b"\nreferer:")
    if at >= 0:
        referer = _value(joined, at + 9)
    return agent, referer


def field_value(fields: Fields, needle: bytes) -> bytes:
    """
    Give the raw value of the first line of a name, without building the index of all names.

    @param needle: line feed, name in lower case, colon.
    """
    joined = b"\n" + b"\n".join(fields.lines)
    at = joined.lower().find(needle)
    return b"" if at < 0 else _value(joined, at + len(needle))


def milliseconds(txn: Transaction) -> float:
    """Give how long the transaction took."""
    timings = txn.timings
    return max(0.0, timings.ended - timings.begun) * 1000.0


def since_begun(txn: Transaction, moment: float) -> float | None:
    """Give milliseconds from the complete request head to a moment; C{None} if it never came."""
    return max(0.0, moment - txn.timings.begun) * 1000.0 if moment else None


def _value(joined: bytes, start: int) -> bytes:
    end = joined.find(b"\n", start)
    return (joined[start:] if end < 0 else joined[start:end]).strip(b" \t")


def _without_query(raw: bytes) -> bytes:
    # The question mark stays: that there was a query is no secret, and Squid writes it so.
    head, mark, _ = raw.partition(b"?")
    return head + mark


def _name(text: str) -> str:
    return url_text(text.encode("utf-8", "surrogatepass")) if text else "-"


def _json_name(text: str) -> str:
    return json_string(text) if text else "null"


def _origin(key: tuple[str, str, int]) -> str:
    scheme, host, port = key
    name = _name(host)
    authority = f"[{name}]" if ":" in name else name
    if not scheme:
        return f"{authority}:{port}"
    if key[::2] in (("http", 80), ("https", 443)):
        return f"{scheme}://{authority}"
    return f"{scheme}://{authority}:{port}"


def _host(upstream: str) -> str:
    host, colon, port = upstream.rpartition(":")
    if not colon or not port.isdecimal():
        host = upstream
    return _name(host.removeprefix("[").removesuffix("]"))


def _media_type(value: bytes) -> str:
    return word(value.partition(b";")[0].strip(b" \t").lower())
