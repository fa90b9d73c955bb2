"""Tests of L{gateway.pipeline.trickle}; what a client sees of it is in C{tests.scenarios.test_trickle}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.trickle import HELD_BYTES, most


class MostTests(SynchronousTestCase):
    """How much may go out."""

    @given(st.integers(0, 1 << 40))
    def test_bounds(self, received: int) -> None:
        """Never more than nine tenths nor the last 64 KiB, never less than nothing, and never less as more comes."""
        allowed = most(received)
        self.assertGreaterEqual(allowed, 0)
        self.assertTrue(allowed == 0 or allowed <= received - HELD_BYTES)
        self.assertLessEqual(allowed * 10, received * 9)
        self.assertLessEqual(allowed, most(received + 1))
