"""Tests of C{gateway_syslog.texts}: nothing ends a line, and everything has a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_syslog.texts import Room, encoded, fitted, stamp, visible


class VisibleTests(SynchronousTestCase):
    """What strangers chose."""

    def test_controls(self) -> None:
        """Line ends and other control characters are written as rsyslog does."""
        self.assertEqual(visible("a\r\nb\x00\x1b[31m"), "a#015#012b#000#033[31m")

    def test_line_separators(self) -> None:
        """What Unicode takes for a line's end, and what turns the direction, is no exception."""
        for character in "\x85\u2028\u2029\u202e\u2066":
            self.assertNotIn(character, visible(f"a{character}b"))

    def test_others(self) -> None:
        """Everything else stays as it is."""
        self.assertEqual(visible("Gruß ☃ 日本 a\\b"), "Gruß ☃ 日本 a\\b")

    def test_surrogates(self) -> None:
        """Half a character does not stop a message."""
        self.assertEqual(encoded("a\ud800b"), b"a?b")


class TimeTests(SynchronousTestCase):
    """Times."""

    def test_stamp(self) -> None:
        """UTC with microseconds, as RFC 5424 section 6.2.3 allows at the most."""
        self.assertEqual(stamp(1_700_000_000.123456), "2023-11-14T22:13:20.123456Z")


class RoomTests(SynchronousTestCase):
    """Texts that are too long."""

    @given(st.text(max_size=200), st.integers(16, 64))
    def test_cut(self, text: str, most: int) -> None:
        """A cut text is within its bound, is UTF-8, and says that it was cut; a short one is whole."""
        made = Room(most).cut(text)
        coded = encoded(text)
        self.assertLessEqual(len(encoded(made)), most)
        if len(coded) <= most:
            self.assertEqual(made, text)
        else:
            self.assertTrue(made.endswith("..."))
            self.assertTrue(coded.startswith(encoded(made[:-3])))

    def test_whole(self) -> None:
        """What fits is written once, whole."""
        rooms: list[Room] = []

        def write(room: Room) -> bytes:
            rooms.append(room)
            return room.cut("x" * 100).encode()

        self.assertEqual(fitted(write, 100), b"x" * 100)
        self.assertEqual([room.is_short for room in rooms], [False])

    def test_as_much_as_possible(self) -> None:
        """Of what does not fit, no more is cut than the next bound."""
        made = fitted(lambda room: room.cut("x" * 3000).encode(), 2000)
        self.assertEqual(made, b"x" * 1021 + b"...")

    def test_details_go_last(self) -> None:
        """Where not even short texts fit, details go."""

        def write(room: Room) -> bytes:
            return b"head" + b"x" * 5000 * room.has_details

        self.assertEqual(fitted(write, 1024), b"head")
