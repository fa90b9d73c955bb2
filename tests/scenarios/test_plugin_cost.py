"""What a plugin without an opinion costs a request, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from gateway.api import Transaction, hookimpl
from gateway.testing.peers import request, response
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.plugins import Base
from tests.scenarios.support import ScenarioTestCase

#: A multiple of how many rounds go by between two that are timed.
REQUESTS = 32


class NoOp(Base):
    """Has no opinion."""

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Have none."""
        return

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Have none."""
        return


class CostTests(Unhurried, ScenarioTestCase):
    """Requests on kept connections through a reverse proxy."""

    def opcodes(self, plugins: int) -> float:
        """Count what one request executes, the test's own peers included, with so many plugins."""
        made = {f"noop_{number}": self.noop(f"noop_{number}") for number in range(plugins)}
        gateway = self.reverse(plugins=made, settings={"plugins.enabled": list(made)})
        gateway.origin(reply=response(b"x" * 1024))
        client = gateway.client()
        asked = request(b"/1k")
        for _ in range(REQUESTS):
            client.send(asked)
        count = 0
        for _ in range(REQUESTS):
            # What the peers keep would be looked through again and again.
            client.take()
            count += opcodes(lambda: client.send(asked))
        self.assertEqual(len(client.responses()), 2 * REQUESTS)
        return count / REQUESTS

    def noop(self, name: str) -> NoOp:
        """Make one of this name."""
        made: NoOp = type(name, (NoOp,), {"name": name})()
        return made

    def test_one_more(self) -> None:
        """The first plugin costs no more than 180 opcodes a request with its two hooks, each further one no more than 60."""
        none, one, many = (self.opcodes(count) for count in (0, 1, 21))
        self.assertLessEqual(one - none, 180)
        self.assertLessEqual((many - one) / 20, 60)
