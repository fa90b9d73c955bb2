"""Fields that a plugin changes alike in each request of a connection: what goes on is theirs, whatever is remembered of it."""

from __future__ import annotations

from typing import Literal

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Fields, Plugin, Services, Transaction, hookimpl
from gateway.testing import FakeGateway

URL = "http://www.example.com/"


class Turns(Plugin):
    """
    Gives each request the next of some lists of lines, always the very same lists.

    @ivar sequence: which one comes when; C{-1}: as received.
    """

    name = "turns"

    def __init__(self, settings: None, services: Services) -> None:
        super().__init__(settings, services)
        self.sequence: list[int] = []
        self.lists: dict[int, list[bytes]] = {}

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Put it in."""
        turn = self.sequence.pop(0)
        if turn >= 0:
            received = txn.request.fields.lines
            lines = self.lists.setdefault(turn, [*received, b"X-Turn: %d" % turn])
            txn.request.fields = Fields(lines)


class ChangedFieldsTests(SynchronousTestCase):
    """A connection whose requests have all the same lines."""

    def turns(self, mode: Literal["forward", "reverse"], order: list[int]) -> None:
        """Ask as often, and look what came."""
        gateway = FakeGateway(Turns, mode=mode)
        self.addCleanup(gateway.stop)
        gateway.origin[URL] = b"x"
        plugin = gateway.plugin
        assert isinstance(plugin, Turns)
        plugin.sequence = order.copy()
        client = gateway.client()
        for _ in order:
            self.successResultOf(gateway.get(URL, {"X-A": "1"}, on=client))
        came = gateway.origin.requests
        self.assertEqual(
            [request.get("x-turn") for request in came],
            [None if turn < 0 else b"%d" % turn for turn in order],
        )
        self.assertEqual([request.get("x-a") for request in came], [b"1"] * len(order))

    def test_forward(self) -> None:
        """The forward proxy sends on what the plugin has made of the request at hand."""
        self.turns("forward", [0, 0, 1, 1, 0, -1, -1, 0, 0])

    def test_reverse(self) -> None:
        """So it is in front of a site."""
        self.turns("reverse", [0, 0, 1, 1, 0, -1, -1, 0, 0])
