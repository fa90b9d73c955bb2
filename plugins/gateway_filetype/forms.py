"""
The files in a form as it streams by (RFC 7578): the first bytes of each, with the name and the type it is sent under.

Read more leniently than any server does: a delimiter is one wherever it stands, and a line may end without CR. So at worst
there are parts too many, and never a file that nobody looked at. Nothing is kept but the head of one part, the first bytes of
its content, and what may be the begin of a delimiter.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

from gateway_filetype.coding import HEAD
from gateway_filetype.names import media_type, of_disposition

#: The head of a part may have so many bytes.
MAX_HEAD = 16384

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^;\s,"]{1,200}))', re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n\r?\n")


class UnreadableForm(Exception):
    """Nobody can say what is in it."""


class File:
    """
    One part of a form.

    @ivar name: its file's name; empty: it is an ordinary field.
    @ivar media: its declared type.
    @ivar head: its first bytes so far, L{HEAD} at the most.
    @ivar is_all: no more of it comes, or is looked at.
    """

    __slots__ = ("head", "is_all", "is_base64", "media", "name")

    def __init__(self, fields: bytes) -> None:
        self.head = b""
        self.is_all = False
        self.name = ""
        self.media = ""
        self.is_base64 = False
        for line in re.split(rb"\r?\n(?![ \t])", fields):
            name, _, value = line.partition(b":")
            said = value.strip().decode("utf-8", "replace")
            match name.strip().lower():
                case b"content-disposition":
                    self.name = of_disposition(f";{said}") or self.name
                case b"content-type":
                    self.media = media_type(said)
                case b"content-transfer-encoding":
                    self.is_base64 = said.lower() == "base64"

    @property
    def decoded(self) -> bytes:
        """What the head is behind base64; empty if it is nothing of the kind."""
        text = b"".join(self.head.split())
        try:
            return binascii.a2b_base64(text[: len(text) // 4 * 4])
        except binascii.Error:
            return b""


class FormReader:
    """Finds the files in one form."""

    def __init__(self, content_type: str, judge: Callable[[File], None]) -> None:
        """
        Begin before the first part.

        @param judge: called with each part whenever there is more of its head, until it C{is_all}.
        @raise UnreadableForm: no boundary is declared.
        """
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise UnreadableForm("The form declares no boundary")
        self._delimiter = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
        self._judge = judge
        self._kept = b""
        self._in_head = False
        # Up to where there is no end of the head.
        self._searched = 0
        self._file: File | None = None

    def take(self, data: bytes) -> None:
        """
        Take a piece.

        @raise UnreadableForm: the head of a part has no end.
        """
        data = self._kept + data
        while True:
            if self._in_head:
                if data in (b"", b"-"):
                    self._kept = data
                    return
                if data.startswith(b"--"):
                    # The end; who goes on behind it is looked at all the same.
                    self._in_head = False
                    continue
                blank = _BLANK.search(data, self._searched, MAX_HEAD + 4)
                if blank is None:
                    if len(data) > MAX_HEAD:
                        raise UnreadableForm("The head of a part of the form is too long")
                    self._kept = data
                    self._searched = max(len(data) - 3, 0)
                    return
                self._in_head = False
                # Up to the end of the delimiter's line there is nothing of the head.
                self._file = File(data[: blank.start()].partition(b"\n")[2])
                data = data[blank.end() :]
            at = data.find(self._delimiter)
            if at < 0:
                keep = min(len(data), len(self._delimiter) + 1)
                self._content(data[: len(data) - keep])
                self._kept = data[len(data) - keep :]
                return
            self._content(data[:at].removesuffix(b"\n").removesuffix(b"\r"))
            self._end_part()
            data = data[at + len(self._delimiter) :]
            self._in_head = True
            self._searched = 0

    def finish(self) -> None:
        """Take the end: what is left belongs to the last part."""
        if not self._in_head:
            self._content(self._kept)
        self._end_part()

    def _content(self, data: bytes) -> None:
        file = self._file
        if file is None or file.is_all or not data:
            return
        file.head += data[: HEAD - len(file.head)]
        file.is_all = len(file.head) >= HEAD
        self._judge(file)

    def _end_part(self) -> None:
        file, self._file = self._file, None
        if file is not None and not file.is_all:
            file.is_all = True
            self._judge(file)
