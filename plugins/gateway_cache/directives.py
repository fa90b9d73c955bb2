"""
Cache directives of requests and responses (RFC 9111 section 5.2, RFC 5861, RFC 8246, RFC 9213).

Read so that a mistake makes a response stale or unstorable, never fresh or public:

  - a quoted number is a number; any other value that is no number is one that has run out (section 4.2.1), and so is
    one with blanks around the equals sign
  - of several equal directives the first counts (section 4.2.1)
  - what forbids, forbids with whatever value
  - a quotation that does not end makes the field broken, and what comes with it isn't stored
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import http_sf

#: A number of seconds that is none.
INVALID = -1
#: The most seconds there are (RFC 9111 section 1.2.2).
MOST_SECONDS = 2**31

_REMEMBERED = 2048
_REMEMBERED_BYTES = 512
_TARGETED_BYTES = 8192

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What neither ends a member nor begins a quotation, and a quotation. No possessive quantifiers: early versions of Python 3.11
# go wrong with them.
_PLAIN = re.compile(rb'[^",]+')
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_COMMA, _QUOTE = b',"'
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RequestControl:
    """
    What a client wants.

    @ivar no_cache: validate whatever is stored; also C{Pragma: no-cache} without C{Cache-Control}.
    @ivar no_store: keep nothing of this.
    @ivar only_if_cached: rather nothing than from the origin.
    @ivar max_age: how old the response may be; C{None}: it did not say.
    @ivar min_fresh: how long it must be fresh yet.
    @ivar max_stale: how long it may be past its freshness; C{None}: not at all.
    @ivar stale_if_error: likewise in place of an error (RFC 5861 section 4).
    """

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    min_fresh: int | None = None
    max_stale: int | None = None
    stale_if_error: int | None = None


@dataclass(frozen=True, slots=True)
class ResponseControl:
    """
    What an origin wants. Numbers are seconds; L{INVALID} where what it said is none.

    @ivar no_cache: never use it without validation.
    @ivar no_cache_fields: likewise these fields of it, in lower case.
    @ivar private: never store it.
    @ivar private_fields: likewise these fields of it.
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[bytes] = frozenset()
    private: bool = False
    private_fields: frozenset[bytes] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    immutable: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None


#: A request that wants nothing special; compared by identity.
NO_WISHES = RequestControl()
#: A response that says nothing; compared by identity.
SILENT = ResponseControl()

_requests: dict[bytes, RequestControl] = {}
_responses: dict[bytes, ResponseControl] = {}


def read_request_control(
    cache_control: list[bytes] | None, pragma: list[bytes] | None
) -> RequestControl:
    """
    Read what a client says.

    @param cache_control: values of its lines; C{None}: there is none.
    @param pragma: likewise; it counts where there is no C{Cache-Control} (RFC 9111 section 5.4).
    """
    if cache_control is None:
        if pragma is None or not any(b"no-cache" in value.lower() for value in pragma):
            return NO_WISHES
        cache_control = [b"no-cache"]
    joined = b"\n".join(cache_control)
    known = _requests.get(joined)
    if known is None:
        known = _read_request(cache_control)
        _remember(_requests, joined, known)
    return known


def read_response_control(values: list[bytes] | None) -> ResponseControl:
    """
    Read C{Cache-Control} of a response.

    @param values: values of its lines; C{None}: there is none.
    """
    if not values:
        return SILENT
    joined = b"\n".join(values)
    known = _responses.get(joined)
    if known is None:
        known = _read_response(values)
        _remember(_responses, joined, known)
    return known


def read_targeted_control(name: str, values: list[bytes]) -> ResponseControl | None:
    """
    Read a targeted field (RFC 9213 section 2.1).

    C{Surrogate-Control} is older than structured fields and read as C{Cache-Control} is.

    @param name: in lower case.
    @return: C{None}: it is empty, malformed or a number in it is none, so it counts as if it were not there; but a
        directive that forbids is heard in any case.
    """
    if name == "surrogate-control":
        read = read_response_control(values)
        return None if read is SILENT else read
    joined = b", ".join(values)
    if not joined or len(joined) > _TARGETED_BYTES:
        return None
    try:
        parsed: Any = http_sf.parse(joined, tltype="dictionary")
    except (ValueError, http_sf.StructuredFieldError):
        return None
    found: dict[bytes, Any] = {}
    wrong = False
    for key, member in parsed.items():
        # An inner list and an item both come with their parameters, which mean nothing here.
        value = member[0] if isinstance(member, tuple) else member
        word = key.encode("ascii")
        if word in _NUMBERS:
            is_number = type(value) is int
            wrong = wrong or not is_number
            found[word] = min(max(value, INVALID), MOST_SECONDS) if is_number else INVALID
        elif value is not False:
            found[word] = None if value is True else _text(value)
    if not found:
        return None
    control = _response_of(found)
    forbids = control.no_store or control.no_cache or control.private
    return None if wrong and not forbids else control


def _remember(kept: dict[bytes, Any], joined: bytes, value: object) -> None:
    if len(joined) <= _REMEMBERED_BYTES:
        if len(kept) >= _REMEMBERED:
            kept.clear()
        kept[joined] = value


_NUMBERS = frozenset(
    (b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error", b"min-fresh")
)


def _read_request(values: list[bytes]) -> RequestControl:
    found, broken = _directives(values)
    if not found and not broken:
        return NO_WISHES
    max_age = found.get(b"max-age")
    min_fresh = found.get(b"min-fresh")
    max_stale: int | None = None
    if b"max-stale" in found:
        said = found[b"max-stale"]
        max_stale = MOST_SECONDS if said is None else _seconds(said)
    sie = found.get(b"stale-if-error")
    return RequestControl(
        # Who can't be understood gets what can't be wrong.
        no_cache=b"no-cache" in found or broken,
        no_store=b"no-store" in found or broken,
        only_if_cached=b"only-if-cached" in found,
        max_age=None if max_age is None else max(max_age, 0),
        min_fresh=None if min_fresh is None or min_fresh < 0 else min_fresh,
        max_stale=None if max_stale is None or max_stale < 0 else max_stale,
        stale_if_error=None if sie is None or sie < 0 else sie,
    )


def _read_response(values: list[bytes]) -> ResponseControl:
    found, broken = _directives(values)
    if broken:
        found[b"no-store"] = None
        found.pop(b"must-understand", None)
    return _response_of(found) if found else SILENT


def _response_of(found: dict[bytes, Any]) -> ResponseControl:
    no_cache, no_cache_fields = _qualified(found, b"no-cache")
    private, private_fields = _qualified(found, b"private")
    return ResponseControl(
        no_store=b"no-store" in found,
        no_cache=no_cache,
        no_cache_fields=no_cache_fields,
        private=private,
        private_fields=private_fields,
        # What permits has no value.
        public=found.get(b"public", b"") is None,
        must_revalidate=b"must-revalidate" in found,
        proxy_revalidate=b"proxy-revalidate" in found,
        must_understand=found.get(b"must-understand", b"") is None,
        immutable=found.get(b"immutable", b"") is None,
        max_age=found.get(b"max-age"),
        s_maxage=found.get(b"s-maxage"),
        stale_while_revalidate=found.get(b"stale-while-revalidate"),
        stale_if_error=found.get(b"stale-if-error"),
    )


def _directives(values: list[bytes]) -> tuple[dict[bytes, Any], bool]:
    """
    Tell directives apart.

    @return: by name in lower case a number where it has to be one, else the unquoted value or C{None}; and whether a
        quotation did not end.
    """
    found: dict[bytes, Any] = {}
    broken = False
    for line in values:
        members, whole = _members(line)
        broken = broken or not whole
        for member in members:
            name, equals, value = member.partition(b"=")
            bare = name.rstrip(b" \t").lower()
            argument: bytes | None = value if equals else None
            if bare in _NUMBERS:
                said = INVALID if argument is None or bare != name.lower() else _seconds(argument)
                found.setdefault(bare, said)
            elif bare in _LISTED and bare in found:
                # Once for all of it is once for all of it.
                before = found[bare]
                again = None if argument is None else _unquoted(argument)
                found[bare] = before + b"," + again if before and again else None
            else:
                found.setdefault(bare, None if argument is None else _unquoted(argument))
    return found, broken


_LISTED = (b"no-cache", b"private")


def _members(line: bytes) -> tuple[list[bytes], bool]:
    """Split at the commas outside of quotations."""
    if b'"' not in line:
        return [piece for part in line.split(b",") if (piece := part.strip(b" \t"))], True
    members: list[bytes] = []
    begin = at = 0
    whole = True
    while at < len(line):
        if line[at] == _COMMA:
            _add(members, line[begin:at])
            at = begin = at + 1
            continue
        found = (_QUOTED if line[at] == _QUOTE else _PLAIN).match(line, at)
        if found is None:
            # Nobody knows what is within a quotation that does not end.
            whole = False
            break
        at = found.end()
    _add(members, line[begin:at])
    return members, whole


def _add(members: list[bytes], part: bytes) -> None:
    if piece := part.strip(b" \t"):
        members.append(piece)


def _unquoted(value: bytes) -> bytes:
    if len(value) > 1 and value[:1] == value[-1:] == b'"':
        return _ESCAPED.sub(rb"\1", value[1:-1])
    return value


def _seconds(value: bytes) -> int:
    """Read delta-seconds (RFC 9111 section 1.2.2)."""
    digits = _unquoted(value)
    if not digits.isdigit():
        return INVALID
    digits = digits.lstrip(b"0")
    return min(int(digits or b"0"), MOST_SECONDS) if len(digits) <= 10 else MOST_SECONDS


def _qualified(found: dict[bytes, Any], name: bytes) -> tuple[bool, frozenset[bytes]]:
    """Tell whether a directive is of the whole response, or else of which fields."""
    if name not in found:
        return False, frozenset()
    value = found[name]
    names = [] if value is None else [part.strip(b" \t").lower() for part in value.split(b",")]
    if not names or not all(_TOKEN.fullmatch(part) for part in names):
        return True, frozenset()
    return False, frozenset(names)


def _text(value: object) -> bytes:
    """Give a string or token of a structured field; what is neither names no field."""
    return str(value).encode("utf-8", "replace") if isinstance(value, (str, http_sf.Token)) else b""
