"""
The parts of a form as it streams by (RFC 7578, RFC 2046 section 5.1): their names, types and sizes.

Nothing is kept but the head of one part and what may be the begin of a delimiter. What is no well-formed form is not
refused here: it is content without parts, and the limit on the whole holds.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from gateway_upload_limit.rules import Limit

#: The head of a part may have so many bytes.
MAX_HEAD = 8192
_MAX_PADDING = 256
_MAX_NAME = 100

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\\]{1,70})"|([!#-+\--:<-~]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(filename\*|filename|name)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.I)


class _At(enum.Enum):
    CONTENT = enum.auto()
    DELIMITER = enum.auto()
    HEAD = enum.auto()
    EPILOGUE = enum.auto()


class HeadTooLong(Exception):
    """The head of a part has more than L{MAX_HEAD} bytes, so that nobody can say what the part is."""


def boundary_of(content_type: str) -> bytes | None:
    """Give the boundary that a C{Content-Type} declares, C{None} if it declares none."""
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]).encode("latin-1") if found is not None else None


class PartReader:
    """
    Reads one form.

    @ivar what: the part that content belongs to now, such as C{the file "a.png"}; empty outside of parts.
    @ivar file: its file name for people; empty if it is no file.
    @ivar media: its type, in lower case and without parameters.
    @ivar limit: of the part; C{None}: it has none of its own.
    @ivar has_limits: some part may have one.
    """

    def __init__(self, boundary: bytes, limit_of: Callable[[str], Limit | None] | None) -> None:
        """
        Begin before the first part.

        @param limit_of: gives the limit of a file by its media type; C{None}: files have no limits of their own.
        """
        self.what = ""
        self.file = ""
        self.media = ""
        self.limit: Limit | None = None
        self.has_limits = limit_of is not None
        self._limit_of = limit_of
        self._delimiter = b"\r\n--" + boundary
        self._at = _At.CONTENT
        # The first delimiter may begin the content, without a line end of its own.
        self._kept = b"\r\n"
        self._size = 0

    def read(self, data: bytes) -> bool:
        """
        Take content.

        @return: a file is longer than its limit: the one that C{what} names.
        @raise HeadTooLong: the head of a part is.
        """
        data = self._kept + data
        self._kept = b""
        while data:
            if self._at is _At.CONTENT:
                data, more = self._content(data)
                if self._is_over(self._size):
                    return True
            elif self._at is _At.DELIMITER:
                data, more = self._after_delimiter(data)
            elif self._at is _At.HEAD:
                data, more = self._head(data)
            else:
                return False
            if not more:
                self._kept = data
                return False
        return False

    def finish(self) -> bool:
        """
        Take the end of the content; what could have begun a delimiter was content after all.

        @return: as of L{read}.
        """
        return self._at is _At.CONTENT and self._is_over(self._size + len(self._kept))

    # Each takes what there is and gives what it left, and whether that is worth another look now.

    def _is_over(self, size: int) -> bool:
        return self.limit is not None and 0 < self.limit.count < size

    def _content(self, data: bytes) -> tuple[bytes, bool]:
        at = data.find(self._delimiter)
        if at >= 0:
            self._size += at
            self._at = _At.DELIMITER
            return data[at + len(self._delimiter) :], True
        # Some last bytes may begin a delimiter.
        kept = min(len(data), len(self._delimiter) - 1)
        self._size += len(data) - kept
        return data[len(data) - kept :], False

    def _after_delimiter(self, data: bytes) -> tuple[bytes, bool]:
        if data == b"-":
            return data, False
        if data[:2] == b"--":
            self._close()
            self._at = _At.EPILOGUE
            return b"", False
        end = data.find(b"\r\n", 0, _MAX_PADDING)
        if end >= 0 and not data[:end].strip(b" \t"):
            self._close()
            self._at = _At.HEAD
            # The line end stays, for it may begin the empty line after a head without fields.
            return data[end:], True
        if end < 0 and len(data) < _MAX_PADDING and not data.strip(b" \t\r"):
            return data, False
        # A text that only begins like a delimiter is content.
        self._size += len(self._delimiter)
        self._at = _At.CONTENT
        return data, True

    def _head(self, data: bytes) -> tuple[bytes, bool]:
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end >= 0:
            self._open(data[:end])
            self._at = _At.CONTENT
            # With its line end: a delimiter may follow at once.
            return self._reopened(data[end + 4 :])
        if len(data) >= MAX_HEAD:
            raise HeadTooLong
        return data, False

    def _reopened(self, rest: bytes) -> tuple[bytes, bool]:
        self._size = -2
        return b"\r\n" + rest, True

    def _open(self, head: bytes) -> None:
        self.media = "text/plain"
        names: dict[str, str] = {}
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-type":
                self.media = value.partition(b";")[0].strip().lower().decode("latin-1")
            elif name.strip().lower() == b"content-disposition":
                names = _names(value)
        self.file = names.get("filename*") or names.get("filename") or ""
        if self.file:
            self.what = f'the file "{self.file}"'
        elif names.get("name"):
            self.what = f'the field "{names["name"]}"'
        else:
            self.what = "a part without a name"
        self.limit = None if self._limit_of is None else self._limit_of(self.media)

    def _close(self) -> None:
        self.what = self.file = self.media = ""
        self.limit = None
        self._size = 0


def _names(disposition: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(disposition.decode("latin-1")):
        raw = (re.sub(r"\\(.)", r"\1", quoted) or token).encode("latin-1")
        if name.lower() == "filename*":
            # UTF-8''name (RFC 8187); forms should not have it, but some do.
            raw = unquote_to_bytes(raw.rpartition(b"'")[2])
        found.setdefault(name.lower(), _shown(raw.decode("utf-8", "replace")))
    return found


def _shown(name: str) -> str:
    """Make a name that a client made up fit to be shown: without folders, control characters and excess."""
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(c if c.isprintable() and c != '"' else "?" for c in name)
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
