"""Settings that are numbers: sizes in bytes, durations in seconds, whole numbers within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from gateway.config import units
from gateway.config.faults import BadValue
from gateway.config.kind import Kind, Place, kind_name, quoted, text_of


@dataclass(frozen=True, slots=True)
class SizeKind(Kind):
    """Bytes, as an int."""

    name: ClassVar[str] = "size"
    zero: str = ""
    """What 0 means; where it means nothing, 0 is a fault."""
    least: int = 1

    def read(self, raw: object, place: Place) -> int:
        """Take C{"2GiB"}, or a bare number of bytes."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            if raw < 0 or raw > units.MAX_BYTES:
                raise BadValue(f"{raw} is not a size", 'write it like "64KiB" or "2GiB"')
            count = raw
        else:
            count = units.size(text_of(raw, 'a size such as "64KiB"'))
        if count == 0 and self.zero:
            return 0
        if count < self.least:
            allowed = f"at least {units.size_text(self.least)}" + (
                f", or 0 for {self.zero}" if self.zero else ""
            )
            raise BadValue(f"{units.size_text(count)} is too small", allowed)
        return count

    def toml(self, value: Any) -> str:
        """Write it with its unit."""
        return quoted(units.size_text(value)) if value else "0"

    @property
    def unit(self) -> str:
        """Say what 0 means."""
        return f"size; 0 = {self.zero}" if self.zero else "size"


@dataclass(frozen=True, slots=True)
class DurationKind(Kind):
    """Seconds, as a float."""

    name: ClassVar[str] = "duration"
    zero: str = ""
    """What 0 means; where it means nothing, 0 is a fault."""

    def read(self, raw: object, place: Place) -> float:
        """Take C{"30s"}; a bare number only when it is 0."""
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            if raw != 0:
                raise BadValue(
                    f"{raw} has no unit", f'"{raw}s" for seconds, "{raw}ms" for milliseconds'
                )
            seconds = 0.0
        else:
            seconds = units.duration(text_of(raw, 'a duration such as "30s"'))
        if seconds == 0 and not self.zero:
            raise BadValue("a duration of 0", "it must be more than nothing")
        return seconds

    def toml(self, value: Any) -> str:
        """Write it with its unit."""
        return quoted(units.duration_text(value)) if value else "0"

    @property
    def unit(self) -> str:
        """Say what 0 means."""
        return f"duration; 0 = {self.zero}" if self.zero else "duration"


@dataclass(frozen=True, slots=True)
class WholeKind(Kind):
    """A whole number within bounds."""

    name: ClassVar[str] = "number"
    low: int = 0
    high: int = 2**31 - 1
    zero: str = ""
    """What 0 means, for the documentation."""

    def read(self, raw: object, place: Place) -> int:
        """Take a number within the bounds."""
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise BadValue(f"expected a whole number, found {kind_name(raw)}")
        if not self.low <= raw <= self.high:
            raise BadValue(f"{raw} is not in {self.low}..{self.high}")
        return raw

    def toml(self, value: Any) -> str:
        """Write the digits."""
        return str(value)

    @property
    def unit(self) -> str:
        """Say the bounds and what 0 means."""
        bounds = f"{self.low} or more" if self.high == 2**31 - 1 else f"{self.low}..{self.high}"
        return f"number, {bounds}" + (f"; 0 = {self.zero}" if self.zero else "")


Size: TypeAlias = Annotated[int, SizeKind()]
SizeOrZero: TypeAlias = Annotated[int, SizeKind(zero="no limit")]
Duration: TypeAlias = Annotated[float, DurationKind()]
DurationOrZero: TypeAlias = Annotated[float, DurationKind(zero="no limit")]
