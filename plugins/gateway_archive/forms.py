"""
Forms, mail and all that has parts (RFC 2046, RFC 7578), divided so that a scanner sees every part that any server could.

Servers differ in what ends a part: some want a whole line with CRLF in front, others are content with LF, or look at the
beginning of the line only, or find the boundary anywhere. They differ as well in what ends a head. So all places that could be
a delimiter for anyone are found first, each with how lenient one must be to take it for one; then a part goes from each of
them to the next one of each leniency. In an honest form these are the same, and each part is given once.

The content is a file to read from any place; parts are windows of it and nothing is copied. It must not know what becomes
of parts, nor follow them inwards: a part that has parts itself is for the caller to split again, to a depth of its choice.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway_archive.faults import Broken, Fault, Limits, TooMuch
from gateway_archive.head_ends import BLANK, LINE_END, LOOK, MAX_HEAD, HeadEnds, read
from gateway_archive.intake import PIECE
from gateway_archive.part_heads import (
    MOST,
    Head,
    boundaries,
    is_container,
    media_type,
)

__all__ = ["Kind", "Part", "is_container", "split"]

# Shorter boundaries are not looked for without their dashes: they would be found everywhere.
_BARE = 8


class Kind(enum.Enum):
    """Where in the content something was."""

    PART = "part"
    PREAMBLE = "preamble"
    EPILOGUE = "epilogue"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part, as somebody reads it.

    @ivar kind: where it was; C{BODY}: behind the head of a message.
    @ivar start: where it begins in the content.
    @ivar size: its length in bytes, never 0.
    @ivar head: what it declares.
    """

    kind: Kind
    start: int
    size: int
    head: Head
    _source: BinaryIO = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the form's field; empty: it has none."""
        return self.head.name

    @property
    def filename(self) -> str:
        """The likeliest name of the file; empty: it is none."""
        return self.head.filenames[0] if self.head.filenames else ""

    @property
    def content_types(self) -> tuple[str, ...]:
        """Each type that is declared, whole."""
        return self.head.content_types

    @property
    def media_type(self) -> str:
        """The first type that is declared, without parameters; empty: there is none."""
        return media_type(self.head.content_types[0]) if self.head.content_types else ""

    @property
    def codings(self) -> tuple[str, ...]:
        """The codings that are declared: some undo them, others don't."""
        return self.head.codings

    def chunks(self) -> Iterator[bytes]:
        """Give the content; others may be read at the same time."""
        at, end = self.start, self.start + self.size
        while at < end:
            self._source.seek(at)
            piece = self._source.read(min(PIECE, end - at))
            if not piece:
                return
            at += len(piece)
            yield piece


def split(source: BinaryIO, content_type: str, limits: Limits) -> Iterator[Part]:
    """
    Give all parts that anyone could see in some content, in their order; each stretch of it once.

    @param source: all of it; it is read here and there as long as parts are asked for.
    @param content_type: as declared, for which L{is_container} holds.
    @raise Broken: after all parts: a head or the content has no end, there is no part at all, or it can be read in more ways
        than were tried.
    @raise TooMuch: C{files}: there are more parts.
    """
    if re.search(r"multipart", content_type, re.I) is None:
        yield from _message(source, limits)
        return
    default = (
        "message/rfc822" if re.search(r"multipart[ \t]*/[ \t]*digest", content_type, re.I) else ""
    )
    yield from _Splitter(source, limits, default).parts(content_type)


def _message(source: BinaryIO, limits: Limits) -> Iterator[Part]:
    """Divide a message into its head, which is read, and what follows it."""
    size = source.seek(0, 2)
    text = read(source, 0, MAX_HEAD)
    ends = HeadEnds(source)
    blank = len(text) - len(text.lstrip(b"\r\n"))
    starts, has_end = ends.of_message(blank)
    for start, head in starts.items():
        if start < size:
            yield Part(Kind.BODY, start, size - start, head, source)
    if not has_end and size - blank >= MAX_HEAD:
        raise Broken("the head of the message has no end")
    if ends.wrong:
        raise Broken(ends.wrong)


# What readers accept in front of a boundary and behind it, by the levels of L{_Cut}.
_BEFORE = [frozenset(range(level + 1)) for level in range(5)]
_BEHIND = [frozenset(range(level + 1)) for level in range(6)]
# Two dashes may tell enough to who is strict otherwise.
_BEHIND += [frozenset((*range(level + 1), 4)) for level in range(3)]
_BEHIND += [frozenset((*range(level + 1), 3, 4)) for level in range(2)]


@dataclass(frozen=True, slots=True)
class _Cut:
    """
    What someone could take for a delimiter.

    @ivar before: how lenient he must be about what is in front of it: 0: it is at the beginning of the content or behind CRLF,
        as RFC 2046 section 5.1.1 wants it; 1: behind LF; 2: behind CR; 3: anywhere; 4: anywhere, and without its dashes.
    @ivar behind: and about what is behind it: 0: CRLF, or two dashes and the end of the line; 1: LF; 2: blanks and then one of
        these; 3: CR or the end of the content; 4: two dashes and anything; 5: anything.
    @ivar end: where the content before it ends.
    @ivar after: where the boundary in it ends.
    @ivar closes: two dashes follow.
    """

    before: int
    behind: int
    end: int
    after: int
    closes: bool


class _Splitter:
    def __init__(self, source: BinaryIO, limits: Limits, default: str) -> None:
        self._source = source
        self._limits = limits
        self._default = default
        self._size = source.seek(0, 2)
        self._seen: set[tuple[int, int]] = set()
        self._wrong = ""
        self._ends = HeadEnds(source)

    def parts(self, content_type: str) -> Iterator[Part]:
        if not self._size:
            return
        candidates = list(boundaries(content_type))
        if len(candidates) > MOST:
            del candidates[MOST:]
            self._wrong = "it declares more boundaries than can be tried"
        likeliest = candidates[:1]
        first = self._first_line()
        if first and not {first, first.removesuffix(b"--")}.intersection(candidates):
            candidates.append(first)
        found = False
        ended = False
        fault: Fault | None = None
        for boundary in candidates:
            try:
                cuts = self._cuts(boundary)
                if not cuts:
                    continue
                if not found or [boundary] == likeliest:
                    ended = any(cut.closes for cut in cuts)
                found = True
                yield from self._divided(cuts)
            except TooMuch as error:
                # What another boundary says may still be seen.
                fault = fault or error
        if fault is not None:
            raise fault
        if not found:
            raise Broken("it is said to have parts and has none")
        if not ended:
            self._wrong = self._wrong or "its last part has no end"
        wrong = self._wrong or self._ends.wrong
        if wrong:
            raise Broken(wrong)

    def _first_line(self) -> bytes:
        """Give the boundary that the content itself seems to have, for who does not look for it elsewhere."""
        text = read(self._source, 0, 512).lstrip(b"\r\n")
        line = LINE_END.split(text, maxsplit=1)[0].rstrip(b" \t")
        return line[2:] if line.startswith(b"--") else b""

    def _cuts(self, boundary: bytes) -> list[_Cut]:
        """Find everything that could be a delimiter, in order."""
        is_bare = len(boundary) >= _BARE and boundary.strip(b"-") != b""
        needle = boundary if is_bare else b"--" + boundary
        cuts: list[_Cut] = []
        for at in _occurrences(self._source, needle):
            if len(cuts) >= 2 * self._limits.parts:
                raise TooMuch("files", f"a form has more than {self._limits.parts} parts")
            cuts.append(self._cut(at, at + len(needle), is_bare))
        return cuts

    def _cut(self, at: int, after: int, is_bare: bool) -> _Cut:
        begin = max(0, at - 4)
        text = read(self._source, begin, at - begin)
        before = 4
        if not is_bare or text.endswith(b"--"):
            before = 3
            if is_bare:
                text = text[:-2]
                at -= 2
        end = at
        if text.endswith(b"\r\n"):
            end -= 2
        elif text.endswith((b"\r", b"\n")):
            end -= 1
        if before == 3:
            if at == 0 or end == at - 2:
                before = 0
            elif end == at - 1:
                before = 1 if text.endswith(b"\n") else 2
        text = read(self._source, after, LOOK)
        rest = text.lstrip(b" \t")
        padded = len(rest) < len(text)
        if not rest and len(text) == LOOK:
            self._wrong = self._wrong or "a delimiter has no end"
        closes = rest.startswith(b"--")
        if closes:
            rest = rest[2:].lstrip(b" \t")
            if rest.startswith((b"\r\n", b"\n")) or not rest:
                behind = 2 if padded else 0
            else:
                behind = 3 if rest.startswith(b"\r") else 4
        elif rest.startswith(b"\r\n"):
            behind = 2 if padded else 0
        elif rest.startswith(b"\n"):
            behind = 2 if padded else 1
        else:
            behind = 3 if not rest or rest.startswith(b"\r") else 5
        return _Cut(before, behind, end, after, closes)

    def _divided(self, cuts: list[_Cut]) -> Iterator[Part]:
        """Give what lies between each and the next one for each reader."""
        readings: dict[tuple[int, ...], None] = {}
        for before in _BEFORE:
            for behind in _BEHIND:
                seen = (
                    number
                    for number, cut in enumerate(cuts)
                    if cut.before in before and cut.behind in behind
                )
                # For most readers they are the same.
                readings[tuple(seen)] = None
        readers = [
            ([cuts[number].end for number in reading], frozenset(reading))
            for reading in readings
            if reading
        ]
        for ends, _ in readers:
            yield from self._window(Kind.PREAMBLE, 0, ends[0], Head())
        last = len(cuts) - 1
        for number, cut in enumerate(cuts):
            kind = Kind.EPILOGUE if cut.closes and number == last else Kind.PART
            for start, head in self._contents(cut).items():
                if not head.content_types and self._default and kind is Kind.PART:
                    head = Head(head.name, head.filenames, (self._default,), head.codings)
                for ends, seen_by in readers:
                    # A delimiter whose line end is that of the head is none for some; for the others nothing is between.
                    place = bisect_left(ends, start)
                    if place < len(ends):
                        yield from self._window(kind, start, ends[place], head)
                    elif number in seen_by:
                        yield from self._window(kind, start, self._size, head)

    def _contents(self, cut: _Cut) -> dict[int, Head]:
        """Find where content can begin behind a delimiter."""
        starts, has_end = self._ends.behind_delimiter(cut.after)
        if cut.closes:
            # Nothing is dropped unseen, not even what is left of that line.
            text = read(self._source, cut.after, LOOK)
            rest = text.find(b"--") + 2
            if LINE_END.split(text[rest:], maxsplit=1)[0].strip(BLANK):
                starts.setdefault(cut.after + rest, Head())
        elif not has_end and cut.before <= 2 and cut.behind <= 3:
            self._wrong = self._wrong or "the head of a part has no end"
        return starts

    def _window(self, kind: Kind, start: int, end: int, head: Head) -> Iterator[Part]:
        if start >= end or (start, end) in self._seen:
            return
        part = Part(kind, start, end - start, head, self._source)
        if kind is not Kind.PART and not any(chunk.strip(BLANK) for chunk in part.chunks()):
            return
        if len(self._seen) >= self._limits.parts:
            raise TooMuch("files", f"a form has more than {self._limits.parts} parts")
        self._seen.add((start, end))
        yield part


def _occurrences(source: BinaryIO, needle: bytes) -> Iterator[int]:
    """Find all places of some bytes."""
    kept = b""
    at = 0
    while True:
        source.seek(at)
        piece = source.read(PIECE)
        if not piece:
            return
        text = kept + piece
        base = at - len(kept)
        at += len(piece)
        begin = 0
        while (place := text.find(needle, begin)) >= 0:
            yield base + place
            begin = place + len(needle)
        # What overlaps the next piece, without what was found already.
        kept = text[max(begin, len(text) - len(needle) + 1) :]
