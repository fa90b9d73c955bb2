"""How a command shows what strangers have named: nothing of it may drive the terminal of who reads it."""

from __future__ import annotations


def visible(text: str) -> str:
    """Write everything that is not printable as its number: controls, line ends, changes of direction."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
