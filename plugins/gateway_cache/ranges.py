"""
Parts of a complete stored response for a client that asks for them (RFC 9110 sections 13.1.5, 14 and 15.3.7).

Pure: a part of a file is told by its place. A server may always answer with the whole instead, and here it does so for what
can't be read, for what would be no shorter, and for what looks like an attack (RFC 9110 sections 14.2 and 17.15): many
ranges, ones that overlap, and many small ones in no order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TypeAlias

from gateway.api import StoredFile
from gateway_cache.conditions import entity_tag, last_modified, same_strong, single
from gateway_cache.dates import read_date
from gateway_cache.entry import Head
from gateway_cache.messages import Asked, wanted_index
from gateway_cache.updating import SURELY_LATER

#: More ranges than these are ignored.
MOST_RANGES = 64
#: More than so many that overlap others are ignored (RFC 9110 section 14.2).
MOST_OVERLAPS = 2
#: More than so many that are in no order are ignored.
MOST_UNORDERED = 8
#: Ranges this close become one: to tell them apart would cost more (RFC 9110 section 15.3.7.2).
GAP_BYTES = 80
#: Several ranges of a file are read into memory up to here; beyond they are ignored.
FILE_BYTES = 262_144

#: A longer field is no list of ranges that anybody needs.
_MOST_FIELD_BYTES = 2048
#: More digits than any content has.
_MOST_DIGITS = 18
_BEYOND = 10**_MOST_DIGITS

#: What was said of the whole content.
_OF_WHOLE = frozenset(
    (b"content-digest", b"content-length", b"content-md5", b"content-range", b"transfer-encoding")
)
_OF_ALL_PARTS = _OF_WHOLE | {b"content-type"}
_INITIALS = frozenset((b"C", b"c", b"T", b"t"))

#: First byte and length, never 0.
Extent: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Single:
    """
    Send a 206 with one range.

    @ivar lines: of the response.
    @ivar first: where it begins in the content.
    @ivar length: how long it is, not 0.
    """

    lines: list[bytes]
    first: int
    length: int

    def of(self, content: bytes) -> bytes:
        """Cut it out of the whole content."""
        return content[self.first : self.first + self.length]

    def file(self, whole: StoredFile) -> StoredFile:
        """Give its place in the file of the whole content; to be released in its place."""
        return replace(whole, offset=whole.offset + self.first, length=self.length)


@dataclass(frozen=True, slots=True)
class Multipart:
    """
    Send a 206 with several ranges.

    @ivar lines: of the response.
    @ivar length: of its content.
    @ivar pieces: what that is made of: bytes, and ranges of the whole content.
    """

    lines: list[bytes]
    length: int
    pieces: tuple[bytes | Extent, ...]

    def of(self, content: bytes) -> bytes:
        """Make it from the whole content."""
        whole = memoryview(content)
        return b"".join(
            piece if isinstance(piece, bytes) else whole[piece[0] : piece[0] + piece[1]]
            for piece in self.pieces
        )

    def read(self, pread: Callable[[int, int], bytes]) -> bytes:
        """
        Make it by reading; may block.

        @param pread: takes length and place in the content, as C{os.pread} does.
        @raise EOFError: there is less than there should be.
        """
        made = b"".join(
            piece if isinstance(piece, bytes) else pread(piece[1], piece[0])
            for piece in self.pieces
        )
        if len(made) != self.length:
            raise EOFError("the stored content is shorter than it was")
        return made


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """
    Send a 416 without content.

    @ivar lines: of the response.
    """

    lines: list[bytes]


def cut(
    asked: Asked,
    head: Head,
    lines: Sequence[bytes],
    *,
    in_file: bool = False,
    boundary: Callable[[], str] = token_hex,
) -> Single | Multipart | Unsatisfiable | None:
    """
    Find the part that a request asks for.

    Only to be called if it asks for one (C{asked.has_range}), after its conditions were judged.

    @param head: a complete response that may be sent.
    @param lines: as they would be sent with the whole.
    @param in_file: the content isn't in memory, so of several ranges only few bytes can be had.
    @param boundary: makes what stands between parts; nobody must be able to guess it, or content could pretend to be
        several parts.
    @return: C{None}: send the whole.
    """
    if asked.method != b"GET" or head.status != 200 or head.part is not None:
        return None
    values = asked.wanted[b"range"]
    if len(values) != 1 or not holds(asked, head):
        return None
    found = ranges_of(values[0], head.length)
    if found is None:
        return None
    if not found:
        return Unsatisfiable([b"Content-Range: bytes */%d" % head.length])
    if len(found) > 1:
        together = _together(found)
        if together is None:
            return None
        found = together
    if len(found) == 1:
        return single_range(lines, found[0], head.length)
    return _multipart(lines, found, head.length, boundary(), FILE_BYTES if in_file else head.length)


def holds(asked: Asked, head: Head) -> bool:
    """
    Judge C{If-Range} (RFC 9110 section 13.1.5).

    A date is compared as it was sent, and only counts if it is a strong validator.
    """
    values = asked.wanted.get(b"if-range")
    if values is None:
        return True
    value = single(values)
    if value[:1] == b'"':
        return same_strong(value, entity_tag(head))
    if not value or value != last_modified(head):
        return False
    modified = read_date(value, head.received)
    made = read_date(single(wanted_index(head.lines).get(b"date")), head.received)
    return modified is not None and made is not None and made - modified >= SURELY_LATER


def ranges_of(value: bytes, length: int) -> list[Extent] | None:
    """
    Read C{Range} for content of some length (RFC 9110 section 14.1.2).

    @return: what there is of each, in the order asked for; empty: nothing of any. C{None}: it is to be ignored.
    """
    unit, equals, rest = value.partition(b"=")
    if not equals or unit.lower() != b"bytes" or len(rest) > _MOST_FIELD_BYTES:
        return None
    found: list[Extent] = []
    count = 0
    for piece in rest.split(b","):
        spec = piece.strip(b" \t")
        if not spec:
            continue
        count += 1
        begin, dash, end = spec.partition(b"-")
        if not dash or count > MOST_RANGES:
            return None
        if not begin:
            if not end.isdigit():
                return None
            size = min(_number(end), length)
            if not length:
                # There are no bytes that a Content-Range could name; an empty response says it as well.
                return None
            if size:
                found.append((length - size, size))
            continue
        if not begin.isdigit():
            return None
        first = _number(begin)
        last = length - 1
        if end:
            if not end.isdigit():
                return None
            asked_last = _number(end)
            if asked_last < first:
                return None
            last = min(last, asked_last)
        if first < length:
            found.append((first, last - first + 1))
    return found if count else None


def single_range(lines: Sequence[bytes], extent: Extent, complete: int) -> Single:
    """
    Make a 206 of one range.

    All fields that describe the content stay even for C{If-Range}, where a client has them already (RFC 9110 section
    15.3.7): what judges a response on its way doesn't.

    @param complete: how long the whole content is; -1: nobody knows.
    """
    first, length = extent
    made = _without(lines, _OF_WHOLE)
    made.append(content_range(extent, complete))
    return Single(made, first, length)


def content_range(extent: Extent, complete: int) -> bytes:
    """Make the line that says which part it is (RFC 9110 section 14.4)."""
    first, length = extent
    whole = b"*" if complete < 0 else b"%d" % complete
    return b"Content-Range: bytes %d-%d/%b" % (first, first + length - 1, whole)


def _without(lines: Sequence[bytes], names: frozenset[bytes]) -> list[bytes]:
    """Leave out fields of some names, all of which begin with one of the C{_INITIALS}."""
    return [
        line
        for line in lines
        if line[:1] not in _INITIALS or line[: line.find(b":")].lower() not in names
    ]


def _number(digits: bytes) -> int:
    """Read a number of any length; one that is too large for any content is one byte beyond all of them."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _MOST_DIGITS else _BEYOND


def _together(found: list[Extent]) -> list[Extent] | None:
    """
    Make ranges one that overlap or lie close together.

    @return: in the order asked for; C{None}: too many overlap, or are in no order.
    """
    order = sorted(range(len(found)), key=found.__getitem__)
    if order != list(range(len(found))) and len(found) > MOST_UNORDERED:
        return None
    overlaps = 0
    joined: list[tuple[int, int, int]] = []
    for number in order:
        first, length = found[number]
        end = first + length
        if joined:
            place, begun, until = joined[-1]
            overlaps += first < until
            if first - until < GAP_BYTES:
                joined[-1] = (min(place, number), begun, max(until, end))
                continue
        joined.append((number, first, end))
    if overlaps > MOST_OVERLAPS:
        return None
    joined.sort()
    return [(begun, until - begun) for _, begun, until in joined]


def _multipart(
    lines: Sequence[bytes], found: list[Extent], complete: int, boundary: str, most: int
) -> Multipart | None:
    mark = b"--" + boundary.encode("ascii")
    media_type = b""
    for line in lines:
        if line[:13].lower() == b"content-type:":
            media_type = line + b"\r\n"
    pieces: list[bytes | Extent] = []
    length = 0
    before = b""
    for extent in found:
        opening = b"%b%b\r\n%b%b\r\n\r\n" % (
            before,
            mark,
            media_type,
            content_range(extent, complete),
        )
        pieces += (opening, extent)
        length += len(opening) + extent[1]
        before = b"\r\n"
    closing = b"\r\n%b--\r\n" % mark
    pieces.append(closing)
    length += len(closing)
    if length >= min(complete, most):
        return None
    made = _without(lines, _OF_ALL_PARTS)
    made.append(b"Content-Type: multipart/byteranges; boundary=" + boundary.encode("ascii"))
    return Multipart(made, length, tuple(pieces))
