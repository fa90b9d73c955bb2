"""
Brotli and Zstandard, by libraries that lose what they had when they fail, and whose objects can't be copied.

So there are two of each, and one goes ahead. Where it fails the other one, still a step behind, goes on byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from gateway_archive.deflates import BEGINNING
from gateway_archive.faults import Broken, Limits, Lying, TooMuch
from gateway_archive.intake import PIECE, Intake

# What a library is given at once.
_STEP = 4096

_brotli: Any = None
with suppress(ImportError):
    _brotli = import_module("brotli")
_zstd: Any = None
with suppress(ImportError):
    _zstd = import_module("backports.zstd")

_SKIPPABLE = frozenset(bytes((0x50 + number,)) for number in range(16))


def is_there(coding: str) -> bool:
    """Tell whether the library for C{br} or C{zstd} is installed."""
    return (_brotli if coding == "br" else _zstd) is not None


def unbrotli(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo brotli (RFC 7932)."""
    given = 0
    try:
        for out in _stepped(source, limits, _Brotli):
            given += len(out)
            yield out
    except ValueError:
        kind = Broken if given >= BEGINNING else Lying
        raise kind("its compressed data is damaged") from None
    except EOFError:
        raise Broken("it is cut short") from None
    source.end_here()


def unzstd(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo Zstandard (RFC 8878): frames, and such that are to be skipped."""
    if not _is_frame(source.peek(4)):
        raise Lying("it does not begin like zstd's format")
    given = 0
    while True:
        try:
            for out in _stepped(source, limits, _Zstd):
                given += len(out)
                yield out
        except ValueError:
            raise Broken("its compressed data is damaged") from None
        except EOFError:
            raise Broken("it is cut short") from None
        if not _is_frame(source.peek(4)):
            break
        if source.first is None and given:
            source.first = given
    source.end_here()


def _is_frame(head: bytes) -> bool:
    return head == b"\x28\xb5\x2f\xfd" or (head[:1] in _SKIPPABLE and head[1:] == b"\x2a\x4d\x18")


class _Brotli:
    """RFC 7932 in steps."""

    def __init__(self, limits: Limits) -> None:
        self._decoder = _brotli.Decompressor()

    @property
    def wants(self) -> bool:
        """Whether it takes more, or has to be asked for what it holds back."""
        return bool(self._decoder.can_accept_more_data())

    @property
    def ended(self) -> bool:
        return bool(self._decoder.is_finished())

    #: It does not tell what follows its end but fails.
    unused = b""

    def feed(self, data: bytes, most: int) -> bytes:
        """
        Take bytes and give some.

        @raise ValueError: they are damaged.
        """
        try:
            return bytes(self._decoder.process(data, output_buffer_limit=most))
        except _brotli.error:
            raise ValueError from None


class _Zstd:
    """One frame of RFC 8878 in steps."""

    def __init__(self, limits: Limits) -> None:
        window = max(10, limits.window.bit_length() - 1)
        self._decoder = _zstd.ZstdDecompressor(
            options={_zstd.DecompressionParameter.window_log_max: min(window, 31)}
        )

    @property
    def wants(self) -> bool:
        return bool(self._decoder.needs_input)

    @property
    def ended(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> bytes:
        return bytes(self._decoder.unused_data) if self._decoder.eof else b""

    def feed(self, data: bytes, most: int) -> bytes:
        """
        Take bytes and give some.

        @raise ValueError: they are damaged.
        @raise TooMuch: it needs a larger window than it may.
        """
        try:
            return bytes(self._decoder.decompress(data, most))
        except _zstd.ZstdError as error:
            if "too much memory" in str(error):
                raise TooMuch("window", "it needs a larger window than it may have") from None
            raise ValueError from None


def _stepped(source: Intake, limits: Limits, kind: type[_Brotli] | type[_Zstd]) -> Iterator[bytes]:
    """
    Decode one stream or frame, which leaves the rest unread.

    @raise ValueError: it is damaged; all before it was given out.
    @raise EOFError: it is cut short.
    """
    ahead, behind = kind(limits), kind(limits)
    while not behind.ended:
        piece = source.piece(_STEP)
        if not piece:
            raise EOFError
        data = piece
        while True:
            try:
                ahead.feed(data, PIECE)
            except ValueError:
                yield from _crawled(source, data, behind)
                return
            out = behind.feed(data, PIECE)
            if out:
                yield from _sliced(out)
            data = b""
            if behind.ended or (behind.wants and not out):
                break
    source.unread(behind.unused)


def _crawled(source: Intake, data: bytes, decoder: _Brotli | _Zstd) -> Iterator[bytes]:
    """Decode byte by byte, up to the one that is damaged or to the end."""
    out = bytearray()
    at = 0
    step = data[:1]
    damage: ValueError | None = None
    while not decoder.ended:
        try:
            more = decoder.feed(step, 1)
        except ValueError as error:
            damage = error
            break
        out += more
        step = b""
        if decoder.wants and not more and not decoder.ended:
            at += 1
            step = data[at : at + 1]
            if not step:
                damage = ValueError()
                break
        if len(out) >= PIECE:
            yield from _sliced(bytes(out))
            out.clear()
    yield from _sliced(bytes(out))
    if damage is not None:
        raise damage
    source.unread(data[at + 1 :])


def _sliced(out: bytes) -> Iterator[bytes]:
    for start in range(0, len(out), PIECE):
        yield out[start : start + PIECE]
