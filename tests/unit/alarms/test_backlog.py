"""Tests of what waits for a receiver: its order and what goes when there is too much."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.backlog import TOLD_FIRST, Backlog, Row


def row(id: str, rank: int = 1, born: float = 0.0, number: int = 0) -> Row:
    """Make a row."""
    return Row(number, id, rank, born, born, 1, b"body")


class BacklogTests(SynchronousTestCase):
    """Rows come and go."""

    def setUp(self) -> None:
        """Begin with nothing."""
        self.backlog = Backlog()

    def add(self, *rows: Row) -> None:
        """Put rows at the end."""
        for one in rows:
            self.backlog.add(one)

    def ids(self) -> list[str]:
        """Give the ids in order."""
        return [one.id for one in self.backlog]

    def test_order(self) -> None:
        """Severity says what goes, never what is delivered first; what tells of dropped ones is before all."""
        self.add(row("a", 2), row("b", 0), row("c", 1), row("lost", TOLD_FIRST))
        self.assertEqual(self.ids(), ["lost", "a", "b", "c"])
        taken = []
        while (head := self.backlog.head) is not None:
            taken.append(head.id)
            self.backlog.remove(head)
        self.assertEqual(taken, ["lost", "a", "b", "c"])
        self.assertEqual((len(self.backlog), self.backlog.bytes), (0, 0))

    def test_surplus(self) -> None:
        """The oldest of the lowest severity goes, even if that is the newest of all."""
        self.add(row("a", 2), row("b", 1), row("c", 0), row("d", 0))
        gone = []
        for bound in (3, 2, 1, 0):
            surplus = self.backlog.surplus(bound, 1000)
            assert surplus is not None
            gone.append(surplus.id)
            self.backlog.remove(surplus)
            self.assertIsNone(self.backlog.surplus(bound, 1000))
        self.assertEqual(gone, ["c", "d", "b", "a"])

    def test_surplus_bytes(self) -> None:
        """Bytes have a bound like numbers."""
        self.add(row("a"), row("b"))
        self.assertIsNone(self.backlog.surplus(10, 8))
        surplus = self.backlog.surplus(10, 7)
        assert surplus is not None
        self.assertEqual(surplus.id, "a")

    def test_held(self) -> None:
        """What is being delivered neither goes nor gets too old; what tells of dropped ones does not either."""
        first = row("a", 0)
        self.add(first, row("b", 1), row("lost", TOLD_FIRST))
        self.backlog.held = first
        surplus = self.backlog.surplus(1, 1000)
        assert surplus is not None
        self.assertEqual(surplus.id, "b")
        self.assertEqual([one.id for one in self.backlog.older(5.0)], ["b"])
        self.backlog.remove(surplus)
        self.assertIsNone(self.backlog.surplus(0, 1000))

    def test_growing(self) -> None:
        """What tells of dropped ones grows until it is tried."""
        lost = row("lost", TOLD_FIRST)
        self.add(lost)
        self.assertIs(self.backlog.growing, lost)
        self.backlog.rewrite(lost, b"longer body")
        self.assertEqual(self.backlog.bytes, 11)
        lost.attempt = 1
        self.assertIsNone(self.backlog.growing)

    def test_before(self) -> None:
        """What a former process left goes first, and no number is there twice."""
        mine = row("c", 2)
        self.add(mine, row("d"))
        self.backlog.before([row("b", 0, number=9), row("a", 1, number=1)])
        self.assertEqual(self.ids(), ["a", "b", "c", "d"])
        self.assertEqual([one.number for one in self.backlog], [1, 9, 10, 11])
        self.assertEqual(self.backlog.bytes, 16)
        self.add(row("e"))
        self.assertEqual(self.ids()[-1], "e")
        self.backlog.remove(mine)
        self.assertEqual(self.ids(), ["a", "b", "d", "e"])
