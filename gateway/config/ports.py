"""
Sets of TCP ports, written as numbers and ranges: C{[443, "8000-8099"]}.

Kept as merged ranges, so that a set of 64,000 ports costs no more than one of two and C{port in ports} is one
bisection, cheap enough for every CONNECT.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from gateway.config.faults import BadValue

_RANGE = re.compile(r"([0-9]{1,7})(?:[ ]?-[ ]?([0-9]{1,7}))?")


def port(value: object) -> int:
    """
    Check one port number.

    @raise BadValue: when it is not a whole number in 1..65535.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"{value!r} is not a port number", "write a whole number such as 443")
    if not 1 <= value <= 65535:
        raise BadValue(f"{value} is not in 1..65535")
    return value


def port_range(value: object) -> tuple[int, int]:
    """
    Turn C{443}, C{"443"} or C{"1024-65535"} into the first and the last port.

    @raise BadValue: when it is none of these, or runs backwards.
    """
    if not isinstance(value, str):
        return port(value), port(value)
    match = _RANGE.fullmatch(value)
    if match is None:
        raise BadValue(f'"{value}" is not a port or a range of ports', 'write 443 or "1024-65535"')
    first = port(int(match[1]))
    last = port(int(match[2])) if match[2] else first
    if last < first:
        raise BadValue(f'"{value}" runs backwards', f'write "{last}-{first}"')
    return first, last


class PortSet:
    """A frozen set of ports; knows C{in}, C{len}, C{==} and iteration over the ports in rising order."""

    __slots__ = ("_firsts", "_lasts", "ranges")

    ranges: tuple[tuple[int, int], ...]
    """First and last of each run, rising, with gaps between them."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self.ranges = tuple(merged)
        self._firsts = [first for first, _ in merged]
        self._lasts = [last for _, last in merged]

    @classmethod
    def of(cls, *values: int | str) -> PortSet:
        """Make a set from numbers and ranges as they are written in the file."""
        return cls(map(port_range, values))

    def without(self, other: PortSet) -> PortSet:
        """Give the ports that are in this set and not in C{other}."""
        kept: list[tuple[int, int]] = []
        for first, last in self.ranges:
            for cut_first, cut_last in other.ranges:
                if cut_last < first or cut_first > last:
                    continue
                if cut_first > first:
                    kept.append((first, cut_first - 1))
                first = cut_last + 1
            if first <= last:
                kept.append((first, last))
        return PortSet(kept)

    def __contains__(self, number: int) -> bool:
        """Tell whether a port is in the set."""
        at = bisect_right(self._firsts, number)
        return at > 0 and number <= self._lasts[at - 1]

    def __iter__(self) -> Iterator[int]:
        """Go through the ports in rising order."""
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __len__(self) -> int:
        """Count the ports."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same ports."""
        return isinstance(other, PortSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        """Hash by the ports held."""
        return hash(self.ranges)

    def __repr__(self) -> str:
        """Write the ports as in a file."""
        return f"PortSet({self})"

    def __str__(self) -> str:
        """Write C{443,8000-8099}."""
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.ranges)
