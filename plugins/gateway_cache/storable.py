"""
What may be stored, and what of it (RFC 9111 section 3).

Stricter than that where strictness costs little: nothing of a broken C{Cache-Control}, nothing that could not be used
again, nothing that an unkeyed field of the request may have shaped, no user's pages by guesswork.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway_cache.dates import read_date, write_date
from gateway_cache.directives import ResponseControl
from gateway_cache.entry import Head
from gateway_cache.freshness import (
    HEURISTIC,
    Source,
    control_of,
    explicit,
    initial_age,
    lifetime_of,
)
from gateway_cache.keys import Target, resolve
from gateway_cache.messages import Answer, Asked
from gateway_cache.policy import TAG_FIELDS, UNKEYED, Policy
from gateway_cache.vary import selecting_names, variant_of

#: Statuses whose meaning for caches is known here; C{must-understand} lets only these be stored.
UNDERSTOOD = frozenset(
    (200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 451, 501)
)
#: Statuses that are never stored. Some say something of one request or one client alone; RFC 6585 forbids 428, 429, 431
#: and 511.
NEVER = frozenset((304, 401, 407, 408, 412, 416, 417, 421, 425, 428, 429, 431, 511))

#: Without these a response would be another one, or nobody would know how to use it: who lists one of them in
#: C{private}, C{no-cache} or C{Connection} means the whole response.
_NEEDED = frozenset(
    (
        b"age",
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-range",
        b"content-type",
        b"date",
        b"etag",
        b"expires",
        b"last-modified",
        b"location",
        b"vary",
    )
)

_TAGGING = frozenset(name for name, _ in TAG_FIELDS)
_OF_A_PART = frozenset((b"content-range",))
_RANGE = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_USUAL_OPTIONS = (b"keep-alive", b"Keep-Alive", b"close")
_CONTROL = b"\ncache-control:"
_MOST_TAGS = 128
_LONGEST_TAG = 256
_LONGEST_VALUE = 256
_REMEMBERED = 1024

# What values of Cache-Control in lower case say plainly: why nothing is stored, or nothing.
_plain: dict[bytes, str] = {}


class Storable(NamedTuple):
    """
    What is to be stored.

    @ivar lines: as C{Head.lines}.
    @ivar vary: as C{Head.vary}.
    @ivar variant: as C{Head.variant}.
    @ivar requested: as C{Head.requested}, moved back by what the response's own C{Age} said: that field is not stored.
    @ivar received: as C{Head.received}.
    @ivar lifetime: how long it is fresh, from its birth on.
    @ivar source: what says so.
    @ivar tags: as C{Head.tags}.
    @ivar part: as C{Head.part}.
    @ivar part_length: of a 206, how many bytes its content has to have.
    """

    lines: tuple[bytes, ...]
    vary: tuple[str, ...]
    variant: bytes
    requested: float
    received: float
    lifetime: float
    source: Source
    tags: tuple[str, ...] = ()
    part: tuple[int, int] | None = None
    part_length: int | None = None

    def head(self, key: bytes, status: int, length: int = 0) -> Head:
        """Make the head of it."""
        return Head(
            key=key,
            variant=self.variant,
            vary=self.vary,
            status=status,
            lines=self.lines,
            requested=self.requested,
            received=self.received,
            length=length,
            tags=self.tags,
            part=self.part,
        )


@dataclass(frozen=True, slots=True)
class NotStorable:
    """
    It is not to be stored.

    @ivar why: a few words, for C{Cache-Status} and the log.
    """

    why: str


def hopeless(lines: Sequence[bytes], policy: Policy) -> str:
    """
    Tell at a glance whether a response is surely not to be stored, which most of those that aren't say plainly.

    @return: why, in the words of L{NotStorable}; empty: it has to be looked at.
    """
    text = b"\n%b\n" % b"\n".join(lines).lower()
    _, found, behind = text.partition(_CONTROL)
    if not found:
        return ""
    value = behind[: behind.find(b"\n")]
    why = _plain.get(value)
    if why is None:
        why = _plainly(value)
    if not why:
        return ""
    # Another line may speak to this cache alone, or say that it is to be understood first (RFC 9111 section 5.2.2.3).
    if b"must-understand" in text:
        return ""
    for name in policy.raw_targeted:
        if name in text:
            return ""
    return why


def _plainly(value: bytes) -> str:
    """Tell what a C{Cache-Control} in lower case says plainly, and remember it."""
    said = value.replace(b" ", b"").split(b",")
    why = ""
    if b'"' not in value:
        why = "no-store" if b"no-store" in said else "private" if b"private" in said else ""
    if len(value) <= _LONGEST_VALUE:
        if len(_plain) >= _REMEMBERED:
            _plain.clear()
        _plain[value] = why
    return why


def storable(
    asked: Asked,
    answer: Answer,
    policy: Policy,
    *,
    requested: float,
    received: float,
    target: Target | None = None,
) -> Storable | NotStorable:
    """
    Judge a response.

    @param requested: when the request was begun.
    @param received: when the response's head came.
    @param target: of the request; needed for POST alone.
    """
    values = answer.wanted
    control, targeted = control_of(answer, policy)
    lifetime, source = lifetime_of(
        answer.status, answer, control, received, policy, targeted=targeted
    )
    why = (
        _method(asked, answer, source, target, policy)
        or _request(asked, policy)
        or _status(answer.status, policy)
        or _control(asked, answer.status, control, source)
        or _cookies(asked, values, control, source, policy)
    )
    if why:
        return NotStorable(why)
    left_out = control.no_cache_fields | control.private_fields
    for value in values.get(b"connection", ()):
        if value not in _USUAL_OPTIONS:
            left_out |= {option.strip(b" \t").lower() for option in value.split(b",")}
    if left_out and not left_out.isdisjoint(_needed(policy)):
        return NotStorable("a field that it needs is not to be stored")
    names = selecting_names(values.get(b"vary"), policy, asked.keyed)
    if names is None:
        return NotStorable("vary")
    part: tuple[int, int] | None = None
    part_length: int | None = None
    if answer.status == 206:
        read = _part(asked, values)
        if read is None:
            return NotStorable("not one part that was asked for")
        first, last, whole = read
        part, part_length = (first, whole), last - first + 1
    age = initial_age(answer, requested, received)
    if not _useful(values, control, lifetime - age, policy):
        return NotStorable("stale at once")
    return Storable(
        lines=_kept(answer, left_out, received),
        vary=names,
        variant=variant_of(names, asked),
        requested=received - age,
        received=received,
        lifetime=lifetime,
        source=source,
        tags=_tags(answer, policy),
        part=part,
        part_length=part_length,
    )


def _method(
    asked: Asked, answer: Answer, source: Source, target: Target | None, policy: Policy
) -> str:
    if asked.method == b"GET":
        return "" if asked.cacheable else "a GET with content"
    if asked.method != b"POST" or not policy.post or target is None:
        return "method"
    # RFC 9110 section 9.3.3: it says how long it lasts, and that it is what a GET of the same target would give.
    named = answer.wanted.get(b"content-location", ())
    if answer.status != 200 or not explicit(source) or len(named) != 1:
        return "method"
    place = resolve(target, named[0])
    wanted = (target.scheme, target.host, target.port, target.raw_target)
    return "" if place == wanted else "method"


def _request(asked: Asked, policy: Policy) -> str:
    if asked.control.no_store:
        return "the request says no-store"
    if policy.unkeyed is UNKEYED:
        clean = UNKEYED.isdisjoint(asked.wanted)
    else:
        clean = not any(asked.values(name) for name in policy.unkeyed)
    return "" if clean else "an unkeyed field"


def _status(status: int, policy: Policy) -> str:
    if status == 200:
        return ""
    if status < 200 or status > 999 or status in NEVER:
        return "status"
    return "partial" if status == 206 and not policy.parts else ""


def _control(asked: Asked, status: int, control: ResponseControl, source: Source) -> str:
    """Apply what the origin says (RFC 9111 sections 3, 3.5 and 5.2.2)."""
    if control.must_understand and status not in UNDERSTOOD:
        return "status is not understood"
    if control.no_store and not control.must_understand:
        return "no-store"
    if control.private:
        return "private"
    if b"authorization" in asked.wanted and not (
        control.public
        or control.must_revalidate
        or (control.s_maxage is not None and control.s_maxage >= 0)
    ):
        return "authorization"
    if not (explicit(source) or control.public or status in HEURISTIC):
        return "nothing allows it"
    return ""


def _cookies(
    asked: Asked,
    values: dict[bytes, list[bytes]],
    control: ResponseControl,
    source: Source,
    policy: Policy,
) -> str:
    """Keep what is likely to be one user's own from the others (RFC 9111 section 7.3)."""
    sets = b"set-cookie" in values or b"set-cookie2" in values
    if not sets and (b"cookie" not in asked.wanted or explicit(source)):
        return ""
    meant = control.public or (control.s_maxage is not None and control.s_maxage >= 0)
    if policy.cookies == "explicit":
        meant = meant or (control.max_age is not None and control.max_age >= 0)
    return "" if meant and policy.cookies != "never" else "cookie"


def _part(asked: Asked, values: dict[bytes, list[bytes]]) -> tuple[int, int, int] | None:
    """Read C{Content-Range} of a 206: first byte, last byte, complete length (-1: unknown)."""
    said = values.get(b"content-range", ())
    if not asked.has_range or len(said) != 1:
        return None
    read = _RANGE.fullmatch(said[0])
    if read is None:
        return None
    first, last = int(read[1]), int(read[2])
    whole = -1 if read[3] == b"*" else int(read[3])
    return (first, last, whole) if first <= last and (whole < 0 or last < whole) else None


def _useful(
    values: dict[bytes, list[bytes]], control: ResponseControl, left: float, policy: Policy
) -> bool:
    """Tell whether it can ever be used: it is fresh, or will be allowed to be stale, or can be validated."""
    if b"etag" in values or (left > 0 and not control.no_cache):
        return True
    modified = values.get(b"last-modified")
    if modified is not None and read_date(modified[0], 0) is not None:
        return True
    if control.no_cache:
        return False
    said = control.stale_if_error
    later = max(
        control.stale_while_revalidate or 0, policy.stale_if_error if said is None else said
    )
    return left + later > 0


def _kept(answer: Answer, left_out: frozenset[bytes], received: float) -> tuple[bytes, ...]:
    lines = answer.stored
    if answer.status == 206:
        left_out |= _OF_A_PART
    if left_out:
        lines = [line for line in lines if line.partition(b":")[0].lower() not in left_out]
    if b"date" not in answer.wanted:
        # RFC 9110 section 6.6.1: who stores it says when it came.
        lines = [*lines, b"Date: " + write_date(received)]
    return tuple(lines)


def _needed(policy: Policy) -> frozenset[bytes]:
    return _NEEDED.union(policy.raw_targeted)


def _tags(answer: Answer, policy: Policy) -> tuple[str, ...]:
    if policy.tag_fields is TAG_FIELDS and _TAGGING.isdisjoint(answer.wanted):
        return ()
    found: dict[str, None] = {}
    for name, separator in policy.tag_fields:
        for value in answer.values(name) or ():
            for piece in value.split(separator):
                tag = piece.strip(b" \t").decode("latin-1")
                if tag and len(tag) <= _LONGEST_TAG:
                    found[tag] = None
    return tuple(found)[:_MOST_TAGS] if found else ()
