"""
Deflate (RFC 1951) and its two wrappings: gzip (RFC 1952) and zlib's format (RFC 1950).

The wrappings are read here and not by zlib, which throws away what it had when a checksum is wrong: not all clients look at those.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from gateway_archive.faults import Broken, Limits, Lying
from gateway_archive.intake import PIECE, Intake

#: What fails before it gave out as much was never that coding.
BEGINNING = 4096


def gunzip(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo gzip, one member or several; zeros may follow each, as on tapes."""
    wrong = ""
    given = members = 0
    if source.peek(2) != b"\x1f\x8b":
        raise Lying("it does not begin like gzip's format")
    while True:
        wrong = _gzip_head(source) or wrong
        crc = size = 0
        for out in _inflate(source, marked=True):
            crc = zlib.crc32(out, crc)
            size += len(out)
            yield out
        given += size
        members += 1
        check = source.read(8)
        if len(check) < 8:
            raise Broken("it is cut short")
        if check != crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"):
            # Not all clients look at it, so what follows counts too.
            wrong = "its checksum is wrong"
        at = source.at
        source.skip_zeros()
        if source.peek(3) != b"\x1f\x8b\x08":
            break
        if source.first is None:
            source.first = given
    if source.peek(1):
        source.end_here(at)
    if wrong:
        raise Broken(wrong)


def unzlib(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo zlib's format."""
    head = source.read(2)
    if len(head) < 2 or head[0] & 15 != 8 or head[0] >> 4 > 7 or (head[0] << 8 | head[1]) % 31:
        raise Lying("it does not begin like zlib's format")
    if head[1] & 32:
        raise Broken("it needs a dictionary that nobody has")
    adler = 1
    for out in _inflate(source, marked=False):
        adler = zlib.adler32(out, adler)
        yield out
    check = source.read(4)
    if len(check) < 4:
        raise Broken("it is cut short")
    source.end_here()
    if int.from_bytes(check) != adler:
        raise Broken("its checksum is wrong")


def undeflate(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo deflate as it is, without any wrapping."""
    yield from _inflate(source, marked=False)
    source.end_here()


def _gzip_head(source: Intake) -> str:
    """
    Skip the head of a member.

    @return: what is wrong with it, although it can be read on.
    """
    head = source.read(10)
    if len(head) < 10:
        raise Broken("it is cut short")
    flags = head[3]
    if head[2] != 8:
        raise Broken("its method of compression is unknown")
    crc = zlib.crc32(head)
    if flags & 4:
        size = source.read(2)
        crc = zlib.crc32(source.read(int.from_bytes(size, "little")), zlib.crc32(size, crc))
    for flag in (8, 16):
        if flags & flag:
            for piece in source.through(b"\0"):
                crc = zlib.crc32(piece, crc)
    if flags & 2 and source.read(2) != (crc & 0xFFFF).to_bytes(2, "little"):
        return "the checksum of its head is wrong"
    return "its head has flags of no meaning" if flags & 0xE0 else ""


def _inflate(source: Intake, marked: bool) -> Iterator[bytes]:
    """
    Inflate up to the end of the deflate stream, which leaves the rest unread.

    @param marked: a mark was found in front of it, so it is what it is said to be.
    """
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    given = 0
    while not inflating.eof:
        piece = source.piece()
        if not piece:
            raise Broken("it is cut short")
        # A library object as it was, for the case that it fails; zlib then loses what it had.
        before, since = inflating.copy(), 0
        left = piece
        while True:
            try:
                out = inflating.decompress(left, PIECE)
            except zlib.error:
                for out in _until_damage(before, piece, since):
                    given += len(out)
                    yield out
                kind = Broken if marked or given >= BEGINNING else Lying
                raise kind("its compressed data is damaged") from None
            left = inflating.unconsumed_tail
            since += len(out)
            given += len(out)
            if out:
                yield out
            if inflating.eof or (not left and len(out) < PIECE):
                break
    source.unread(inflating.unused_data)


def _until_damage(inflating: Any, piece: bytes, skip: int) -> Iterator[bytes]:
    """Inflate again byte by byte, up to the one that is damaged, and give what had not been given."""
    kept = bytearray()
    for number in range(len(piece)):
        try:
            kept += inflating.decompress(piece[number : number + 1])
        except zlib.error:
            break
        if skip:
            gone = min(skip, len(kept))
            del kept[:gone]
            skip -= gone
        if len(kept) >= PIECE // 2:
            yield bytes(kept)
            kept.clear()
    if kept:
        yield bytes(kept)
