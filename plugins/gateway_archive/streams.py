"""
Files that are one packed stream, or several behind one another: bzip2, xz, LZMA. Those that are content codings too are in L{codings}.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import Any

from gateway_archive.blobs import PIECE_BYTES, Blob
from gateway_archive.faults import Broken
from gateway_archive.zips import MEMORY_BYTES, attempt


class Stream:
    """
    One file; iterate over it for what is in it.

    @ivar trailing: afterwards: where something begins that is no part of it; C{None}: nothing does.
    """

    def __init__(self, blob: Blob, kind: str) -> None:
        """
        Begin.

        @param kind: C{bzip2}, C{xz} or C{lzma}.
        """
        self.trailing: int | None = None
        self._blob = blob
        self._kind = kind
        self._start = _STARTS[kind]

    def __iter__(self) -> Iterator[bytes]:
        """
        Give what is in it.

        @raise Fault: it is damaged or cut short; what there is was given before.
        """
        at = 0
        is_first = True
        while at < self._blob.size:
            decoder: Any = _DECODERS[self._kind]()
            begin = at
            while not decoder.eof:
                data = b""
                if decoder.needs_input:
                    data = self._blob.read(at, PIECE_BYTES)
                    at += len(data)
                    if not data:
                        raise Broken("it is cut short")
                piece = attempt(decoder, data)
                if piece:
                    yield piece
            at -= len(decoder.unused_data)
            is_first = False
            if self._kind == "xz":
                at = self._padding(at)
            if self._blob.read(at, len(self._start)) != self._start or at == begin:
                break
        if at < self._blob.size and not is_first:
            self.trailing = at

    def _padding(self, at: int) -> int:
        """Go over zeros between streams, in fours."""
        while self._blob.read(at, 4) == bytes(4):
            at += 4
        return at


def _xz() -> Any:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_BYTES)


def _alone() -> Any:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, MEMORY_BYTES)


_DECODERS: dict[str, Callable[[], Any]] = {"bzip2": bz2.BZ2Decompressor, "xz": _xz, "lzma": _alone}
#: What another stream begins with. LZMA has none that could be told from anything else.
_STARTS = {"bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "lzma": b"\0no other"}
