"""What a new tunnel costs, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from gateway.testing.peers import request
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.support import ScenarioTestCase

#: A multiple of how many rounds go by between two that are looked at.
TUNNELS = 32
ASK = request(b"origin.example.com:443", method=b"CONNECT")


class CostTests(Unhurried, ScenarioTestCase):
    """Tunnels to one origin with an access log, each with a few bytes both ways."""

    def test_usual(self) -> None:
        """A tunnel about which no plugin is asked costs no more than 5,050 opcodes, from its connection to its line in the log."""
        gateway = self.forward()
        origin = gateway.origin(port=443)

        def one() -> None:
            client = gateway.client()
            client.send(ASK)
            client.send(b"ping")
            origin.send(b"pong")
            client.end()
            origin.connection.end()

        for _ in range(TUNNELS):
            one()
        count = 0
        for _ in range(TUNNELS):
            count += opcodes(one, without="/gateway/testing/")
        self.assertEqual(len(gateway.log), 2 * TUNNELS)
        self.assertEqual({line["bytes_in"] for line in gateway.log}, {4})
        self.assertEqual({line["notes"]["tunnel"] for line in gateway.log}, {"client_closed"})
        self.assertLessEqual(count / TUNNELS, 5050)
