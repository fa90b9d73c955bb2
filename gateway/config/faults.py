"""
Faults of a configuration: what is wrong, where it stands and how to mend it.

A fault is a value, so that all of them can be shown at once; only L{ConfigError} is raised to the outside.
L{BadValue} is for the functions that turn one text into one value: they do not know where the text stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands in the tree of settings: C{("forward", "listen", 1, "port")}."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in words for the person who wrote the file."""

    message: str
    path: str = ""
    """Dotted, as it stands in its file; an option such as C{--port} for the command line."""
    file: str = ""
    """As it was named by the user; empty when no file is to blame."""
    line: int = 0
    """Counted from 1; 0 when there is no line."""
    mend: str = ""
    """What to do about it, when that is known."""

    def __str__(self) -> str:
        """Write C{gateway.toml:14: forward.listen[1].port: 70000 is not in 1..65535 (how to mend)}."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{text} ({self.mend})" if self.mend else text


class ConfigError(Exception):
    """The configuration cannot be used; every fault that was found is in C{faults}."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class BadValue(ValueError):
    """A text or number does not mean anything for its setting."""

    def __init__(self, message: str, mend: str = "", part: str = "") -> None:
        """
        Say what is wrong.

        @param part: the part of the value to blame, such as C{port} of an address; it is added to the dotted path.
        """
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.part = part


def path_text(path: Path) -> str:
    """Write a path the way it is spoken of: C{forward.listen[1].port}."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _BARE_KEY.fullmatch(step) else '"' + step.replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the known name most like C{word}, or an empty text when none is near."""
    import difflib  # only a faulty configuration pays for this import

    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
