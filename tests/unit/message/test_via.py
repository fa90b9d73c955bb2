"""Via: our entry, and loops told by it."""

from __future__ import annotations

from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message.via import Via


class ViaTests(SynchronousTestCase):
    """L{Via}."""

    def setUp(self) -> None:
        """Make the entry of one instance."""
        self.via = Via("Gate-7f3a")

    def test_lines(self) -> None:
        """The protocol version is that of the received message (RFC 9110 section 7.6.3)."""
        self.assertEqual(self.via.lines[0], b"Via: 1.0 Gate-7f3a")
        self.assertEqual(self.via.lines[1], b"Via: 1.1 Gate-7f3a")

    def test_the_pseudonym_is_a_token(self) -> None:
        """Nothing else could be told from the rest of the field."""
        for bad in ("", "a b", "a,b", "a(b)", "a:80", "caf\xe9", "a\n"):
            self.assertRaises(ValueError, Via, bad)

    def test_loops(self) -> None:
        """A message whose Via has our pseudonym as received-by was here, in any case and with any protocol."""
        for value in (
            b"1.1 Gate-7f3a",
            b"1.1 gate-7F3A",
            b"HTTP/1.1 Gate-7f3a",
            b"1.0 other, 1.1 Gate-7f3a",
            b"1.0 other,1.1 Gate-7f3a (squid/5), 1.1 x",
            b"1.1\tGate-7f3a",
            b"1.0 other (a, (b) \\) c), 1.1 Gate-7f3a",
            b", ,1.1 Gate-7f3a",
            b"1.1 Gate-7f3a(comment)",
        ):
            self.assertTrue(self.via.seen([b"1.1 first", value]), value)

    def test_others(self) -> None:
        """Names that only contain ours, protocols and comments that name us, are no loop."""
        for value in (
            b"1.1 other",
            b"1.1 Gate-7f3a.example.com",
            b"1.1 my-Gate-7f3a",
            b"1.1 Gate-7f3a:8080",
            b"Gate-7f3a",
            b"Gate-7f3a other",
            b"1.1 other (1.1 Gate-7f3a)",
            b"1.1 other (a, 1.1 Gate-7f3a, b)",
            b"1.1 other (a (b, 1.1 Gate-7f3a) c)",
            b"1.1 other (\\), 1.1 Gate-7f3a)",
            b"1.1 other Gate-7f3a",
            b"",
        ):
            self.assertFalse(self.via.seen([value]), value)
        self.assertFalse(self.via.seen([]))

    def test_an_open_parenthesis_hides_nothing(self) -> None:
        """A comment that never ends can't make a looping message look new."""
        self.assertTrue(self.via.seen([b"1.1 x (, 1.1 Gate-7f3a"]))
        self.assertTrue(self.via.seen([b"1.1 x ((a), 1.1 Gate-7f3a"]))

    def test_deep_nesting(self) -> None:
        """However deep comments nest, what stands in them is no entry and what stands behind them is one."""
        for depth in (5, 500):
            left, right = b"1.1 x " + b"(" * depth, b")" * depth
            self.assertFalse(self.via.seen([left + b", 1.1 Gate-7f3a " + right]))
            self.assertTrue(self.via.seen([left + b"a" + right + b", 1.1 Gate-7f3a"]))

    def test_hostile_fields_are_read_in_one_pass(self) -> None:
        """No field makes reading it slower than its length does."""
        began = process_time()
        for piece in (b"(", b"()", b"(\\", b"\\", b"(\\)", b")", b",", b"((\\))", b"( ,"):
            self.via.seen([b"Gate-7f3a " + piece * (65536 // len(piece))])
        self.assertLess(process_time() - began, 2)

    def test_a_quoted_pair_at_the_end(self) -> None:
        """A backslash quotes one character inside of a comment, and nothing outside of one."""
        self.assertTrue(self.via.seen([b"1.1 x \\(a), 1.1 Gate-7f3a"]))
        self.assertTrue(self.via.seen([b"1.1 x (a\\\\), 1.1 Gate-7f3a"]))
        self.assertFalse(self.via.seen([b"1.1 x (a\\), 1.1 Gate-7f3a)"]))

    @settings(deadline=None, derandomize=True)
    @given(st.lists(st.text("gate-7f3a1. ,()\\", max_size=60).map(str.encode)))
    def test_anything_is_read(self, values: list[bytes]) -> None:
        """Whatever other hops wrote, our own line behind it is found, and an honest answer given without it."""
        self.assertTrue(self.via.seen([*values, self.via.lines[1][5:]]))
        self.assertIn(self.via.seen(values), (True, False))
