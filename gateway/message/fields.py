"""
Header and trailer fields (RFC 9110 section 5).

Field lines stay the raw bytes that were received, in their order; a name index is built only when somebody asks.
Framing and hop-by-hop fields belong to the connection, not to the message (RFC 9110 section 7.6.1): they can be read
here and not be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: Names that decide framing or routing or belong to one hop; nobody but the core writes them.
CONNECTION_FIELDS = frozenset(
    (
        "connection",
        "content-length",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Fields:
    """
    An ordered list of field lines with a lazily built index.

    @ivar lines: each C{b"Name: value"} without line end, as received. The list may be shared with other messages of
        the same connection, so it is replaced and never changed; whoever sets it vouches for its lines.
    """

    __slots__ = ("_index", "_indexed", "lines")

    def __init__(self, lines: list[bytes] | None = None) -> None:
        self.lines: list[bytes] = [] if lines is None else lines
        self._index: dict[str, list[str]] | None = None
        self._indexed: list[bytes]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Fields:
        """
        Build from pairs of name and value.

        @raise ValueError: a name is not a token or a value holds a control character.
        """
        made = cls()
        for name, value in pairs:
            made.add(name, value)
        return made

    def get(self, name: str, default: str | None = None) -> str | None:
        """Give the first value of a name (any case), without surrounding white space, or C{default}."""
        values = self._names().get(name.lower())
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """Give all values of a name, in order; one element for each line."""
        return list(self._names().get(name.lower(), ()))

    def combined(self, name: str) -> str | None:
        """Give all values of a name joined by C{", "} (RFC 9110 section 5.3); C{None} if there is none."""
        values = self._names().get(name.lower())
        return ", ".join(values) if values else None

    def __contains__(self, name: object) -> bool:
        """Tell whether there is at least one line of this name."""
        return isinstance(name, str) and name.lower() in self._names()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Give pairs of name (as received) and value in order."""
        for line in self.lines:
            yield _split(line)

    def __len__(self) -> int:
        """Give the number of field lines."""
        return len(self.lines)

    def add(self, name: str, value: str) -> None:
        """
        Append a line.

        @raise ValueError: not a token, a control character in the value, or a field of the connection.
        """
        self.lines = [*self.lines, _line(name, value)]

    def set(self, name: str, value: str) -> None:
        """
        Replace all lines of a name by one; it takes the place of the first.

        @raise ValueError: as in L{add}; nothing is changed then.
        """
        made = _line(name, value)
        wanted = name.lower()
        kept: list[bytes] = []
        placed = False
        for line in self.lines:
            if _split(line)[0].lower() != wanted:
                kept.append(line)
            elif not placed:
                kept.append(made)
                placed = True
        if not placed:
            kept.append(made)
        self.lines = kept

    def remove(self, name: str) -> None:
        """
        Drop all lines of a name; not an error if there is none.

        @raise ValueError: a field of the connection.
        """
        wanted = name.lower()
        if wanted in CONNECTION_FIELDS:
            raise ValueError(f"{name} belongs to the connection and is not yours to change")
        self.lines = [line for line in self.lines if _split(line)[0].lower() != wanted]

    def copy(self) -> Fields:
        """Give an independent copy."""
        return Fields(list(self.lines))

    def __repr__(self) -> str:
        """Show names only: values may be secrets."""
        return f"<Fields {', '.join(name for name, _ in self)}>"

    def _names(self) -> dict[str, list[str]]:
        index = self._index
        # Somebody may have set other lines meanwhile.
        if index is None or self._indexed is not self.lines:
            index = self._index = {}
            self._indexed = self.lines
            for line in self.lines:
                name, value = _split(line)
                index.setdefault(name.lower(), []).append(value)
        return index


def _split(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name, value.strip(" \t")


def _line(name: str, value: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a field name (RFC 9110 section 5.1)")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} holds a character that no field value may hold")
    if name.lower() in CONNECTION_FIELDS:
        raise ValueError(f"{name} belongs to the connection and is not yours to change")
    return f"{name}: {value}".encode("latin-1")
