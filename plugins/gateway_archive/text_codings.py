"""
Content that is written in text: base64 in JSON, in C{data:} URLs, in fields of forms, or as all of a body (RFC 4648).

Text is not parsed, for there is no text so broken that nobody reads it: what is looked for is a run of letters that base64 could
be, as JSON (RFC 8259), URLs and mail may write it. Neither the text nor what comes out is ever whole in memory.

Lines of a run that are shorter than that and indented are not joined, either. What is short, and neither text nor begins like any file worth it, is left out: identifiers and keys look like that, in hundreds. Other ways
to write bytes as text (hexadecimal, programs that put them together) are not undone.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway_archive.codings import decode
from gateway_archive.faults import Limits, TooMuch
from gateway_archive.intake import PIECE

__all__ = ["Found", "is_text", "texts"]

# What is not longer than this must look like something.
_SHORT = 512
# What has more letters than this is not short, however they are written.
_LONG = 2 * 6 * _SHORT
# What is short must begin like one of these, or be text.
_STARTS = (
    b"MZ",
    b"\x7fELF",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"PK",
    b"Rar!",
    b"7z\xbc\xaf",
    b"MSCF",
    b"\x1f\x8b",
    b"\x1f\x9d",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"\xd0\xcf\x11\xe0",
    b"%PDF",
    b"{\\rt",
    b"L\0\0\0\x01\x14",
    b"#!",
    b"\xff\xfe",
    b"\xfe\xff",
)
# No run is cut within an escape.
_ESCAPE = 8

_LETTER = rb"[A-Za-z0-9+/_\-]"
# The numbers of these letters, of "+/-_" and of "=", in hexadecimal.
_CODE = rb"(?:2[bBdDfF]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
_OTHER = (
    rb"\\(?:/|[rn]|u00(?:" + _CODE + rb"|0[aAdD]))|%(?:" + _CODE + rb"|0[aAdD])|(?:\r\n?|\n)[ \t]*+"
)
_BEGIN = b"(?<!" + _LETTER + b")(?:" + _LETTER + b"|" + _OTHER + b")"
_MORE = re.compile(b"(?:" + _LETTER + b"++|" + _OTHER + b")*+")
_PADDING = re.compile(rb"(?:=|\\u003[dD]|%3[dD]){0,3}")
_WRITTEN = re.compile(rb"\\u00([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|\\([/rn])")
_UNFINISHED = re.compile(rb"(?:\\(?:u[0-9a-fA-F]{0,3})?|%[0-9a-fA-F]?)\Z")

# Letters of a run and whatever may write one; blanks that follow the end of a line are not looked at.
_SHAPE = bytes(
    ord("a") if re.match(rb"[A-Za-z0-9+/_\-\\%\r\n]", bytes((byte,))) else ord(" ")
    for byte in range(256)
)
_READABLE = bytes((9, 10, 13, *range(32, 127)))

_FOREIGN = bytes(byte for byte in range(256) if not re.match(rb"[A-Za-z0-9+/]", bytes((byte,))))
_FOREIGN_URL = bytes(byte for byte in _FOREIGN if byte not in b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")

_NOT_TEXT = re.compile(
    r"(?:image/(?!svg)|audio/|video/|font/|multipart/|message/|application/(?:zip|gzip|x-7z|x-rar|vnd\.rar|x-xz|zstd|pdf|wasm))"
)


@dataclass(frozen=True, slots=True)
class Found:
    """
    Something that is written in text.

    @ivar at: where in the text it begins.
    @ivar kind: the coding: C{base64}, or C{base64url} where its other alphabet makes a difference.
    @ivar size: bytes that it has at most.
    """

    at: int
    kind: str
    size: int
    _source: BinaryIO = field(repr=False, compare=False)
    _end: int = field(repr=False, compare=False)
    _limits: Limits = field(repr=False, compare=False)

    def chunks(self) -> Iterator[bytes]:
        """Give what is written there."""
        return decode(_unwritten(self._source, self.at, self._end), self.kind, self._limits)


def is_text(media_type: str) -> bool:
    """Tell whether content of a type may be text; only what surely is not is none."""
    return _NOT_TEXT.match(media_type) is None


def texts(
    source: BinaryIO, limits: Limits, *, most: int = 1000, least: int = 24
) -> Iterator[Found]:
    """
    Find what is written in some text.

    @param source: all of it; it is read here and there as long as something is asked for.
    @param most: how much is given at most.
    @param least: bytes that it must have.
    @raise TooMuch: C{files}: there is more of it.
    """
    letters = (least * 4 + 2) // 3
    begin = re.compile(_BEGIN + b"{%d}" % letters)
    size = source.seek(0, 2)
    at = given = 0
    while at < size:
        # The byte before tells whether a run begins here.
        base = max(0, at - 1)
        text = _read(source, base, PIECE)
        is_last = base + len(text) >= size
        for start, end, marks in _runs(source, base, at - base, text, begin, letters, is_last):
            at = end
            for kind in _kinds(marks):
                run = text[start - base : end - base]
                if len(run) == end - start <= _SHORT and not _is_worth(_decoded(run, kind), least):
                    continue
                found = Found(start, kind, (end - start) * 3 // 4 + 3, source, end, limits)
                if end - start <= _LONG and not _is_worth(_head(found), least):
                    continue
                if given >= most:
                    raise TooMuch("files", f"more than {most} pieces are written in text")
                given += 1
                yield found
        if is_last and at < base + len(text):
            return
        # A run may have begun near the end; each of its letters has six bytes at most.
        at = max(at, at + 1 if is_last else base + len(text) - letters * _ESCAPE)


def _runs(
    source: BinaryIO,
    base: int,
    offset: int,
    text: bytes,
    begin: re.Pattern[bytes],
    letters: int,
    is_last: bool,
) -> Iterator[tuple[int, int, set[bytes]]]:
    """
    Find the runs that begin in one piece of the text, and follow the last of them beyond it.

    @param base: where in the source the piece begins.
    @param offset: where in it to begin.
    @return: the start and the end of each in the source, and which of the marks that the alphabets differ in are in it.
    """
    # Nearly all of any text is ruled out by this, without a look at each letter.
    shape = text.translate(_SHAPE)
    wanted = b"a" * letters
    while (offset := shape.find(wanted, offset)) >= 0:
        stop = shape.find(b" ", offset)
        stop = len(text) if stop < 0 else stop
        match = begin.search(text, offset, stop)
        if match is None:
            offset = stop
            continue
        start = match.start()
        more = _MORE.match(text, start)
        end = start if more is None else more.end()
        if len(text) - end <= 3 * _ESCAPE and not is_last:
            yield (base + start, *_extent(source, base + start))
            return
        marks = _marks(text[start:end])
        padding = _PADDING.match(text, end)
        offset = end if padding is None else padding.end()
        yield base + start, base + offset, marks


def _extent(source: BinaryIO, start: int) -> tuple[int, set[bytes]]:
    """
    Follow a run.

    @return: its end, and which of the marks that the alphabets differ in are in it.
    """
    at = start
    marks: set[bytes] = set()
    while True:
        text = _read(source, at, PIECE)
        match = _MORE.match(text)
        end = 0 if match is None else match.end()
        marks |= _marks(text[:end])
        at += end
        if not end or len(text) - end > _ESCAPE or len(text) < PIECE:
            break
    match = _PADDING.match(_read(source, at, 20))
    return at + (0 if match is None else match.end()), marks


def _marks(run: bytes) -> set[bytes]:
    if b"%" in run or b"\\" in run:
        run = _WRITTEN.sub(_letter, run)
    return {mark for mark in (b"+", b"/", b"-", b"_") if mark in run}


def _kinds(marks: set[bytes]) -> tuple[str, ...]:
    if not marks & {b"-", b"_"}:
        return ("base64",)
    return ("base64", "base64url") if marks & {b"+", b"/"} else ("base64url",)


def _is_worth(data: bytes, least: int) -> bool:
    """
    Tell whether something could be in it.

    @param data: all of it, if it is short, or more than is short.
    """
    if len(data) > _SHORT:
        return True
    return len(data) >= least and (data.startswith(_STARTS) or _is_readable(data))


def _decoded(run: bytes, kind: str) -> bytes:
    """Decode a short run at once: there are very many of them."""
    if b"\\" in run or b"%" in run:
        run = _WRITTEN.sub(_letter, run)
    run = (
        run.translate(_FROM_URL, _FOREIGN_URL)
        if kind == "base64url"
        else run.translate(None, _FOREIGN)
    )
    if len(run) % 4 == 1:
        run = run[:-1]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


def _head(found: Found) -> bytes:
    head = b""
    for chunk in found.chunks():
        head += chunk
        if len(head) > _SHORT:
            break
    return head


def _is_readable(data: bytes) -> bool:
    return len(data.translate(None, _READABLE)) * 10 <= len(data)


def _unwritten(source: BinaryIO, at: int, end: int) -> Iterator[bytes]:
    """Give a run as it is without any escapes; what is no letter is left to be skipped."""
    kept = b""
    while at < end:
        piece = _read(source, at, min(PIECE, end - at))
        if not piece:
            return
        at += len(piece)
        text = kept + piece
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _ESCAPE)) if at < end else None
        kept = b"" if unfinished is None else unfinished[0]
        yield _WRITTEN.sub(_letter, text[: len(text) - len(kept)])


def _letter(found: re.Match[bytes]) -> bytes:
    number = found[1] or found[2]
    if number:
        return bytes.fromhex(number.decode("ascii"))
    return b"/" if found[3] == b"/" else b""


def _read(source: BinaryIO, at: int, count: int) -> bytes:
    source.seek(at)
    found = source.read(count)
    while len(found) < count:
        more = source.read(count - len(found))
        if not more:
            break
        found += more
    return found
