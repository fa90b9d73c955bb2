"""Tests of what the test kit offers: its names are there when they are asked for."""

from __future__ import annotations

from importlib import import_module

from twisted.trial.unittest import SynchronousTestCase

import gateway.testing


class NamesTests(SynchronousTestCase):
    """What can be imported from C{gateway.testing}."""

    def test_all(self) -> None:
        """Each public name is that of the module it comes from, the same object each time."""
        for name in gateway.testing.__all__:
            found = getattr(gateway.testing, name)
            self.assertEqual(found.__name__, name)
            self.assertIs(getattr(import_module(found.__module__), name), found)
            self.assertIs(getattr(gateway.testing, name), found)

    def test_none(self) -> None:
        """No other name is made up."""
        error = self.assertRaises(AttributeError, getattr, gateway.testing, "FakeGatway")
        self.assertEqual(str(error), "module 'gateway.testing' has no attribute 'FakeGatway'")
