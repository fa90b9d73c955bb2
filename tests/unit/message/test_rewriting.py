"""Tests of rewriting lines as it was done with others."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from gateway.message.rewriting import Rewriting


class RewritingTests(SynchronousTestCase):
    """Examples and what they lead to."""

    def test_nothing(self) -> None:
        """Where nothing was changed the very same list is given."""
        lines = [b"A: 1", b"A: 1"]
        made = Rewriting(lines, lines)
        other = [b"B: 2"]
        self.assertIs(made.of(other), other)

    def test_swapped(self) -> None:
        """A line is replaced where it stands, another one goes, and a new one comes behind all others."""
        before = [b"Host: a", b"Cookie: ours; theirs", b"X-User: root", b"Referer: 1"]
        after = [b"Host: a", b"Cookie: theirs", b"Referer: 1", b"X-Name: anna"]
        made = Rewriting(before, after)
        self.assertEqual(
            made.of([b"X-User: root", b"Referer: 2", b"Cookie: ours; theirs"]),
            [b"Referer: 2", b"Cookie: theirs", b"X-Name: anna"],
        )
        self.assertTrue(made.touches_only(re.compile(rb"\n(?i:cookie|x-user):")))
        self.assertFalse(made.touches_only(re.compile(rb"\n(?i:cookie):")))

    def test_the_same_words(self) -> None:
        """A line of ours in the place of one that says the very same is another one: each goes its own way."""
        theirs, ours = b"X-Name: %b" % b"anna", b"X-Name: %b" % b"anna"
        made = Rewriting([b"Host: a", theirs], [b"Host: a", ours])
        self.assertEqual(made.touches, [theirs])
        again = made.of([b"Host: a", b"X-Name: %b" % b"anna"])
        self.assertIs(again[1], ours)

    def test_not_there(self) -> None:
        """Lines without one that is to be replaced can't be rewritten."""
        made = Rewriting([b"A: 1", b"B: 2"], [b"B: 2"])
        self.assertRaises(ValueError, made.of, [b"B: 2"])

    def test_one_swapped(self) -> None:
        """One line in another's place, and one behind all others; what comes behind is not taken for what is to be replaced."""
        made = Rewriting([b"A: 1", b"B: 2"], [b"A: 0", b"B: 2", b"C: 3"])
        self.assertEqual(made.of([b"D: 4", b"A: 1"]), [b"D: 4", b"A: 0", b"C: 3"])
        before, theirs, ours = [b"Host: a", b"A: 1"], b"A: 0", b"%b: 1" % b"A"
        made = Rewriting(before, [b"Host: a", theirs, ours])
        self.assertRaises(ValueError, made.of, [b"Host: a"])

    def test_more_to_it(self) -> None:
        """What put lines into another order, or a new one between the others, is not learnt."""
        self.assertRaises(ValueError, Rewriting, [b"A: 1", b"B: 2"], [b"B: 2", b"A: 1"])
        self.assertRaises(ValueError, Rewriting, [b"A: 1"], [b"C: 3", b"A: 1"])
