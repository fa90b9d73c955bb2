"""
The members of a ZIP archive, unpacked by the directory and, where they say something else, by the headers in front of them.

The methods of today are undone here, with the standard library; for old ones the archive goes to libarchive. What lies in
the archive and belongs to nothing is given out too: a reader that goes another way may find a member there.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from gateway_archive.blobs import PIECE_BYTES, Blob
from gateway_archive.faults import Broken, Fault, Limits, TooMuch
from gateway_archive.zip_layout import Entry

STORED, DEFLATED, BZIP2, LZMA, ZSTD_OLD, ZSTD, XZ = 0, 8, 12, 14, 20, 93, 95
#: Methods that are undone here.
METHODS = frozenset((STORED, DEFLATED, BZIP2, LZMA, ZSTD_OLD, ZSTD, XZ))
#: Methods that only libarchive undoes: Deflate64 and PPMd.
OTHER_METHODS = frozenset((9, 98))

#: Memory that a decoder may take.
MEMORY_BYTES = 256 << 20
_LZMA_HEAD = 9


class Decoder(Protocol):
    """What the decoders of the standard library have in common."""

    @property
    def eof(self) -> bool:
        """Whether it is at its end."""

    @property
    def needs_input(self) -> bool:
        """Whether it has nothing more to give before it gets more."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Decode a piece."""


def unpacked(
    blob: Blob, entry: Entry, decode: Callable[[Iterator[bytes], str, Limits], Any]
) -> Iterator[bytes]:
    """
    Give the content of a member, piece by piece.

    @param blob: the archive.
    @param decode: undoes a content coding, for the methods that are ones.
    @raise Fault: it is not what is said; what there is was given before.
    """
    packed = blob.cut(entry.data, entry.data + entry.packed)
    crc = 0
    size = 0
    for piece in _pieces(packed, entry, decode):
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        yield piece
    if entry.size >= 0:
        if packed.size < entry.packed:
            raise Broken("it is cut short")
        if size != entry.size:
            raise Broken("it has another length than is said")
        if crc != entry.crc:
            raise Broken("its checksum is wrong")


def _pieces(
    packed: Blob, entry: Entry, decode: Callable[[Iterator[bytes], str, Limits], Any]
) -> Iterator[bytes]:
    match entry.method:
        case 0:
            if entry.size < 0:
                raise Broken("nothing says where it ends")
            return packed.pieces()
        case 8:
            return _inflated(packed, entry.size >= 0)
        case 12:
            return _decoded(packed, 0, bz2.BZ2Decompressor())
        case 14:
            return _lzma(packed, entry)
        case 20 | 93:
            return iter(decode(packed.pieces(), "zstd", Limits(1 << 62, 1 << 30)))
        case 95:
            return _decoded(packed, 0, lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_BYTES))
    raise Fault("method", f"nothing here unpacks the method {entry.method}")


def _inflated(packed: Blob, is_exact: bool) -> Iterator[bytes]:
    inflating = zlib.decompressobj(-15)
    for data in packed.pieces():
        while data and not inflating.eof:
            try:
                piece = inflating.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise Broken("it is damaged") from None
            if piece:
                yield piece
            data = inflating.unconsumed_tail
        if inflating.eof:
            break
    while not inflating.eof:
        # What is still in the decoder.
        try:
            piece = inflating.decompress(b"", PIECE_BYTES)
        except zlib.error:
            break
        if not piece:
            break
        yield piece
    if not inflating.eof:
        raise Broken("it is cut short")


def _decoded(packed: Blob, start: int, decoder: Decoder) -> Iterator[bytes]:
    at = start
    while not decoder.eof:
        data = b""
        if decoder.needs_input:
            data = packed.read(at, PIECE_BYTES)
            at += len(data)
            if not data:
                raise Broken("it is cut short")
        piece = attempt(decoder, data)
        if piece:
            yield piece


def attempt(decoder: Decoder, data: bytes) -> bytes:
    """
    Decode a piece.

    @raise Fault: it can't be decoded.
    """
    try:
        return decoder.decompress(data, PIECE_BYTES)
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        if "memory" in str(error).lower():
            raise TooMuch("window", "it takes too much memory to unpack") from None
        raise Broken("it is damaged") from None
    except MemoryError:
        raise TooMuch("window", "it takes too much memory to unpack") from None


def _lzma(packed: Blob, entry: Entry) -> Iterator[bytes]:
    head = packed.read(0, _LZMA_HEAD)
    if len(head) < _LZMA_HEAD or head[2:4] != b"\x05\0":
        raise Broken("it is damaged")
    has_mark = bool(entry.flags & 2) or entry.size < 0
    size = b"\xff" * 8 if has_mark else entry.size.to_bytes(8, "little")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_ALONE, MEMORY_BYTES)
    # The same header as that of a file, but for the length.
    piece = attempt(decoder, head[4:] + size)
    if piece:
        yield piece
    yield from _decoded(packed, _LZMA_HEAD, decoder)
