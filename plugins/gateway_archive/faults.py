"""
What may go wrong while something packed is read: the only exceptions that come out of the readers of this plugin.

They say what is the matter with the content, never what becomes of it: that is configured.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20


class Fault(Exception):
    """
    The content could not be read to its end.

    @ivar which: a short token that says what was the matter.
    @ivar why: one sentence for people, without any bytes of the content.
    """

    def __init__(self, which: str, why: str) -> None:
        super().__init__(f"{which}: {why}")
        self.which = which
        self.why = why


class TooMuch(Fault):
    """
    A limit was reached: what was given out before is not all.

    @ivar which: C{size}, C{ratio}, C{files}, C{depth} or C{window}.
    """


class Broken(Fault):
    """It is damaged, cut short, or can be read in more ways than were tried; what could be read was given out before."""

    def __init__(self, why: str) -> None:
        super().__init__("malformed", why)


class Lying(Broken):
    """
    It is, most likely, not what it is said to be: it does not even begin like that.

    No more than the first few bytes were given out. Harmless where the content as it stands is looked at too, for that is what a
    client then makes of it.
    """


class Unknown(Fault):
    """
    There is no such coding, or the library for it is missing.

    @ivar which: its name, cut short and printable.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How much may come out of one piece of content.

    @ivar size: bytes given out, at most.
    @ivar ratio: bytes given out for each byte taken, at most; only looked at beyond C{floor}.
    @ivar floor: bytes that may be given out whatever the ratio is.
    @ivar parts: pieces that one form is divided into, at most.
    @ivar window: bytes that a decoder may keep of what it gave out, at most.
    """

    size: int = 512 * _MIB
    ratio: int = 1000
    floor: int = _MIB
    parts: int = 10_000
    window: int = 128 * _MIB


def shown(text: str, most: int = 40) -> str:
    """Make a sender's text fit for people and logs: printable and short."""
    text = "".join(c if c.isprintable() and c != '"' else "?" for c in text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"
