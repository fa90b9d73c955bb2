"""
Conditions in requests: those of a client, on something stored, and those that ask the origin about it (RFC 9110 section 13,
RFC 9111 sections 4.3.1 and 4.3.2).

Pure. A condition that can't be read holds nothing back: its client gets the whole response. C{If-Range} is
L{gateway_cache.ranges}'s.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway_cache.dates import read_date
from gateway_cache.entry import Head
from gateway_cache.messages import Asked, wanted_index

#: Statuses of stored responses that conditions apply to (RFC 9111 section 4.3.2).
_APPLY = frozenset((200, 206))

#: What describes content, and a 304 has none (RFC 9110 section 15.4.5). C{Content-Location} stays.
_OF_CONTENT = frozenset(
    (
        b"content-digest",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"content-type",
        b"digest",
        b"repr-digest",
        b"trailer",
        b"transfer-encoding",
    )
)

_TAG = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_BETWEEN = re.compile(rb"[ \t]*(?:,[ \t]*)+")
#: So much of other variants' tags is asked about at once.
_MOST_TAGS = 32
_MOST_TAG_BYTES = 2048


class Outcome(enum.Enum):
    """What becomes of a request with conditions, for which there is something stored that may be sent."""

    #: Send a 304 with the lines that L{not_modified} gives.
    NOT_MODIFIED = "not modified"
    #: Send what is stored.
    SEND = "send"
    #: It is for the origin to judge: send the request on as it is.
    FORWARD = "forward"


def for_origin(asked: Asked) -> bool:
    """
    Tell whether a request has a condition that only its origin may judge (RFC 9111 section 4.3.2).

    Nothing stored answers it then, whatever else it says; only to be asked if there are any conditions.
    """
    return b"if-match" in asked.wanted or b"if-unmodified-since" in asked.wanted


def evaluate(asked: Asked, head: Head, now: float) -> Outcome:
    """
    Judge the conditions of a request (RFC 9110 section 13.2.2).

    Only to be called if there are any (C{asked.conditional}).

    @param asked: a GET or HEAD.
    @param head: what is stored and may be used, being fresh or confirmed.
    @param now: for dates with years of two digits.
    """
    wanted = asked.wanted
    if for_origin(asked):
        return Outcome.FORWARD
    if head.status not in _APPLY:
        return Outcome.SEND
    tags = wanted.get(b"if-none-match")
    if tags is not None:
        return Outcome.NOT_MODIFIED if _one_of(tags, entity_tag(head)) else Outcome.SEND
    since = wanted.get(b"if-modified-since")
    if since is not None and len(since) == 1 and not _modified(since[0], head, now):
        return Outcome.NOT_MODIFIED
    return Outcome.SEND


def not_modified(head: Head, lines: list[bytes]) -> list[bytes]:
    """
    Give the lines of a 304 in place of a stored response (RFC 9110 section 15.4.5).

    What does not describe content stays: a client takes the newer values over, as L{gateway_cache.updating} does.

    @param lines: as they would be sent with the content; for the same list the same one is given again.
    @return: shared with other answers, so never to be changed.
    """
    made = head.memo.get("304")
    if isinstance(made, _Made) and made.of is lines:
        return made.lines
    bare = _bare(lines)
    head.memo["304"] = _Made(lines, bare)
    return bare


def entity_tag(head: Head) -> bytes:
    """Give the entity tag of a stored response; empty: it has none, or several."""
    tag = head.memo.get("etag")
    if not isinstance(tag, bytes):
        tag = head.memo["etag"] = single(wanted_index(head.lines).get(b"etag"))
    return tag


def last_modified(head: Head) -> bytes:
    """Give when a stored response was last modified, as it says it; empty: it does not, or says it twice."""
    date = head.memo.get("last-modified")
    if not isinstance(date, bytes):
        date = head.memo["last-modified"] = single(wanted_index(head.lines).get(b"last-modified"))
    return date


def well_formed(tag: bytes) -> bool:
    """Tell whether this is an entity tag (RFC 9110 section 8.8.3)."""
    return _TAG.fullmatch(tag) is not None


def same_strong(one: bytes, other: bytes) -> bool:
    """Compare entity tags so that a weak one equals none (RFC 9110 section 8.8.3.2)."""
    return one == other and one[:1] == b'"' and well_formed(one)


def same_weak(one: bytes, other: bytes) -> bool:
    """Compare entity tags by their opaque part."""
    return one.removeprefix(b"W/") == other.removeprefix(b"W/") and well_formed(one)


def upstream_fields(
    asked: Asked, fields: Mapping[str, str | None], others: Iterable[Head] = ()
) -> dict[str, str | None]:
    """
    Give what has to be set in a request so that the origin says whether something stored still holds.

    The client's own conditions are left out, so that whatever comes is about what is stored; afterwards they are judged
    on that. (RFC 9111 section 4.3.2 allows both lists to be joined; but then what the client has and this cache doesn't
    would stay unknown here.) A range stays: if nothing stored holds any more, a part is what the client wants.

    @param fields: validators of what was selected for this request; may be empty.
    @param others: further variants under the same key, the newest first: their tags are asked about too, as the origin
        may choose one of them. Parts are passed over (RFC 9111 section 4.3.2).
    @return: empty: there is nothing to ask by, or a condition that is for the origin alone.
    """
    wanted = asked.wanted
    if for_origin(asked):
        return {}
    own = fields.get("If-None-Match")
    tags = [] if own is None else [own]
    if own is not None or not fields:
        # Beside a tag nobody looks at a date (RFC 9110 section 13.1.3), so one without a tag would never be confirmed.
        tags += _further(others, own)
    found: dict[str, str | None] = {}
    if tags:
        found["If-None-Match"] = ", ".join(tags)
    since = fields.get("If-Modified-Since")
    if since is not None:
        found["If-Modified-Since"] = since
    if found:
        if not tags and b"if-none-match" in wanted:
            found["If-None-Match"] = None
        if since is None and b"if-modified-since" in wanted:
            found["If-Modified-Since"] = None
    return found


def own_fields(asked: Asked, fields: Mapping[str, str | None]) -> dict[str, str | None]:
    """
    Give what has to be set in a request of the gateway's own that was made after a client's (RFC 5861 section 3).

    It is about all of what is stored and about nothing that the client has.
    """
    found: dict[str, str | None] = {
        name: None for name in _OWN if name.lower().encode() in asked.wanted
    }
    found.update(fields)
    return found


_OWN = (
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
)


def single(values: Sequence[bytes] | None) -> bytes:
    """Give the value of a field that may be there once; empty if it isn't, or is there more often."""
    return values[0] if values is not None and len(values) == 1 else b""


class _Made(NamedTuple):
    """A 304's lines, and what they were made of."""

    of: list[bytes]
    lines: list[bytes]


def _bare(lines: Sequence[bytes]) -> list[bytes]:
    """Leave out what describes content."""
    kept: list[bytes] = []
    dated: list[bytes] = []
    tagged = False
    names = _names
    for line in lines:
        spelt = line[: line.find(b":")]
        name = names.get(spelt)
        if name is None:
            name = _read_name(spelt)
        if name == b"last-modified":
            dated.append(line)
        elif name:
            tagged = tagged or name == b"etag"
            kept.append(line)
    # Without a tag it is what tells the client which of its responses is meant.
    return kept if tagged else kept + dated


def _further(others: Iterable[Head], own: str | None) -> list[str]:
    tags: list[str] = []
    size = 0
    for head in others:
        tag = entity_tag(head)
        if head.part is not None or not well_formed(tag):
            continue
        text = tag.decode("latin-1")
        if text == own or text in tags:
            continue
        size += len(text) + 2
        if len(tags) >= _MOST_TAGS or size > _MOST_TAG_BYTES:
            break
        tags.append(text)
    return tags


def _one_of(values: list[bytes], tag: bytes) -> bool:
    """Tell whether a list of tags has this one (RFC 9110 section 13.1.2)."""
    if len(values) == 1:
        value = values[0]
        # What a client gives back as it came it has, well-formed or not.
        if value == b"*" or (value == tag and tag):
            return True
    else:
        value = b", ".join(values)
    opaque = tag.removeprefix(b"W/")
    if not opaque or opaque not in value or not well_formed(tag):
        return False
    at = 0
    while found := _TAG.match(value, at):
        if found[1] == opaque:
            return True
        between = _BETWEEN.match(value, found.end())
        if between is None:
            return False
        at = between.end()
    return False


def _modified(since: bytes, head: Head, now: float) -> bool:
    """Tell whether something stored is newer than a client says (RFC 9110 section 13.1.3, RFC 9111 section 4.3.2)."""
    modified = last_modified(head)
    asked = read_date(since, now)
    if asked is None:
        return True
    if modified == since:
        return False
    known = read_date(modified, now)
    if known is None:
        # Nothing says when it was modified; not after it was sent.
        known = read_date(single(wanted_index(head.lines).get(b"date")), now)
    return (int(head.received) if known is None else known) > asked


_REMEMBERED = 1024
_LONGEST_NAME = 64

# Names as they are spelt, in lower case if a 304 may have them and somebody asks for them; empty if it must not.
_names: dict[bytes, bytes] = {}


def _read_name(spelt: bytes) -> bytes:
    name = spelt.lower()
    if name in _OF_CONTENT:
        name = b""
    if len(spelt) <= _LONGEST_NAME:
        if len(_names) >= _REMEMBERED:
            _names.clear()
        _names[spelt] = name
    return name
