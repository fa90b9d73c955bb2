"""
Stored responses brought up to date by what comes later: a 304, or the answer to a HEAD (RFC 9111 sections 3.2, 4.3.4, 4.3.5).

Pure. What comes out is judged by the rules of L{gateway_cache.storable} again, so nothing can be stored by way of a 304 that
could not be stored at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway_cache.conditions import (
    entity_tag,
    last_modified,
    same_strong,
    same_weak,
    single,
    well_formed,
)
from gateway_cache.dates import read_date
from gateway_cache.entry import Head
from gateway_cache.freshness import control_of
from gateway_cache.messages import Answer, Asked, Message
from gateway_cache.policy import Policy
from gateway_cache.storable import Storable, storable
from gateway_cache.vary import selecting_names

#: Never taken over: what is stored depends on it (the content is kept as it came, and with it what a scanner said of it), or
#: it was of the other message alone. C{Age} and what C{Connection} lists are left out by L{storable}.
_STAYS = frozenset((b"content-encoding", b"content-length", b"content-range", b"vary"))
_COOKIES = (b"set-cookie", b"set-cookie2")

#: Dates are only taken for strong validators if the response was made so much later, seconds (RFC 9110 section 8.8.2.2 has one
#: second where the clock is the same; nobody knows that of an origin with several servers).
SURELY_LATER = 60

#: A request that says nothing, so that what was stored for another one is judged by itself.
_NOBODY = Asked(b"GET", ())


@dataclass(frozen=True, slots=True)
class Freshened:
    """
    What the answer to a HEAD makes of what is stored.

    @ivar updated: old and new.
    @ivar outdated: those that are not what the origin has now: they are not to be used any more.
    """

    updated: tuple[tuple[Head, Head], ...]
    outdated: tuple[Head, ...]


def identified(heads: Sequence[Head], answer: Answer, selected: Head | None = None) -> list[Head]:
    """
    Tell which stored responses a 304 is about (RFC 9111 section 4.3.4).

    @param heads: those that the origin was asked about, the newest first.
    @param selected: the one among them that the request had selected.
    @return: the one that is to be sent comes first; empty: none of them may be updated by it, nor sent on its account.
    """
    tag = single(answer.wanted.get(b"etag"))
    dated = single(answer.wanted.get(b"last-modified"))
    if well_formed(tag) and tag[:1] == b'"':
        found = [head for head in heads if same_strong(entity_tag(head), tag)]
        if not found and _strong_date(dated, answer):
            # A server that compresses on the way makes the tag weak in a 200, but has nothing to compress in a 304.
            dates = [head for head in heads if _strongly_dated(head, dated, tag)]
            found = _first(dates, selected)
    elif well_formed(tag):
        found = _first([head for head in heads if same_weak(entity_tag(head), tag)], selected)
    elif dated:
        # Variants of one resource often have the same date: only one of them was meant.
        found = _first([head for head in heads if last_modified(head) == dated], selected)
    else:
        # An origin must say which one it means (RFC 9110 section 15.4.5); many don't, but where there is only one it is clear.
        found = list(heads) if len(heads) == 1 else []
    # Sorting is stable: otherwise they stay in their order.
    found.sort(key=lambda head: (head is not selected, head.part is not None))
    # A part that was not what the request selected doesn't answer it.
    return found if found and (found[0] is selected or found[0].part is None) else []


def confirmed(
    heads: Sequence[Head],
    selected: Head | None,
    answer: Answer,
    requested: float,
    received: float,
    policy: Policy,
) -> list[tuple[Head, Head]]:
    """
    Take the fields of a 304 into all stored responses that it is about.

    @param heads: as for L{identified}.
    @return: old and new, first the one that is to be sent; empty: the request has to be sent again, without conditions.
    """
    pairs: list[tuple[Head, Head]] = []
    for head in identified(heads, answer, selected):
        newer = merged(head, answer, requested, received, policy)
        if newer is not None:
            pairs.append((head, newer))
        elif not pairs:
            return []
    return pairs


def updated(
    head: Head, answer: Answer, requested: float, received: float, policy: Policy
) -> Head | None:
    """
    Take the fields of a 304 into the one stored response that the origin was asked about.

    @return: C{None}: it isn't about that one, or that one can't be kept with what it says now.
    """
    pairs = confirmed((head,), head, answer, requested, received, policy)
    return pairs[0][1] if pairs else None


def freshened(
    heads: Sequence[Head], answer: Answer, requested: float, received: float, policy: Policy
) -> Freshened:
    """
    Take the fields of a 200 to a HEAD into stored responses (RFC 9111 section 4.3.5).

    @param heads: all whose selecting fields match the HEAD, parts too.
    """
    pairs: list[tuple[Head, Head]] = []
    outdated: list[Head] = []
    if answer.status != 200:
        return Freshened((), ())
    for head in heads:
        if head.status not in (200, 206):
            outdated.append(head)
            continue
        newer = merged(head, answer, requested, received, policy) if _same(head, answer) else None
        if newer is None:
            outdated.append(head)
        else:
            pairs.append((head, newer))
    return Freshened(tuple(pairs), tuple(outdated))


def merged(
    head: Head, answer: Answer, requested: float, received: float, policy: Policy
) -> Head | None:
    """
    Put the fields of a later response in the place of those that are stored (RFC 9111 section 3.2).

    @return: C{None}: it can't be stored so, or other requests select it now.
    """
    names = selecting_names(answer.wanted.get(b"vary"), policy)
    if names is None or not set(names).issubset(head.vary):
        return None
    lines = _lines(head, answer)
    kept = storable(
        _NOBODY,
        Answer(200 if head.part else head.status, lines),
        policy,
        requested=requested,
        received=received,
    )
    if not isinstance(kept, Storable) or not _still_shared(head, kept.lines, policy):
        return None
    return replace(
        head,
        lines=kept.lines,
        requested=kept.requested,
        received=kept.received,
        tags=kept.tags,
        memo={},
    )


def for_this_client(head: Head, answer: Answer) -> list[bytes]:
    """Give the lines of a 304 that are for the client whose request it answers, and for no other: its cookies."""
    if answer.wanted.keys().isdisjoint(_COOKIES) or _sets_cookies(head):
        return []
    return [line for line in answer.lines if _name(line) in _COOKIES]


def _lines(head: Head, answer: Answer) -> list[bytes]:
    theirs = [(_name(line), line) for line in answer.lines]
    replaced = {name for name, _ in theirs} - _STAYS
    if not replaced.isdisjoint(_COOKIES) and not _sets_cookies(head):
        replaced.difference_update(_COOKIES)
    if same_weak(entity_tag(head), single(answer.wanted.get(b"etag"))):
        # It names the same; but a tag that was weak for these bytes must not become strong for them.
        replaced.discard(b"etag")
    # Without a date of its own it is of now: its age counts from here, so an older date must not stay; what is stored gets
    # one by the rules (RFC 9110 section 6.6.1).
    gone = replaced | {b"date"}
    lines = [line for line in head.lines if _name(line) not in gone]
    lines += [line for name, line in theirs if name in replaced]
    return lines


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _sets_cookies(head: Head) -> bool:
    """Tell whether the stored response sets cookies, so that the policy has let them be stored."""
    return any(_name(line) in _COOKIES for line in head.lines)


def _still_shared(head: Head, lines: tuple[bytes, ...], policy: Policy) -> bool:
    """
    Tell whether what let a response to C{Authorization} be stored is still said (RFC 9111 section 3.5).

    Whether there was such a field is not known any more.
    """
    now, _ = control_of(Message(lines), policy)
    if now.public or now.must_revalidate or now.s_maxage is not None:
        return True
    before, _ = control_of(Message(head.lines), policy)
    return not (before.public or before.must_revalidate or before.s_maxage is not None)


def _first(found: list[Head], selected: Head | None) -> list[Head]:
    if selected is not None and any(head is selected for head in found):
        return [selected]
    return found[:1]


def _strong_date(dated: bytes, message: Message) -> bool:
    modified = read_date(dated, 0.0)
    made = read_date(single(message.wanted.get(b"date")), 0.0)
    return modified is not None and made is not None and made - modified >= SURELY_LATER


def _strongly_dated(head: Head, dated: bytes, tag: bytes) -> bool:
    """Tell whether a stored response has a date that says that it is this one, and no tag that says otherwise."""
    own = entity_tag(head)
    return (
        last_modified(head) == dated
        and _strong_date(dated, Message(head.lines))
        and (not own or same_weak(own, tag))
    )


def _same(head: Head, answer: Answer) -> bool:
    """Tell whether the answer to a HEAD is about what is stored."""
    tag = answer.wanted.get(b"etag")
    dated = answer.wanted.get(b"last-modified")
    length = answer.wanted.get(b"content-length")
    whole = head.length if head.part is None else head.part[1]
    return (
        (tag is None or entity_tag(head) == single(tag) != b"")
        and (dated is None or last_modified(head) == single(dated) != b"")
        and (length is None or whole < 0 or single(length) == b"%d" % whole)
    )
