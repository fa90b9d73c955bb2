"""What a plain request costs on its way through the gateway, counted in opcodes: the same on every machine and at every load."""

from __future__ import annotations

from collections.abc import Callable

from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.opcodes import Unhurried, opcodes
from tests.scenarios.support import ScenarioTestCase

#: A multiple of how many rounds go by between two in which plugins are timed.
REQUESTS = 32
#: What servers say in each of their answers.
HEAD = (
    b"Server: example",
    b"Date: Sat, 21 Nov 2026 22:34:58 GMT",
    b"Content-Type: text/plain",
    b"Connection: keep-alive",
)


class CostTests(Unhurried, ScenarioTestCase):
    """Requests on kept connections, whose answers come whole."""

    def opcodes(self, gateway: Harness, ask: Callable[[int], bytes], *lines: bytes) -> float:
        """
        Count what the gateway executes for one request.

        @param ask: gives the request of this number.
        @param lines: what the origin says beside L{HEAD}.
        """
        origin = gateway.origin(reply=response(b"x" * 1024, *HEAD, *lines))
        client = gateway.client()
        for number in range(REQUESTS):
            client.send(ask(number))
        count = 0
        for number in range(REQUESTS, 2 * REQUESTS):
            # What the peers keep would be looked through again and again.
            client.take()
            asked = ask(number)
            count += opcodes(
                lambda asked=asked: client.send(asked),  # type: ignore[misc]
                without="/gateway/testing/",
            )
        self.assertEqual(len(origin.requests), 2 * REQUESTS)
        self.assertEqual(len(client.responses()), 2 * REQUESTS)
        return count / REQUESTS

    def test_reverse(self) -> None:
        """A request to a site."""
        cost = self.opcodes(self.reverse(), lambda number: request(b"/page/%d" % number))
        self.assertLessEqual(cost, 2450)

    def test_forward(self) -> None:
        """A request through the forward proxy, to the host that was asked for before."""
        cost = self.opcodes(
            self.forward(),
            lambda number: request(b"http://origin.example.com/page/%d" % number),
        )
        self.assertLessEqual(cost, 2400)

    def test_nothing_alike(self) -> None:
        """A request of which no line was seen before."""
        cost = self.opcodes(
            self.forward(),
            lambda number: request(
                b"http://origin.example.com/page/%d" % number,
                *(b"X-%d: %d-%d" % (line, line, number) for line in range(6)),
            ),
        )
        self.assertLessEqual(cost, 3500)
