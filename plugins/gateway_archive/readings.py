"""
As what some content can be opened: by its first bytes, its last ones, and what stands behind a program or a picture.

Content that is two things at once is opened as both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway_archive.blobs import Blob
from gateway_archive.signatures import (
    DISC,
    DISC_AT,
    END_OF_ZIP,
    HEAD_BYTES,
    TAIL_BYTES,
    behind,
    kind_at_start,
)

#: Behind these something of another kind that looks like an archive is just a member of theirs.
_SOLID = frozenset(("zip", "7z", "rar", "tar", "cab", "ar", "cpio", "iso", "xar", "warc", "rpm"))


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One way to open it.

    @ivar kind: such as C{zip}.
    @ivar start: where it begins.
    @ivar is_guess: nothing but a few bytes speaks for it, so if it can't be opened it isn't one.
    """

    kind: str
    start: int = 0
    is_guess: bool = False


def readings(blob: Blob) -> list[Reading]:
    """Give all ways to open it; none: nothing is packed in it."""
    if blob.size < 16:
        return []
    head = blob.read(0, HEAD_BYTES)
    kind = kind_at_start(head)
    found = [Reading(kind)] if kind else []
    if kind != "zip" and END_OF_ZIP in blob.read(max(0, blob.size - TAIL_BYTES), TAIL_BYTES):
        found.append(Reading("zip", is_guess=True))
    if blob.read(DISC_AT, 5) == DISC:
        found.append(Reading("iso"))
    if kind not in _SOLID:
        found.extend(_behind(blob, head))
    return found


def _behind(blob: Blob, head: bytes) -> Iterator[Reading]:
    """Look for archives behind the start, as their unpackers do."""
    signatures, end = behind(head, blob.size)
    for signature, kind in signatures:
        at = 0
        # A program that unpacks itself has the signature in its code as well.
        for _ in range(8):
            at = blob.find(signature, at + 1, end)
            if at < 0:
                break
            yield Reading(kind, at, is_guess=True)
