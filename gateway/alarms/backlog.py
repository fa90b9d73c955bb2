"""
What waits for one receiver, in order and with a bound: the rule that says what goes when there is too much.

The oldest of the lowest severity goes first. What goes is counted, and told to the receiver before all that waits: the
L{Row} with the rank L{TOLD_FIRST}, of which there are two at the most, one that was tried already and one that still
grows. Pure: no file, no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge

#: The rank of what tells of dropped notices; never dropped itself.
TOLD_FIRST = 3


@dataclass(slots=True, eq=False)
class Row:
    """
    One notice that waits.

    @ivar number: its place; greater ones come later.
    @ivar rank: from 0 to 2 as L{Severity.rank<gateway.api.events.Severity.rank>}, or L{TOLD_FIRST}.
    @ivar born: when it was put here, in seconds of the clock, which nobody sets.
    @ivar stored: the same in seconds since 1970, for the next process.
    @ivar events: how many events it stands for.
    @ivar attempt: how often it was tried.
    @ivar faults: how often the channel broke on it, in this process.
    """

    number: int
    id: str
    rank: int
    born: float
    stored: float
    events: int
    body: bytes
    attempt: int = 0
    faults: int = 0


class Backlog:
    """
    The rows of one receiver.

    @ivar held: the one that is being delivered; it is not dropped meanwhile.
    @ivar bytes: of all bodies.
    """

    def __init__(self) -> None:
        self.held: Row | None = None
        self.bytes = 0
        # By rank, each in the order of numbers; taking the first away is quick in these, and not in a dict.
        self._rows: tuple[OrderedDict[int, Row], ...] = tuple(OrderedDict() for _ in range(4))
        self._last = 0

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows)

    def __iter__(self) -> Iterator[Row]:
        """Give the rows in the order of their delivery."""
        yield from self._rows[TOLD_FIRST].values()
        ordinary = (row for rows in self._rows[:TOLD_FIRST] for row in rows.values())
        yield from sorted(ordinary, key=lambda row: row.number)

    @property
    def head(self) -> Row | None:
        """What is to be delivered next."""
        for row in self._rows[TOLD_FIRST].values():
            return row
        firsts = [next(iter(rows.values())) for rows in self._rows[:TOLD_FIRST] if rows]
        return min(firsts, key=lambda row: row.number, default=None)

    def behind(self, row: Row) -> Iterator[Row]:
        """Give what waits beside a row, in order, without what tells of dropped notices."""
        ordinary = merge(
            *(rows.values() for rows in self._rows[:TOLD_FIRST]), key=lambda one: one.number
        )
        return (one for one in ordinary if one is not row)

    @property
    def growing(self) -> Row | None:
        """What tells of dropped notices and was not tried yet."""
        for row in self._rows[TOLD_FIRST].values():
            if not row.attempt and row is not self.held:
                return row
        return None

    def add(self, row: Row) -> None:
        """Put one at the end, and give it its number."""
        self._last += 1
        row.number = self._last
        self._rows[row.rank][row.number] = row
        self.bytes += len(row.body)

    def remove(self, row: Row) -> None:
        """Take one away."""
        del self._rows[row.rank][row.number]
        self.bytes -= len(row.body)

    def rewrite(self, row: Row, body: bytes) -> None:
        """Give a row another body."""
        self.bytes += len(body) - len(row.body)
        row.body = body

    def before(self, rows: Iterable[Row]) -> None:
        """Put rows of a former process before all that is here; what is here gets other numbers."""
        mine = list(self)
        for kept in self._rows:
            kept.clear()
        self.bytes = 0
        for row in sorted(rows, key=lambda row: row.number):
            self._rows[row.rank][row.number] = row
            self.bytes += len(row.body)
            self._last = max(self._last, row.number)
        for row in mine:
            self.add(row)

    def surplus(self, notices: int, most_bytes: int) -> Row | None:
        """Give the next that has to go to keep within a bound; C{None}: nothing has to."""
        if self._waiting <= notices and self.bytes <= most_bytes:
            return None
        for rows in self._rows[:TOLD_FIRST]:
            for row in rows.values():
                if row is not self.held:
                    return row
        return None

    def older(self, time: float) -> list[Row]:
        """Give the rows that are from before a time, without the one being delivered and what tells of others."""
        found = []
        for rows in self._rows[:TOLD_FIRST]:
            for row in rows.values():
                if row.born >= time:
                    break
                if row is not self.held:
                    found.append(row)
        return found

    @property
    def _waiting(self) -> int:
        return len(self) - len(self._rows[TOLD_FIRST])
