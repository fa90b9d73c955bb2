"""
The first bytes of content as they are behind its content coding (RFC 9110 section 8.4).

Only as much is decoded as the kind of a file shows by, with an end to what comes out of each piece, so that a bomb costs
no more than anything else. gzip and deflate are always known, br and zstd where their libraries are installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Protocol

#: So many first bytes tell the kind of a file.
HEAD = 8192

# What a decoder takes at once: what one piece makes of it, at the most, is bounded by HEAD anyway.
_PIECE = 4096


class Undecodable(Exception):
    """What came is not in this coding."""


class _Decoder(Protocol):
    """Undoes one coding."""

    def __call__(self, data: bytes, most: int) -> bytes:
        """
        Give what the data decodes to, of which some may be given later.

        @raise Exception: it is not so coded.
        """


class _Zlib:
    """gzip and deflate; the latter is zlib by the standard, and bare by what many send."""

    def __init__(self, window: int, other: int | None = None) -> None:
        self._window = window
        self._other = other
        self._begun = b""
        self._object = zlib.decompressobj(window)

    def __call__(self, data: bytes, most: int) -> bytes:
        found = b""
        data = self._object.unconsumed_tail + data
        while data and len(found) < most:
            try:
                part = self._object.decompress(data, most - len(found))
            except zlib.error:
                if self._other is None:
                    raise
                self._window, self._other = self._other, None
                self._object = zlib.decompressobj(self._window)
                data, self._begun = self._begun + data, b""
                continue
            found += part
            if part:
                self._other = None
            if self._other is not None:
                self._begun += data
            if not self._object.eof:
                break
            # Another member may follow (RFC 1952 section 2.2).
            data = self._object.unused_data
            self._object = zlib.decompressobj(self._window)
        return found


def _brotli() -> Callable[[], _Decoder] | None:
    try:
        import brotli
    except ImportError:
        return None
    made = brotli.Decompressor()
    if not hasattr(made, "can_accept_more_data"):
        # Older versions give out all at once, however much that is.
        return None

    class Brotli:
        def __init__(self) -> None:
            self._object = brotli.Decompressor()
            self._kept = b""

        def __call__(self, data: bytes, most: int) -> bytes:
            self._kept += data
            found = b""
            while len(found) < most:
                # Data may only be given where all that came before was taken.
                given = b""
                if self._object.can_accept_more_data():
                    given, self._kept = self._kept, b""
                part: bytes = self._object.process(given, output_buffer_limit=most - len(found))
                found += part
                if not part and not self._kept:
                    break
                if self._object.is_finished():
                    break
            return found

    return Brotli


def _zstd() -> Callable[[], _Decoder] | None:
    try:
        from backports import zstd
    except ImportError:
        return None
    # More than 128 MiB of window no browser takes (RFC 8878 section 3.1.1.1.2 names 8 MiB).
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}

    class Zstd:
        def __init__(self) -> None:
            self._object: Any = zstd.ZstdDecompressor(options=options)

        def __call__(self, data: bytes, most: int) -> bytes:
            found = b""
            while len(found) < most:
                if self._object.eof:
                    data = self._object.unused_data + data
                    self._object = zstd.ZstdDecompressor(options=options)
                    if not data:
                        break
                part: bytes = self._object.decompress(data, most - len(found))
                data = b""
                found += part
                if not part and not self._object.eof:
                    break
            return found

    return Zstd


def _known() -> dict[str, Callable[[], _Decoder]]:
    found: dict[str, Callable[[], _Decoder]] = {
        "gzip": lambda: _Zlib(47),
        "deflate": lambda: _Zlib(15, -15),
    }
    for name, made in (("br", _brotli()), ("zstd", _zstd())):
        if made is not None:
            found[name] = made
    return found


_KNOWN = _known()
_ALIASES = {"x-gzip": "gzip"}
#: Codings that browsers undo.
_REAL = frozenset(("gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"))
#: Those of them that can't be undone here.
UNKNOWN = frozenset(_REAL - frozenset(_KNOWN))


class Head:
    """
    The first bytes of some content, undone as they come.

    @ivar bytes: those so far, L{HEAD} at the most.
    @ivar raw: the first bytes as they came.
    @ivar why: why it can't be undone; empty while it can.
    """

    __slots__ = ("_decoders", "bytes", "raw", "why")

    def __init__(self, content_encoding: str | None) -> None:
        """
        Begin.

        What is no coding that a browser would undo, such as C{utf-8}, is as if it were not there.

        @param content_encoding: the field, as it is.
        """
        self.bytes = b""
        self.raw = b""
        self.why = ""
        self._decoders: list[_Decoder] = []
        if content_encoding:
            names = [name.strip().lower() for name in content_encoding.split(",")]
            for name in reversed([_ALIASES.get(name, name) for name in names if name in _NAMES]):
                made = _KNOWN.get(name)
                if made is None or len(self._decoders) == _MOST_CODINGS:
                    self.why = f"The content coding {name} can't be undone here"
                    self._decoders = []
                    return
                self._decoders.append(made())

    @property
    def is_coded(self) -> bool:
        """A coding is undone."""
        return bool(self._decoders)

    @property
    def is_full(self) -> bool:
        """No more is needed."""
        return len(self.bytes) >= HEAD

    def take(self, data: bytes) -> None:
        """
        Take the next piece.

        @raise Undecodable: it is not so coded; C{raw} may still be looked at.
        """
        if len(self.raw) < HEAD:
            self.raw += data[: HEAD - len(self.raw)]
        if not self._decoders:
            self.bytes = self.raw
            return
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            try:
                for decoder in self._decoders:
                    piece = decoder(piece, HEAD)
            except Exception as error:
                raise Undecodable(str(error)) from error
            self.bytes = (self.bytes + piece)[:HEAD]
            if self.is_full:
                return


_MOST_CODINGS = 3
_NAMES = _REAL | frozenset(_ALIASES)


def acceptable(accept_encoding: str) -> str | None:
    """
    Give what is left of an C{Accept-Encoding} without the codings that can't be undone here.

    @return: C{None} if it names none of those; C{"identity"} if nothing else is left.
    """
    if not UNKNOWN:
        return None
    kept = []
    parts = [part.strip() for part in accept_encoding.split(",")]
    for part in parts:
        name = part.partition(";")[0].strip().lower()
        if name not in UNKNOWN and name != "*":
            kept.append(part)
    return None if len(kept) == len(parts) else ", ".join(kept) or "identity"
