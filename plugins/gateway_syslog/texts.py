"""
Texts on their way into a message: what could end a line made visible, times, and what fits into a bound.

Much of an event was chosen by strangers: a URL, a file's name. Nothing of it may begin a message of its own, and nothing may
make a message longer than its receiver takes. Knows no format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

#: What a text that was cut ends with.
CUT = "..."

#: How long texts may be where a message with whole ones is too long; bytes.
_BOUNDS = (4096, 1024, 512, 256, 128, 64, 32, 16)

# C0, DEL, C1, what Unicode calls a line or paragraph separator, and the marks that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Write control characters as C{#} and their number in octal digits, as rsyslog does: a line feed is C{#012}."""
    # Nearly all texts; ten times as quick.
    if text.isprintable():
        return text
    return _CONTROLS.sub(lambda found: f"#{ord(found[0]):03o}", text)


def encoded(text: str) -> bytes:
    """Encode as UTF-8; what has no code there becomes C{?}."""
    return text.encode("utf-8", "replace")


@lru_cache(64)
def stamp(seconds: float) -> str:
    """Write a time as RFC 3339 does, in UTC and microseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Room:
    """
    How much of each text there is room for.

    @ivar is_short: texts are cut.
    @ivar has_details: there is room for the details of an event, too.
    """

    __slots__ = ("_bytes", "has_details", "is_short")

    def __init__(self, most_bytes: int | None = None, *, has_details: bool = True) -> None:
        """
        Say how much.

        @param most_bytes: of each text; C{None}: all.
        """
        self.is_short = most_bytes is not None
        self.has_details = has_details
        self._bytes = most_bytes

    def cut(self, text: str) -> str:
        """Give as much of a text as there is room for."""
        most = self._bytes
        if most is None:
            return text
        # No character has less than one byte, so that long texts are not encoded whole.
        coded = encoded(text[: most + 1])
        if len(coded) <= most:
            return text
        return coded[: most - len(CUT)].decode("utf-8", "ignore") + CUT


def fitted(write: Callable[[Room], bytes], most_bytes: int) -> bytes:
    """
    Write something so that it is no longer than a bound, with as much of its texts as possible.

    @param write: writes it, within some room; without details it has to fit.
    """
    made = write(Room())
    if len(made) <= most_bytes:
        return made
    for bound in _BOUNDS:
        if bound < most_bytes:
            made = write(Room(bound))
            if len(made) <= most_bytes:
                return made
    return write(Room(_BOUNDS[-1], has_details=False))
