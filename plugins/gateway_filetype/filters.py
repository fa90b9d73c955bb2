"""
Judge content by its first bytes as it streams by; nothing of it is changed.

Content of a declared length is kept back until its kind is sure, 8 KiB at the most. What has no declared length may be a stream
of events, which must not wait for more: it passes as it comes, is judged with each piece, and breaks off where it shows what it
is. Either way what is refused is never complete.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.api import Block, BodyFilter, ContentRefused
from gateway_filetype.coding import Head, Undecodable
from gateway_filetype.forms import File, FormReader, UnreadableForm

#: Says what follows for a head, and whether it is all that is looked at; C{None}: it may pass.
Judge = Callable[[bytes, bool], Block | None]
#: Says what follows for a part of a form.
JudgeFile = Callable[[File], Block | None]
#: Says what follows for what can't be read, and why it can't.
Unreadable = Callable[[str], Block | None]

#: So much is looked at, and kept back, at the most, of coded content that takes long to show its first bytes.
MOST_KEPT = 256 * 1024


class HeadFilter(BodyFilter):
    """Judges one message."""

    changes_length = False

    def __init__(
        self, judge: Judge, unreadable: Unreadable, content_encoding: str | None, *, waits: bool
    ) -> None:
        """
        Begin.

        @param waits: its length is declared, so that it can be kept back.
        """
        self._judge = judge
        self._unreadable = unreadable
        self._head = Head(content_encoding)
        self._waits = waits
        self._kept = b""
        self._taken = 0
        self._over = False

    def data(self, chunk: bytes) -> bytes:
        """
        Look at a piece.

        @raise ContentRefused: it is of a kind that may not pass.
        """
        if self._over:
            return chunk
        head = self._head
        try:
            head.take(chunk)
        except Undecodable as error:
            # Whoever gets it takes it as it is, or not at all.
            why = f"It is not coded as it says: {error}"
            self._decide(self._judge(head.raw, True) or self._unreadable(why))
            return self._pass_on(chunk)
        if head.why:
            self._decide(self._judge(head.raw, True) or self._unreadable(head.why))
            return self._pass_on(chunk)
        if head.is_full:
            self._finish()
            return self._pass_on(chunk)
        self._taken += len(chunk)
        if self._taken > MOST_KEPT:
            self._decide(self._unreadable("Its first bytes do not show within 256 KiB of it"))
            return self._pass_on(chunk)
        if self._waits:
            self._kept += chunk
            return b""
        if head.bytes:
            self._refuse(self._judge(head.bytes, False))
        return chunk

    def end(self) -> bytes:
        """
        Take the end: there is no more of it.

        @raise ContentRefused: it is of a kind that may not pass.
        """
        if self._over:
            return b""
        self._finish()
        return self._pass_on(b"")

    def _finish(self) -> None:
        head = self._head
        found = self._judge(head.bytes, True) if head.bytes else None
        if found is None and head.is_coded and head.raw[:2] not in _CODED:
            # Something else than it says, for whoever does not look at the coding.
            found = self._judge(head.raw, False)
        self._decide(found)

    def _pass_on(self, chunk: bytes) -> bytes:
        kept, self._kept = self._kept, b""
        return kept + chunk if kept else chunk

    def _decide(self, block: Block | None) -> None:
        self._over = True
        self._refuse(block)

    def _refuse(self, block: Block | None) -> None:
        if block is not None:
            self._over = False
            raise ContentRefused(block)


#: How content of a coding with a signature begins: gzip, zlib in its usual ways, Zstandard.
_CODED = frozenset((b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"(\xb5"))


class Refuse(BodyFilter):
    """Lets nothing by of what is refused for its head, where a plugin in front allowed it before it could be judged."""

    changes_length = False

    def __init__(self, block: Block) -> None:
        """Begin."""
        self._block = block

    def data(self, chunk: bytes) -> bytes:
        """
        Refuse.

        @raise ContentRefused: always.
        """
        raise ContentRefused(self._block)


class FormFilter(BodyFilter):
    """Judges each file in a form; the delimiter behind a file that is refused never passes."""

    changes_length = False

    def __init__(self, content_type: str, judge: JudgeFile, unreadable: Unreadable) -> None:
        """Begin."""
        self._judge = judge
        self._unreadable = unreadable
        self._reader: FormReader | None = None
        self._why = ""
        try:
            self._reader = FormReader(content_type, self._judged)
        except UnreadableForm as error:
            self._why = str(error)

    def data(self, chunk: bytes) -> bytes:
        """
        Look at a piece.

        @raise ContentRefused: a file in it may not pass.
        """
        if self._reader is not None:
            try:
                self._reader.take(chunk)
            except UnreadableForm as error:
                self._reader = None
                self._why = str(error)
        if self._why:
            why, self._why = self._why, ""
            self._refuse(self._unreadable(why))
        return chunk

    def end(self) -> bytes:
        """
        Take the end.

        @raise ContentRefused: the last part is a file that may not pass.
        """
        if self._reader is not None:
            self._reader.finish()
        return b""

    def _judged(self, file: File) -> None:
        self._refuse(self._judge(file))

    def _refuse(self, block: Block | None) -> None:
        if block is not None:
            raise ContentRefused(block)
