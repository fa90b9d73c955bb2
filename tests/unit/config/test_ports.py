"""Sets of ports, against Python's own sets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.ports import PortSet, port, port_range

PORTS = st.integers(1, 65535)
# Small numbers beside large ones, so that ranges meet and overlap often.
NEAR = st.integers(1, 60)
RANGES = st.lists(st.tuples(NEAR, NEAR).map(lambda pair: (min(pair), max(pair))), max_size=8)


def plain(ranges: list[tuple[int, int]]) -> set[int]:
    """Give the same ports as a set of Python."""
    return {number for first, last in ranges for number in range(first, last + 1)}


class PortSetTests(SynchronousTestCase):
    """A port set is a set."""

    @settings(deadline=None)
    @given(RANGES)
    def test_holds_what_a_set_holds(self, ranges: list[tuple[int, int]]) -> None:
        """Membership, order and count are those of the plain set."""
        found, expected = PortSet(ranges), plain(ranges)
        self.assertEqual([n for n in range(70) if n in found], sorted(expected))
        self.assertEqual(list(found), sorted(expected))
        self.assertEqual(len(found), len(expected))

    @settings(deadline=None)
    @given(RANGES, RANGES)
    def test_without(self, ranges: list[tuple[int, int]], cut: list[tuple[int, int]]) -> None:
        """Taking one set out of another is the difference of the plain sets."""
        self.assertEqual(set(PortSet(ranges).without(PortSet(cut))), plain(ranges) - plain(cut))

    @settings(deadline=None)
    @given(RANGES, RANGES)
    def test_equal_when_the_ports_are(
        self, one: list[tuple[int, int]], other: list[tuple[int, int]]
    ) -> None:
        """Two sets are equal, with equal hashes, when they hold the same ports however they were written."""
        same = plain(one) == plain(other)
        self.assertEqual(PortSet(one) == PortSet(other), same)
        if same:
            self.assertEqual(hash(PortSet(one)), hash(PortSet(other)))

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(PORTS, PORTS).map(lambda pair: (min(pair), max(pair))), max_size=5),
        PORTS,
    )
    def test_any_port(self, ranges: list[tuple[int, int]], number: int) -> None:
        """A port is in the set when it is in one of the ranges."""
        self.assertEqual(number in PortSet(ranges), any(a <= number <= b for a, b in ranges))

    def test_written_as_in_the_file(self) -> None:
        """Numbers and ranges are taken as they stand in the file, and shown merged."""
        found = PortSet.of(443, "8000-8099", "8100")
        self.assertEqual(str(found), "443,8000-8100")
        self.assertEqual(found, PortSet([(443, 443), (8000, 8100)]))

    def test_empty_is_false(self) -> None:
        """A set without ports is false."""
        self.assertFalse(PortSet())
        self.assertTrue(PortSet.of(1))


class ParseTests(SynchronousTestCase):
    """Ports as they are written."""

    def test_bounds(self) -> None:
        """The first port is 1, the last 65535."""
        self.assertEqual([port(1), port(65535)], [1, 65535])
        for number in (0, -1, 65536, 70000):
            fault = self.assertRaises(BadValue, port, number)
            self.assertEqual(fault.message, f"{number} is not in 1..65535")

    def test_not_a_number(self) -> None:
        """true is no port, nor is a fraction or a list."""
        for value in (True, 1.0, None, [443]):
            self.assertRaises(BadValue, port, value)

    def test_ranges(self) -> None:
        """A range has a first and a last port; a lone port is a range of one."""
        self.assertEqual(port_range("1024-65535"), (1024, 65535))
        self.assertEqual(port_range("20 - 30"), (20, 30))
        self.assertEqual([port_range("443"), port_range(443)], [(443, 443)] * 2)

    def test_refused_ranges(self) -> None:
        """Backwards, open, signed and named ranges are refused."""
        for text in ("30-20", "20-", "-20", "0-5", "1-70000", "http", "1-2-3", "", "٣-٤"):
            with self.assertRaises(BadValue, msg=text):
                port_range(text)
