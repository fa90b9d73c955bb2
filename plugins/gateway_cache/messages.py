"""
Requests and responses as the rules see them: field lines, told apart once.

A client that keeps its connection sends equal heads again, and these share one list of lines; so what was made of a
request is kept by the caller with the connection, and not here, where it would outlive the secrets in it. Of most fields
the rules want to know nothing, so only the others are taken out at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway_cache.directives import NO_WISHES, RequestControl, read_request_control

_CONDITIONS = (
    b"if-none-match",
    b"if-modified-since",
    b"if-match",
    b"if-unmodified-since",
    b"if-range",
)

#: Request fields by which a proxy in front of this one says what its client has asked for. Origins answer by them (a
#: redirect to https, links with a host in them) though they are in no C{Vary}, so what they said belongs to a variant.
KEYED = frozenset(
    (
        b"forwarded",
        b"x-forwarded",
        b"x-forwarded-host",
        b"x-forwarded-path",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-protocol",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-forwarded-uri",
    )
)

#: Fields that are taken out of every message.
WANTED = frozenset(
    (
        *_CONDITIONS,
        *KEYED,
        b"age",
        b"authorization",
        b"cache-control",
        b"cache-tag",
        b"cdn-cache-control",
        b"connection",
        b"content-length",
        b"content-location",
        b"content-range",
        b"cookie",
        b"date",
        b"etag",
        b"expires",
        b"last-modified",
        b"location",
        b"pragma",
        b"range",
        b"set-cookie",
        b"set-cookie2",
        b"surrogate-control",
        b"surrogate-key",
        b"transfer-encoding",
        b"vary",
        b"x-host",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-host",
        b"x-original-url",
        b"x-rewrite-url",
    )
)

#: Response fields of one connection, or of a proxy to its client (RFC 9111 section 3.1); length and age are written with
#: each answer, and of what a trailer announces nothing is stored.
OF_THE_CONNECTION = frozenset(
    (
        b"age",
        b"connection",
        b"content-length",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

_REMEMBERED = 1024
_LONGEST_NAME = 64


class _Names(dict[bytes, tuple[bytes, bool] | None]):
    """
    By names as they are spelt: in lower case if they are in L{WANTED}, else empty; and whether lines of it are stored.

    C{None}: they are not in it, and lines of it are stored, as of most there are.
    """

    def __missing__(self, spelt: bytes) -> tuple[bytes, bool] | None:
        """Find it out."""
        name = spelt.lower()
        # No line of the wire is without a name; one that is says nothing.
        is_stored = name != b"" and name not in OF_THE_CONNECTION
        is_wanted = name in WANTED
        found = (name if is_wanted else b"", is_stored) if is_wanted or not is_stored else None
        if len(spelt) <= _LONGEST_NAME:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[spelt] = found
        return found


_names = _Names()


def index(lines: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """Give the values of each field, by its name in lower case, without surrounding white space."""
    found: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        found.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return found


def wanted_index(lines: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """Do as L{index} does, of the fields in L{WANTED} alone."""
    return _read(lines)[0]


def _read(lines: Sequence[bytes]) -> tuple[dict[bytes, list[bytes]], list[bytes]]:
    """Give what L{wanted_index} does, and the lines that would be stored of a response."""
    found: dict[bytes, list[bytes]] = {}
    stored: list[bytes] = []
    names = _names
    store = stored.append
    for line in lines:
        spelt, _, value = line.partition(b":")
        known = names[spelt]
        if known is None:
            store(line)
            continue
        name, is_stored = known
        if is_stored:
            store(line)
        if name:
            if name in found:
                found[name].append(value.strip(b" \t"))
            else:
                found[name] = [value.strip(b" \t")]
    return found, stored


class Message:
    """
    A head.

    @ivar lines: its field lines; the list is known by its identity and never changed.
    @ivar wanted: those of its fields that are in L{WANTED}.
    """

    __slots__ = ("_all", "lines", "wanted")

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self.wanted = wanted_index(lines)
        self._all: dict[bytes, list[bytes]] | None = None

    def values(self, name: bytes) -> list[bytes] | None:
        """
        Give the values of any field, one of each line.

        @param name: in lower case.
        @return: C{None}: there is none.
        """
        if name in WANTED:
            return self.wanted.get(name)
        if self._all is None:
            self._all = index(self.lines)
        return self._all.get(name)


_EMPTY = [b"0"]


class Asked(Message):
    """
    A request, without its target.

    @ivar method: as received.
    @ivar control: what it says of caching.
    @ivar cacheable: the cache may have an answer: a GET or HEAD without content.
    @ivar has_range: it asks for a part.
    @ivar conditional: it has conditions of its own.
    @ivar keyed: names of its fields in L{KEYED}, as text.
    @ivar plain: a GET that any fresh response of its variant answers, whole and as it is.
    @ivar shares: a GET whose answer may be one for others too.
    @ivar variants: what L{vary<gateway_cache.vary>} made of it, by the names of the selecting fields.
    """

    __slots__ = (
        "cacheable",
        "conditional",
        "control",
        "has_range",
        "keyed",
        "method",
        "plain",
        "shares",
        "variants",
    )

    def __init__(self, method: bytes, lines: Sequence[bytes]) -> None:
        Message.__init__(self, lines)
        self.method = method
        wanted = self.wanted
        self.control: RequestControl = read_request_control(
            wanted.get(b"cache-control"), wanted.get(b"pragma")
        )
        # What a GET with content asks for depends on the content, which is in no key.
        self.cacheable: bool = (
            (method == b"GET" or method == b"HEAD")
            and b"transfer-encoding" not in wanted
            and wanted.get(b"content-length", _EMPTY) == _EMPTY
        )
        self.has_range: bool = b"range" in wanted
        self.conditional: bool = not _CONDITION_SET.isdisjoint(wanted)
        self.keyed: tuple[str, ...] = ()
        if not KEYED.isdisjoint(wanted):
            self.keyed = tuple(name.decode("ascii") for name in wanted if name in KEYED)
        control = self.control
        self.shares: bool = method == b"GET" and not (
            self.has_range or self.conditional or control.no_store or control.no_cache
        )
        self.plain: bool = (
            self.shares and self.cacheable and not self.keyed and control is NO_WISHES
        )
        self.variants: dict[tuple[str, ...], bytes] = {}


_CONDITION_SET = frozenset(_CONDITIONS)


class Answer(Message):
    """
    A response's head.

    @ivar status: of the final response.
    @ivar stored: its lines without those L{OF_THE_CONNECTION}.
    """

    __slots__ = ("status", "stored")

    def __init__(self, status: int, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self.wanted, self.stored = _read(lines)
        self._all = None
        self.status = status
