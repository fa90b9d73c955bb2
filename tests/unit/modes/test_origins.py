"""The three ways to choose an origin."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.addresses import Origin
from gateway.modes import origins
from gateway.modes.origins import ClientHash, LeastConnections, OriginState, RoundRobin, choice

CLIENTS = [f"198.51.{i // 256}.{i % 256}" for i in range(600)]


def states(count: int) -> tuple[OriginState, ...]:
    """Make origins."""
    made = (Origin("http", f"10.0.1.{10 + i}", 8000) for i in range(count))
    return tuple(OriginState(origin, str(origin)) for origin in made)


class ChoiceTests(SynchronousTestCase):
    """The way by its name in the configuration."""

    def test_names(self) -> None:
        """Each setting has its way."""
        self.assertIsInstance(choice("round_robin"), RoundRobin)
        self.assertIsInstance(choice("least_connections"), LeastConnections)
        self.assertIsInstance(choice("client_hash"), ClientHash)

    def test_shown(self) -> None:
        """An origin shows its address and state."""
        state = states(1)[0]
        self.assertEqual(repr(state), "<OriginState http://10.0.1.10:8000 up open=0>")
        state.healthy = False
        self.assertIn(" down ", repr(state))


class RoundRobinTests(SynchronousTestCase):
    """L{RoundRobin}."""

    def test_in_turn(self) -> None:
        """Each origin gets every n-th request."""
        pick, candidates = RoundRobin(), states(3)
        chosen = [pick("", candidates) for _ in range(6)]
        self.assertEqual(chosen, [*candidates, *candidates])

    def test_fewer(self) -> None:
        """A change of the candidates neither skips nor repeats for ever."""
        pick, candidates = RoundRobin(), states(3)
        pick("", candidates)
        pick.renew(candidates[1:])
        chosen = Counter(pick("", candidates[1:]).address for _ in range(10))
        self.assertEqual(sorted(chosen.values()), [5, 5])


class LeastConnectionsTests(SynchronousTestCase):
    """L{LeastConnections}."""

    def test_fewest(self) -> None:
        """The origin with the fewest transactions under way is chosen."""
        pick, candidates = LeastConnections(), states(3)
        for state, count in zip(candidates, (5, 2, 3), strict=True):
            state.open = count
        for _ in range(4):
            self.assertIs(pick("", candidates), candidates[1])

    def test_equals_take_turns(self) -> None:
        """An idle site spreads its few requests over all origins."""
        pick, candidates = LeastConnections(), states(3)
        pick.renew(candidates)
        chosen = Counter(pick("", candidates).address for _ in range(9))
        self.assertEqual(sorted(chosen.values()), [3, 3, 3])


class ClientHashTests(SynchronousTestCase):
    """L{ClientHash}."""

    def setUp(self) -> None:
        """Know four origins."""
        self.candidates = states(4)
        self.pick = ClientHash()
        self.pick.renew(self.candidates)

    def test_stays(self) -> None:
        """A client always has the same origin, here and on another gateway, remembered or not."""
        other = ClientHash()
        for client in CLIENTS[:50]:
            first = self.pick(client, self.candidates)
            self.assertIs(self.pick(client, self.candidates), first)
            self.assertIs(other(client, self.candidates), first)

    def test_spreads(self) -> None:
        """Clients are spread over all origins about evenly."""
        counts = Counter(self.pick(client, self.candidates).address for client in CLIENTS)
        self.assertEqual(len(counts), 4)
        self.assertTrue(all(100 < count < 200 for count in counts.values()), counts)

    def test_who_leaves_moves_only_its_own(self) -> None:
        """When an origin leaves, the clients of the others stay where they are."""
        before = {client: self.pick(client, self.candidates) for client in CLIENTS}
        gone, left = self.candidates[1], (self.candidates[0], *self.candidates[2:])
        self.pick.renew(left)
        for client, state in before.items():
            after = self.pick(client, left)
            if state is gone:
                self.assertIsNot(after, gone)
            else:
                self.assertIs(after, state)

    def test_memory_is_bounded(self) -> None:
        """Ever new clients don't fill the memory."""
        for i in range(origins._MAX_KNOWN + 5):
            self.pick(str(i), self.candidates)
        self.assertTrue(0 < len(self.pick._known) <= origins._MAX_KNOWN)
