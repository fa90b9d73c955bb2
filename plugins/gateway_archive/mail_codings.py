"""
Transfer codings of mail (RFC 2045 section 6), which parts of forms may have too, read as leniently as anyone reads them.

Nothing in them is a fault: whoever looks at what comes out looks at the coded text too.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from gateway_archive.faults import Limits
from gateway_archive.intake import PIECE, Intake

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = bytes(byte for byte in range(256) if byte not in _ALPHABET + b"=")
_FOREIGN_URL = bytes(byte for byte in range(256) if byte not in _ALPHABET + b"=-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")

_SOFT = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]{0,64}\r?\n)")
# What may go on to be one of these in the next piece.
_UNFINISHED = re.compile(rb"=(?:[0-9A-Fa-f]|[ \t]{0,64}\r?)?\Z")


def base64(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo RFC 2045's base64: what is not of its alphabet is skipped, and after padding it goes on."""
    return _base64(source, _FOREIGN, None)


def base64url(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo base64 in either of its alphabets (RFC 4648 section 5)."""
    return _base64(source, _FOREIGN_URL, _FROM_URL)


def _base64(source: Intake, foreign: bytes, table: bytes | None) -> Iterator[bytes]:
    kept = b""
    for piece in source:
        text = kept + piece.translate(table, foreign)
        *padded, text = text.split(b"=")
        out = b"".join(_whole(one) for one in padded)
        size = len(text) // 4 * 4
        out += binascii.a2b_base64(text[:size])
        kept = text[size:]
        if out:
            yield out
    out = _whole(kept)
    if out:
        yield out


def _whole(text: bytes) -> bytes:
    """Decode text that ends here; a single letter at its end says nothing."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def quoted_printable(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo quoted-printable; a C{=} that says nothing stays."""
    kept = b""
    for piece in source:
        text = kept + piece
        unfinished = _UNFINISHED.search(text, max(0, len(text) - 70))
        kept = b"" if unfinished is None else unfinished[0]
        out = _SOFT.sub(_unquoted, text[: len(text) - len(kept)])
        for start in range(0, len(out), PIECE):
            yield out[start : start + PIECE]
    if kept:
        yield kept


def _unquoted(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode("ascii")) if found[1] else b""


def uuencode(source: Intake, limits: Limits) -> Iterator[bytes]:
    """Undo uuencode: every line that can be one of it, whatever is around them."""
    kept = b""
    for piece in source:
        *lines, kept = (kept + piece).split(b"\n")
        # No line of it is longer than 61 letters; some programs put a checksum behind.
        kept = kept[:256]
        out = b"".join(map(_line, lines))
        if out:
            yield out
    out = _line(kept)
    if out:
        yield out


def _line(line: bytes) -> bytes:
    line = line.rstrip(b"\r")
    if not line or line.startswith((b"begin ", b"begin-base64 ")) or line == b"end":
        return b""
    if not 32 <= line[0] <= 96:
        return b""
    size = (line[0] - 32) & 63
    letters = line[1 : 1 + (size + 2) // 3 * 4]
    if not size or any(not 32 <= letter <= 96 for letter in letters):
        return b""
    try:
        return binascii.a2b_uu(line[:1] + letters)
    except binascii.Error:
        return b""
