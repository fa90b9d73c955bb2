"""What the connections of a listener share."""

from __future__ import annotations

from itertools import islice

from twisted.trial.unittest import SynchronousTestCase

from gateway.modes.listening import ids


class IdTests(SynchronousTestCase):
    """The ids of transactions."""

    def test_counted(self) -> None:
        """They are the prefix, whatever is in it, and a number from 1 on, in eight hexadecimal digits without a gap."""
        found = list(islice(iter(ids("a%d"), ""), 0x2001))
        self.assertEqual(found, [f"a%d{number:08x}" for number in range(1, 0x2002)])
