"""
Codings of content undone for a look at it: those of HTTP (RFC 9110 section 8.4.1) and of mail (RFC 2045 section 6).

Bytes in, bytes out, a few at a time; no more than L{PIECE} of anything is in hand, but for the window that a coding needs. Who
reads must be able to see everything that any client could see. So a checksum that does not fit ends nothing, and what comes
before a damage is given out. Where clients differ in what they take a name for, there is a plan for each (L{plans}).
It must not know where the bytes come from, what becomes of them, or how long it may take: the caller stops asking.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway_archive.deflates import gunzip, undeflate, unzlib
from gateway_archive.faults import Fault, Limits, TooMuch, Unknown, shown
from gateway_archive.intake import PIECE, Intake
from gateway_archive.lzw import uncompress
from gateway_archive.mail_codings import base64, base64url, quoted_printable, uuencode
from gateway_archive.stepping import is_there, unbrotli, unzstd

__all__ = ["MAX_CODINGS", "PIECE", "Decoding", "decode", "plans"]

#: How many codings may lie upon each other.
MAX_CODINGS = 5

_NAMES = {"x-gzip": "gzip", "x-compress": "compress"}
# What servers say there that is no coding; browsers don't know it either, and show the content as it is.
_NOTHING = frozenset(("", "identity", "none", "utf-8", "utf8", "binary", "8bit", "7bit"))
# What clients make of each name, the likeliest first. Several libraries find out by themselves which of the three it is.
_VARIANTS = {
    "gzip": ("gzip", "zlib", "deflate"),
    "deflate": ("zlib", "deflate", "gzip"),
    "br": ("br",),
    "zstd": ("zstd",),
    "compress": ("compress",),
}


def plans(content_encoding: str) -> tuple[tuple[str, ...], ...]:
    """
    Give all ways in which clients undo what C{Content-Encoding} says.

    Most of them end at once, as L{Lying<gateway_archive.faults.Lying>}: the first bytes tell the codings apart. Of several codings
    the innermost may be a lie, so there are ways that stop before it, last.

    @param content_encoding: the whole field, several values joined by commas.
    @return: for each way the codings in the order in which they are undone; empty: nothing is coded.
    @raise Unknown: one of them is not known.
    @raise TooMuch: there are more than L{MAX_CODINGS}.
    """
    names = [name.strip(" \t").lower() for name in content_encoding.split(",", 64)]
    names = [_NAMES.get(name, name) for name in names if name not in _NOTHING]
    if len(names) > MAX_CODINGS:
        raise TooMuch("depth", f"more than {MAX_CODINGS} codings of the content")
    for name in names:
        if name not in _VARIANTS:
            raise Unknown(shown(name), f'there is no content coding "{shown(name)}"')
    variants = [_VARIANTS[name] for name in reversed(names)]
    ways = (itertools.product(*variants[:count]) for count in range(len(variants), 0, -1))
    return tuple(itertools.chain.from_iterable(ways))


def decode(reader: Iterable[bytes], plan: str | Sequence[str], limits: Limits) -> Decoding:
    """
    Undo codings.

    @param reader: what is coded, in pieces of any length.
    @param plan: a coding, or several in the order in which they are undone, such as one of L{plans}: C{gzip}, C{zlib},
        C{deflate} (as raw as it is in RFC 1951), C{br}, C{zstd}, C{compress}, C{base64}, C{base64url},
        C{quoted-printable}, C{uuencode}, C{identity}.
    @raise Unknown: one of them is not known, or the library for it is missing.
    @raise TooMuch: there are more than L{MAX_CODINGS}.
    """
    return Decoding(reader, [plan] if isinstance(plan, str) else list(plan), limits)


class Decoding(Iterator[bytes]):
    """
    What comes out, in pieces of at most L{PIECE} that are never empty.

    A L{Fault} comes when everything before it was given out; what follows it is nothing.

    @ivar taken: bytes taken so far.
    @ivar given: bytes given out so far.
    @ivar trailing: where bytes begin that follow the end and are no further member, as an offset in what was taken;
        C{None}: there are none, which is only said of a single coding after its end.
    @ivar first: where in what was given out the first of several members or frames ended, at which some clients stop;
        C{None}: it is the only one, or there are several codings.
    """

    def __init__(self, reader: Iterable[bytes], plan: list[str], limits: Limits) -> None:
        if len(plan) > MAX_CODINGS:
            raise TooMuch("depth", f"more than {MAX_CODINGS} codings of the content")
        self.given = 0
        self.trailing: int | None = None
        self.first: int | None = None
        self._limits = limits
        self._source = source = Intake(reader)
        #: Further layers whose trailing bytes nobody can be shown the place of.
        self._layers = [source]
        pieces: Iterator[bytes] = iter(source)
        for number, coding in enumerate(plan):
            layer = source if number == 0 else Intake(pieces)
            if number:
                self._layers.append(layer)
            decoder = _decoder(coding)
            pieces = _bounded(decoder(layer, limits), source, limits)
        self._pieces = pieces

    @property
    def taken(self) -> int:
        """Bytes taken so far."""
        return self._source.taken

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._end()
            raise
        except Fault:
            self._end()
            raise
        self.given += len(piece)
        return piece

    def _end(self) -> None:
        for layer in self._layers[1:]:
            if layer.trailing is not None:
                # It is within another coding: its place in what was taken is unknown, so all of it is.
                self.trailing = 0
        if self._layers[0].trailing is not None:
            self.trailing = self._layers[0].trailing
        if len(self._layers) == 1:
            self.first = self._layers[0].first


def _bounded(pieces: Iterator[bytes], source: Intake, limits: Limits) -> Iterator[bytes]:
    """Hold one layer to the limits; each layer is, for what lies between two may be the largest."""
    given = 0
    for piece in pieces:
        room = limits.size - given
        if len(piece) > room:
            if room:
                yield piece[:room]
            raise TooMuch("size", f"more than {limits.size} bytes come out")
        given += len(piece)
        if given > limits.floor and given > limits.ratio * source.taken:
            raise TooMuch("ratio", f"more than {limits.ratio} times its length comes out")
        yield piece


_Decoder = Callable[[Intake, Limits], Iterator[bytes]]


def _decoder(coding: str) -> _Decoder:
    found = _DECODERS.get(coding)
    if found is None:
        raise Unknown(shown(coding), f'there is no coding "{shown(coding)}"')
    if coding in ("br", "zstd") and not is_there(coding):
        raise Unknown(coding, f'the library for the coding "{coding}" is not installed')
    return found


def _identity(source: Intake, limits: Limits) -> Iterator[bytes]:
    yield from source


_DECODERS: dict[str, _Decoder] = {
    "identity": _identity,
    "gzip": gunzip,
    "x-gzip": gunzip,
    "zlib": unzlib,
    "deflate": undeflate,
    "br": unbrotli,
    "zstd": unzstd,
    "compress": uncompress,
    "x-compress": uncompress,
    "base64": base64,
    "base64url": base64url,
    "quoted-printable": quoted_printable,
    "uuencode": uuencode,
}
