"""Whatever happens to tunnels in whatever order: each ends once, is logged once and leaves nothing behind."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.peers import ScriptedClient, request
from tests.scenarios.test_any_order import PLAYS, Play, Undecided

CONNECT = request(b"origin.example.com:443", method=b"CONNECT")


class TunnelPlay(Play):
    """A play in which each client asks for a tunnel, about which nobody has to be asked."""

    said = (b"", b"\r\n", b"more", bytes(100000), CONNECT)
    answered = (b"220 ready\r\n", b"more", bytes(200000))

    def _connected(self) -> ScriptedClient:
        client = super()._connected()
        client.send(CONNECT + b"early" * (len(self.gateway.names.asked) % 2))
        return client


ACTIONS = st.tuples(
    st.sampled_from((*["client"] * 4, *["origin"] * 4, "time", "admit", "connect", "stop")),
    st.integers(0, 5),
    st.integers(0, 1023),
)


class AnyOrderTests(SynchronousTestCase):
    """Random plays; C{GATEWAY_EXAMPLES} says how many."""

    @PLAYS
    @given(
        seed=st.integers(0, 2**32),
        mode=st.sampled_from(("forward", "forward", "parent")),
        actions=st.lists(ACTIONS, min_size=1, max_size=20),
    )
    def test_each_ends_once(
        self, seed: int, mode: str, actions: list[tuple[str, int, int]]
    ) -> None:
        """Each is told of once, logged once, and gone with both of its connections; nothing is a fault of ours."""
        play = TunnelPlay(
            self.mktemp(), seed=seed, mode=mode, waits=frozenset(), undecided=Undecided
        )
        lines = play.through(actions)
        self.assertEqual(len(play.watcher.seen), len(lines))
        for line in lines:
            self.assertNotEqual(line["outcome"], "unknown")
            self.assertEqual(line["outcome"] == "tunnelled", "tunnel" in line["notes"], line)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(play.gateway.service.recorder.counters.modes["forward"].tunnels, 0)
        play.clients.clear()
        if play.watcher.alive:
            gc.collect()
        self.assertEqual(play.watcher.alive, 0)
