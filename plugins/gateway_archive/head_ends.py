"""
Where the heads of parts and messages end, for each of those who read them.

Most want an empty line with CRLF twice, and others are content with any two line ends, or with blanks between them, or take the
first line that is no field for content. How much work it may be does not depend on who sends it.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from gateway_archive.part_heads import Head, read_head

#: The longest head, in bytes.
MAX_HEAD = 64 * 1024
#: How much is read at once to see what follows a delimiter; that is enough for nearly every head.
LOOK = 2048
#: What is nothing.
BLANK = b" \t\r\n\0"

LINE_END = re.compile(rb"\r\n|\r|\n")

# For all heads of one piece of content together. Ten thousand ordinary ones have less.
_WORK_BYTES = 4 << 20

_STRICT = b"\r\n\r\n"
_ENDS = (
    re.compile(rb"\r\n\r\n"),
    re.compile(rb"\r?\n\r?\n"),
    re.compile(rb"\r\n\r\n|\r\r|\n\n"),
    re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)"),
    re.compile(rb"(?>\r\n|\r|\n)[ \t]*(?>\r\n|\r|\n)"),
    re.compile(rb"\n[ \t\r\f\v]*\n"),
)
# Lines that can belong to a head: with a name and a colon, or going on with the line before. For some nothing may be around
# the name that is none of it; for others any colon will do.
_FIELDS = (
    re.compile(rb"(?:(?:[ \t][^\r\n]*+|[!-9;-~]++:[^\r\n]*+)(?>\r\n|\r|\n))*+"),
    re.compile(rb"(?:(?:[ \t][^\r\n]*+|[^\r\n:]*+:[^\r\n]*+)(?>\r\n|\r|\n))*+"),
)


class HeadEnds:
    """
    Finds them in one piece of content.

    @ivar wrong: why some head may have another end, or say more, than was found; empty: none.
    """

    def __init__(self, source: BinaryIO) -> None:
        self.wrong = ""
        self._source = source
        self._work = _WORK_BYTES
        # What is known of the next CRLF twice: from where it was looked for, up to where, and where its end is (-1: nowhere).
        self._known = (0, 0, -1)

    def behind_delimiter(self, at: int) -> tuple[dict[int, Head], bool]:
        """
        Find where content can begin behind a delimiter.

        @param at: where its boundary ends.
        @return: the places in the content, each with the head before it, and whether the head has an end.
        """
        text = read(self._source, at, LOOK)
        first = LINE_END.search(text)
        if first is None and len(text) == LOOK and self._may(MAX_HEAD):
            text = read(self._source, at, MAX_HEAD)
            first = LINE_END.search(text)
        if first is None:
            # The end of the content, or a line that goes on and on: then all of it is what may be content.
            rest = text.strip(BLANK + b"-")
            return ({at: Head()} if rest else {}), not rest
        return self._places(at, text, first.end(), (0, first.end()))

    def of_message(self, at: int) -> tuple[dict[int, Head], bool]:
        """
        Find where the content of a message can begin.

        @param at: where its head begins.
        @return: as of L{behind_delimiter}.
        """
        # As if a line end stood in front of it.
        text = read(self._source, at, LOOK)
        if text.startswith((b"\r", b"\n")):
            return {at: Head()}, True
        return self._places(at, text, 0, (0,))

    def _places(
        self, at: int, text: bytes, begin: int, from_where: tuple[int, ...]
    ) -> tuple[dict[int, Head], bool]:
        found = _ends(text, from_where)
        is_whole = len(text) < LOOK or LOOK < len(text) < MAX_HEAD
        if not found and len(text) == LOOK and self._may(MAX_HEAD):
            text = read(self._source, at, MAX_HEAD)
            is_whole = len(text) < MAX_HEAD
            found = _ends(text, from_where)
        has_end = bool(found)
        places = {at + end for end in found}
        if not has_end:
            places.add(at + begin)
        strict = -1 if is_whole or _STRICT in text else self._next_strict(at)
        if strict > at + len(text):
            places.add(strict)
        # Some take the first line that can't be one of a head for the first of the content.
        places.update(at + _first_content(text, begin, fields) for fields in _FIELDS)
        heads = {place: self._head(at + begin, place) for place in sorted(places)}
        return heads, has_end

    def _next_strict(self, at: int) -> int:
        """Find the end of the next CRLF twice; what begins with it may stand before that, but no one counts it twice."""
        begin, end, place = self._known
        if begin <= at and (at <= place - len(_STRICT) if place >= 0 else at + MAX_HEAD <= end):
            return place if place <= at + MAX_HEAD else -1
        text = read(self._source, at, 4 * MAX_HEAD)
        offset = text.find(_STRICT)
        place = -1 if offset < 0 else at + offset + len(_STRICT)
        is_whole = len(text) < 4 * MAX_HEAD
        self._known = (at, (1 << 62) if is_whole else at + len(text) - len(_STRICT), place)
        return place if place <= at + MAX_HEAD else -1

    def _head(self, begin: int, end: int) -> Head:
        if end <= begin or not self._may(end - begin):
            return Head()
        return read_head(read(self._source, begin, end - begin))

    def _may(self, count: int) -> bool:
        if count > self._work:
            self.wrong = self.wrong or "there is too much in its heads to look at all of it"
            return False
        self._work -= count
        return True


def read(source: BinaryIO, at: int, count: int) -> bytes:
    """Read so much from somewhere, less only at the end."""
    source.seek(at)
    found = source.read(count)
    while len(found) < count:
        more = source.read(count - len(found))
        if not more:
            break
        found += more
    return found


def _ends(text: bytes, from_where: tuple[int, ...]) -> set[int]:
    # Without any field the line end of the delimiter begins the empty line for some.
    matches = (pattern.search(text, begin) for pattern in _ENDS for begin in from_where)
    return {match.end() for match in matches if match is not None}


def _first_content(text: bytes, begin: int, fields: re.Pattern[bytes]) -> int:
    """Give the place behind an empty line, or that of a line that is no field."""
    match = fields.match(text, begin)
    at = begin if match is None else match.end()
    blank = LINE_END.match(text, at)
    return at if blank is None else blank.end()
