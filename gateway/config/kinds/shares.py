"""Settings that are shares of something, in percent, and room that may be said either way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from gateway.config import units
from gateway.config.faults import BadValue
from gateway.config.kind import Kind, Place, kind_name, quoted, text_of

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%")


@dataclass(frozen=True, slots=True)
class ShareKind(Kind):
    """A share, as a float between 0 and 1."""

    name: ClassVar[str] = "share"
    zero: str = "off"
    """What 0 means."""

    def read(self, raw: object, place: Place) -> float:
        """Take C{"80%"}; a bare number only when it is 0."""
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            if raw != 0:
                raise BadValue(f"{raw} is not a share", f'"{raw}%" for a share of a hundred')
            return 0.0
        return share(text_of(raw, 'a share such as "80%"'))

    def toml(self, value: Any) -> str:
        """Write it in percent."""
        return quoted(share_text(value)) if value else "0"

    @property
    def unit(self) -> str:
        """Say what 0 means."""
        return f"share; 0 = {self.zero}"


class Room:
    """
    So much room: a share of all there is, or so many bytes; false if neither is said.

    @ivar share: between 0 and 1.
    @ivar count: bytes.
    """

    # No dataclass: that would be a table of settings.
    __slots__ = ("count", "share")

    def __init__(self, share: float = 0.0, count: int = 0) -> None:
        self.share = share
        self.count = count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Room) and (self.share, self.count) == (other.share, other.count)

    def __hash__(self) -> int:
        return hash((self.share, self.count))

    def __repr__(self) -> str:
        return f"Room({self})"

    def __bool__(self) -> bool:
        """Tell whether any is meant."""
        return bool(self.share or self.count)

    def __str__(self) -> str:
        """Write it as in the file."""
        return units.size_text(self.count) if self.count else share_text(self.share)


@dataclass(frozen=True, slots=True)
class RoomKind(Kind):
    """Room, as a L{Room}."""

    name: ClassVar[str] = "share or size"
    zero: str = "off"

    def read(self, raw: object, place: Place) -> Room:
        """Take C{"10%"} or C{"2GiB"}; a bare number only when it is 0."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            if raw != 0:
                raise BadValue(f"{raw} has no unit", f'"{raw}%" or "{raw}GiB"')
            return Room()
        if not isinstance(raw, str):
            raise BadValue(f'expected a share such as "10%" or a size, found {kind_name(raw)}')
        if raw.rstrip().endswith("%"):
            return Room(share=share(raw))
        return Room(count=units.size(raw))

    def toml(self, value: Any) -> str:
        """Write it with its unit."""
        return quoted(str(value)) if value else "0"

    @property
    def unit(self) -> str:
        """Say what 0 means."""
        return f"share or size; 0 = {self.zero}"


def share(text: str) -> float:
    """
    Turn C{"80%"} into 0.8.

    @raise BadValue: for anything else, and for more than a hundred.
    """
    match = _SHARE.fullmatch(text)
    if match is None:
        raise BadValue(f'"{text}" is not a share', 'write it like "80%"')
    found = float(match[1])
    if found > 100:
        raise BadValue(f'"{text}" is more than there is', 'at most "100%"')
    return found / 100


def share_text(value: float) -> str:
    """Write a share in percent; L{share} reads it back to the same value."""
    return f"{round(value * 100, 3):g}%"
