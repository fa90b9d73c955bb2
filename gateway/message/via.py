"""
The Via field: our own entry, and loops told by it (RFC 9110 section 7.6.3).

A loop is a request that has been here before: some entry's received-by is our pseudonym. So the pseudonym has to be
this instance's alone, and two gateways in a chain need two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MARK = re.compile(rb"[()\\]")


class Via:
    """
    One instance's entry in Via.

    @ivar lines: the field line to add, by the minor version of the message as it was received (0 or 1).
    """

    __slots__ = ("_pseudonym", "lines")

    def __init__(self, pseudonym: str) -> None:
        """
        Prepare the entry.

        @raise ValueError: the pseudonym is not a token.
        """
        if not _TOKEN.fullmatch(pseudonym):
            raise ValueError(f"{pseudonym!r} is not a token and can't stand in Via")
        self._pseudonym = pseudonym.lower().encode("ascii")
        entry = pseudonym.encode("ascii")
        self.lines = (b"Via: 1.0 " + entry, b"Via: 1.1 " + entry)

    def seen(self, values: Iterable[bytes]) -> bool:
        """
        Tell whether a message has been here before.

        @param values: the values of all its Via lines.
        """
        for value in values:
            value = value.lower()
            # Nearly always the answer: who isn't mentioned at all isn't received-by either.
            if self._pseudonym in value and self._received(value):
                return True
        return False

    def _received(self, value: bytes) -> bool:
        if b"(" in value:
            value = _without_comments(value)
        for entry in value.split(b","):
            # received-protocol RWS received-by; a comment may have followed.
            parts = entry.split(None, 2)
            if len(parts) > 1 and parts[1] == self._pseudonym:
                return True
        return False


def _without_comments(value: bytes) -> bytes:
    """
    Blank out comments; they may nest, and hold quoted pairs.

    A parenthesis that is never closed begins no comment: it would hide all entries behind it, ours among them. One pass
    without backtracking: a field of any length is read in time that grows with it alone.
    """
    opened: list[int] = []
    comments: list[tuple[int, int]] = []
    escaped = -1
    for found in _MARK.finditer(value):
        at = found.start()
        if at == escaped:
            continue
        if found[0] == b"(":
            opened.append(at)
        elif found[0] == b")":
            if opened:
                begin = opened.pop()
                while comments and comments[-1][0] > begin:
                    comments.pop()
                comments.append((begin, at + 1))
        elif opened:
            escaped = at + 1
    kept: list[bytes] = []
    end = 0
    for begin, after in comments:
        kept.append(value[end:begin])
        end = after
    kept.append(value[end:])
    return b" ".join(kept)
