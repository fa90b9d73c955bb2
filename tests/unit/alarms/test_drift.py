"""Tests of L{gateway.alarms.drift}: other nodes are asked, and what differs for long is told."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.drift import ASK_SECONDS, Identity, Peers
from gateway.api.events import Event, Severity
from gateway.api.services import HttpAnswer, HttpFailed
from gateway.message.fields import Fields
from gateway.testing.http import ScriptedHttp

PEER = "http://10.0.0.2:8081"
OURS, THEIRS = "a" * 64, "b" * 64


class PeersTests(SynchronousTestCase):
    """The peers of one node."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.http = ScriptedHttp(self.clock)
        self.told: list[Event] = []
        self.own = Identity(OURS, "me", "gw1")
        self.peers = Peers(self.clock, self.http, self.told.append, lambda: self.own)
        self.peers.follow([PEER])

    def tearDown(self) -> None:
        """When it is stopped nobody is asked any more."""
        self.peers.stop()
        asked = len(self.http.requests)
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.http.requests), asked)

    def says(self, config: str, peer: str = PEER, **more: object) -> None:
        """Let a peer answer so."""
        said = {"config": config, "instance": "other", "node": "gw2", **more}
        self.http[f"{peer}/config-hash"] = json.dumps(said).encode()

    def pass_minutes(self, count: float) -> None:
        """Let minutes go by."""
        self.clock.pump([1.0] * int(count * 60))

    @property
    def names(self) -> list[tuple[str, str]]:
        """What was told, of whom."""
        return [(event.name, event.subject) for event in self.told]

    def test_alike(self) -> None:
        """Nodes that are alike are asked each minute, and nothing is told."""
        self.says(OURS)
        self.pass_minutes(60)
        self.assertEqual((self.names, len(self.http.requests)), ([], 60))
        self.assertEqual((self.peers.alike, self.peers.reached), ({PEER: True}, {PEER: True}))

    def test_drift(self) -> None:
        """A difference is told after five minutes with both hashes, once, and when it is over."""
        self.says(THEIRS)
        self.pass_minutes(5.5)
        self.assertEqual(self.names, [])
        self.pass_minutes(60)
        (event,) = self.told
        self.assertEqual(
            (event.name, event.severity, event.subject, event.text, dict(event.values)),
            (
                "config_drift",
                Severity.WARNING,
                PEER,
                f"{PEER} is not configured like this node ({'b' * 12} there, {'a' * 12} here): "
                "compare the files of both nodes and reload",
                {"node": "gw2", "ours": "a" * 12, "theirs": "b" * 12},
            ),
        )
        # It is our own that is changed here.
        self.own = Identity(THEIRS, "me", "gw1")
        self.pass_minutes(1.1)
        self.assertEqual(self.names[1:], [("config_alike", PEER)])
        self.assertEqual(self.told[1].values["ours"], "b" * 12)

    def test_rolling(self) -> None:
        """A change that gets to all nodes within five minutes is told to nobody."""
        self.says(THEIRS)
        self.pass_minutes(4.5)
        self.says(OURS)
        self.pass_minutes(10)
        self.assertEqual(self.names, [])

    def test_silent(self) -> None:
        """A node that can't be asked is no difference: that is told after five minutes, and when it answers."""
        self.http[f"{PEER}/config-hash"] = HttpFailed("connect", "refused")
        self.pass_minutes(5.5)
        self.assertEqual(self.names, [])
        self.pass_minutes(60)
        self.assertEqual(self.names, [("peer_unreachable", PEER)])
        self.assertIn("(connect: refused)", self.told[0].text)
        self.assertEqual((self.peers.alike, self.peers.reached), ({}, {PEER: False}))
        self.says(OURS)
        self.pass_minutes(1)
        self.assertEqual(self.names[1:], [("peer_reachable", PEER)])

    def test_silent_while_it_differs(self) -> None:
        """One that differed and is silent is not taken to be alike."""
        self.says(THEIRS)
        self.pass_minutes(7)
        self.http[f"{PEER}/config-hash"] = HttpFailed("timeout", "no answer")
        self.pass_minutes(7)
        self.assertEqual(self.names, [("config_drift", PEER), ("peer_unreachable", PEER)])

    def test_itself(self) -> None:
        """A node that is in its own list knows itself, by its answer or by the way that leads back."""
        self.own = Identity(OURS, "other")
        self.says(THEIRS)
        self.pass_minutes(10)
        self.http[f"{PEER}/config-hash"] = HttpFailed("loop", "it is this gateway itself")
        self.pass_minutes(10)
        self.assertEqual((self.names, self.peers.alike, self.peers.reached), ([], {}, {}))

    def test_odd_answers(self) -> None:
        """Whatever else a peer answers is no hash, and nothing of it is shown."""
        answers: tuple[Any, ...] = (
            b"",
            b"{",
            b"[]",
            b"[" * 4000,
            b'{"config": "short", "instance": "x"}',
            json.dumps({"config": THEIRS}).encode(),
            json.dumps({"config": THEIRS.upper(), "instance": "x"}).encode(),
            HttpAnswer(404, Fields(), b"try /healthz"),
            HttpAnswer(302, Fields(), b"x"),
        )
        for index, answer in enumerate(answers):
            peer = f"http://10.0.1.{index}:8081"
            self.http[f"{peer}/config-hash"] = answer
            self.peers.follow([peer])
            self.pass_minutes(7)
            self.assertEqual(self.names[-1], ("peer_unreachable", peer), answer)
            self.assertNotIn("short", self.told[-1].text)

    def test_odd_name(self) -> None:
        """What a peer calls itself is shown where it is a plain name."""
        self.says(THEIRS, node="<b>\n\x1b[31m")
        self.pass_minutes(7)
        self.assertNotIn("node", self.told[0].values)

    def test_no_longer_a_peer(self) -> None:
        """A node that is taken out of the list is asked no more, and what was told of it is over."""
        self.says(THEIRS)
        other = "http://10.0.0.3:8081"
        self.says(THEIRS, other)
        self.peers.follow([PEER, other])
        self.pass_minutes(7)
        self.peers.follow([other])
        self.assertEqual(
            self.names,
            [("config_drift", PEER), ("config_drift", other), ("config_alike", PEER)],
        )
        self.assertEqual(self.peers.alike, {other: False})
        self.peers.follow([])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(list(self.peers.families()), [])

    def test_slow(self) -> None:
        """A peer that is still being asked is not asked once more, and one that is taken out is not waited for."""
        waiting: Deferred[Any] = Deferred()
        self.http[f"{PEER}/config-hash"] = waiting
        self.clock.advance(ASK_SECONDS)
        self.assertEqual(len(self.http.requests), 1)
        self.peers.follow([])
        self.pass_minutes(7)
        self.assertEqual((self.names, len(self.http.requests)), ([], 1))

    def test_metrics(self) -> None:
        """Who was reached and is alike is shown."""
        self.says(THEIRS)
        self.pass_minutes(1)
        samples = {
            sample.name: (sample.labels, sample.value)
            for family in self.peers.families()
            for sample in family.samples
        }
        self.assertEqual(
            samples,
            {
                "gateway_peer_config_alike": ({"peer": PEER}, 0),
                "gateway_peer_up": ({"peer": PEER}, 1),
            },
        )
