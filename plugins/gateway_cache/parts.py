"""
Stored parts of responses: what they answer, and how several become one (RFC 9111 sections 3.3 and 3.4).

A 206 is a part for ever: only a request for a range that lies within it is answered by it, with a 206. Parts become one only
where the same strong entity tag says that they are of the same bytes; when all bytes are there it is a 200 as any other.
Pure: contents are told by their places, who has them puts them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway_cache.conditions import entity_tag, same_strong
from gateway_cache.entry import Head
from gateway_cache.messages import Answer, Asked, Message
from gateway_cache.policy import Policy
from gateway_cache.ranges import Single, holds, ranges_of, single_range
from gateway_cache.updating import merged
from gateway_cache.vary import matches

#: So many parts of one variant are kept; the ones that came first go first.
MOST_PARTS = 8
#: Parts that together would be longer are left as they are: to make one of them copies all of it.
COMBINED_BYTES = 8 * 1_048_576

#: Stands in a variant before the place of a part: a byte that no field value has.
_MARK = b"\x02"
#: Longer than any part reaches.
_ENDLESS = 10**18


@dataclass(frozen=True, slots=True)
class Combined:
    """
    What a new part becomes together with those that are stored.

    @ivar head: of the result: a part, or a complete response.
    @ivar pieces: of whose content it is made, in order: the head, first byte in its content, and length.
    @ivar outdated: stored parts that are of no use once it is stored.
    """

    head: Head
    pieces: tuple[tuple[Head, int, int], ...]
    outdated: tuple[Head, ...]

    @property
    def alone(self) -> bool:
        """Tell whether it is made of the new part only."""
        return len(self.pieces) == 1


def part_variant(variant: bytes, first: int) -> bytes:
    """Give what tells a part from the whole and from other parts in a store."""
    return b"%b%b%d" % (variant, _MARK, first)


def variant_of_part(head: Head) -> bytes:
    """Give the variant that a stored part is of."""
    return head.variant.partition(_MARK)[0]


def parts_for(heads: Sequence[Head], asked: Asked, policy: Policy) -> list[Head]:
    """
    Give the parts that belong to what a request asks for, in the order given.

    @param heads: all that have the key.
    """
    return [
        head
        for head in heads
        if head.part is not None
        and matches(replace(head, variant=variant_of_part(head)), asked, policy)
    ]


def cut_part(asked: Asked, head: Head, lines: Sequence[bytes]) -> Single | None:
    """
    Find what a request asks for in a part.

    @param head: of a part that may be sent.
    @param lines: of it as they would be sent.
    @return: where it is in the part's content; C{None}: it does not have all of it, so something else has to answer.
    """
    values = asked.wanted.get(b"range")
    if head.part is None or asked.method != b"GET" or values is None or len(values) != 1:
        return None
    begins, complete = head.part
    # Where content ends that nobody knows the length of, no part knows: then only what has both ends is within one.
    found = ranges_of(values[0], complete if complete >= 0 else _ENDLESS)
    if not found or len(found) > 1 or b"," in values[0]:
        return None
    first, length = found[0]
    if first < begins or first + length > begins + head.length or not holds(asked, head):
        return None
    made = single_range(lines, (first, length), complete)
    return Single(made.lines, first - begins, length)


def whole_of(head: Head) -> Head | None:
    """Make a complete response of a part that is all of it (RFC 9110 section 15.3.7.3); C{None}: it isn't."""
    if head.part is None or head.part != (0, head.length) or not head.length:
        return None
    return replace(head, status=200, part=None, variant=variant_of_part(head), memo={})


def combine(
    stored: Sequence[Head],
    new: Head,
    asked: Asked,
    policy: Policy,
    *,
    most: int = COMBINED_BYTES,
) -> Combined | None:
    """
    Say what is to be stored of a new part.

    @param stored: the parts of the same variant.
    @param new: a part with all of its content.
    @param asked: the request that it answered.
    @param most: it is not combined into more bytes than these.
    @return: C{None}: nothing, as it may lack fields of the whole response: its client had these, and said so by
        C{If-Range} (RFC 9110 section 15.3.7).
    """
    assert new.part is not None
    tag = entity_tag(new)
    same = [head for head in stored if same_strong(entity_tag(head), tag) and _agree(head, new)]
    # What has another tag is of other bytes than the origin has now.
    outdated = [head for head in stored if tag and entity_tag(head) != tag]
    outdated += [head for head in stored if not tag and _within(head, new)]
    joined = _joined(same, new, policy, most)
    if joined is None:
        if b"if-range" in asked.wanted:
            return None
        head, members = new, [new]
    else:
        head, members = joined
        outdated += [member for member in members if member is not new]
    kept = [head for head in stored if not any(head is other for other in outdated)]
    outdated += sorted(kept, key=lambda head: head.received)[: max(len(kept) - MOST_PARTS + 1, 0)]
    assert head.part is not None
    base = variant_of_part(new)
    whole = whole_of(head)
    if whole is None:
        whole = replace(head, variant=part_variant(base, head.part[0]), memo={})
    else:
        outdated = list(stored)
    return Combined(whole, _pieces(members, head), tuple(outdated))


def completing(asked: Asked, head: Head) -> dict[str, str] | None:
    """
    Give the fields that ask for what a part lacks, for a request for the whole.

    @return: C{None}: it can't be asked for in one request so that the answer surely fits.
    """
    if head.part is None or asked.method != b"GET" or asked.has_range or asked.conditional:
        return None
    first, complete = head.part
    end = first + head.length
    tag = entity_tag(head)
    if not same_strong(tag, tag) or complete < 0:
        return None
    if first == 0 and end < complete:
        return {"Range": f"bytes={end}-", "If-Range": tag.decode("latin-1")}
    if first and end == complete:
        return {"Range": f"bytes=0-{first - 1}", "If-Range": tag.decode("latin-1")}
    return None


def _end(head: Head) -> int:
    assert head.part is not None
    return head.part[0] + head.length


def _first(head: Head) -> int:
    assert head.part is not None
    return head.part[0]


def _agree(head: Head, new: Head) -> bool:
    """
    Tell whether two parts say the same of how long the whole is, and how it is coded.

    Some servers give the same strong tag to what they have compressed and to what they haven't.
    """
    assert head.part is not None and new.part is not None
    lengths = (head.part[1], new.part[1])
    return (-1 in lengths or lengths[0] == lengths[1]) and _coding(head) == _coding(new)


def _coding(head: Head) -> list[bytes] | None:
    return Message(head.lines).values(b"content-encoding")


def _within(head: Head, new: Head) -> bool:
    return _first(new) <= _first(head) and _end(head) <= _end(new)


def _joined(
    same: list[Head], new: Head, policy: Policy, most: int
) -> tuple[Head, list[Head]] | None:
    """
    Join the new part with all that touch it, one after the other.

    @return: the head of it, without content of its own, and whose content it needs.
    """
    first, end = _first(new), _end(new)
    members: list[Head] = []
    left = list(same)
    while touching := [head for head in left if _first(head) <= end and first <= _end(head)]:
        nearest = touching[0]
        left = [head for head in left if head is not nearest]
        begins, ends = min(first, _first(nearest)), max(end, _end(nearest))
        if ends - begins > most:
            continue
        first, end = begins, ends
        members.append(nearest)
    if not members:
        return None
    members.sort(key=lambda head: head.received)
    members.append(new)
    known = {member.part[1] for member in members if member.part is not None} - {-1}
    complete = max(known, default=-1)
    if len(known) > 1 or -1 < complete < end:
        return None
    head = members[0]
    for later in members[1:]:
        newer = merged(head, Answer(206, later.lines), later.requested, later.received, policy)
        if newer is None:
            return None
        head = newer
    part = (first, complete)
    return replace(head, part=part, length=end - first, verdict="", digest=b"", memo={}), members


def _pieces(members: list[Head], head: Head) -> tuple[tuple[Head, int, int], ...]:
    """Cover all of it, of each member only what those before it don't have."""
    at = _first(head)
    pieces: list[tuple[Head, int, int]] = []
    while at < _end(head):
        member = max((m for m in members if _first(m) <= at), key=_end)
        pieces.append((member, at - _first(member), _end(member) - at))
        at = _end(member)
    return tuple(pieces)
