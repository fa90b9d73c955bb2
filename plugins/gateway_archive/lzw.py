"""
The coding of compress(1), LZW with codes that grow: C{Content-Encoding: compress} and C{.Z} files.

It is not in any RFC (RFC 9110 section 8.4.1.1 names it); this is read as the program does, with its blocks of eight codes. Plain
Python, so it is slow: some MiB a second.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway_archive.faults import Broken, Limits, Lying
from gateway_archive.intake import PIECE, Intake

_CLEAR = 256


def uncompress(source: Intake, limits: Limits) -> Iterator[bytes]:
    """
    Undo it, up to the end of what there is: the format has none of its own.

    @raise Lying: it does not begin like that.
    @raise Broken: a code has no meaning.
    """
    head = source.read(3)
    if len(head) < 3 or head[:2] != b"\x1f\x9d":
        raise Lying("it does not begin like the format of compress")
    most = head[2] & 31
    if not 9 <= most <= 16:
        raise Broken("its codes have a length that is not in use")
    has_clear = bool(head[2] & 128)
    # Each entry is an earlier one and one byte more; the first 256 are the bytes.
    prefixes = [0] * 256
    suffixes = bytearray(range(256))
    if has_clear:
        prefixes.append(0)
        suffixes.append(0)
    width = 9
    out = bytearray()
    last = -1
    final = 0
    while True:
        # Codes of one width come in blocks of eight, and a block is left unfinished where the width changes.
        full = width
        block = source.read(full)
        count = len(block) * 8 // full
        bits = int.from_bytes(block, "little")
        for _ in range(count):
            code = bits & ((1 << width) - 1)
            bits >>= width
            if code == _CLEAR and has_clear:
                del prefixes[257:]
                del suffixes[257:]
                last, width = -1, 9
                break
            if last < 0:
                if code > 255:
                    if out:
                        yield bytes(out)
                    raise Broken("a code has no meaning")
                final = code
                out.append(code)
                last = code
                continue
            entries = len(prefixes)
            if code > entries or (code == entries and entries >= 1 << most):
                if out:
                    yield bytes(out)
                raise Broken("a code has no meaning")
            reverse = bytearray()
            at = code
            if code == entries:
                reverse.append(final)
                at = last
            while at > 255:
                reverse.append(suffixes[at])
                at = prefixes[at]
            reverse.append(at)
            final = at
            reverse.reverse()
            out += reverse
            if entries < 1 << most:
                prefixes.append(last)
                suffixes.append(final)
            last = code
            while len(out) >= PIECE:
                yield bytes(out[:PIECE])
                del out[:PIECE]
            if len(prefixes) >= 1 << width and width < most:
                width += 1
                break
        if len(block) < full:
            break
    if out:
        yield bytes(out)
