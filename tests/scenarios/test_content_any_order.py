"""Whatever happens in whatever order around held content: it ends once, the room is given back, nothing refused passes."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    ContentSink,
    Infected,
    Need,
    PluginError,
    ScanJob,
    Side,
    Transaction,
    Whole,
    hookimpl,
)
from gateway.testing.peers import ScriptedClient, chunked, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.support import URL, ScenarioTestCase
from tests.scenarios.test_any_order import ACTIONS, PLAYS, Play, Undecided

MARK = b"<<never>>"


class Holding(Undecided):
    """Holds all content, scans it when the test says, and copies what passes."""

    def __init__(self, waits: frozenset[str]) -> None:
        super().__init__(waits)
        self.open_copies = 0

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want up to 120 kB."""
        return Whole(120_000)

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Any:
        """Wait or not."""
        return self._ask("scan_content")

    @hookimpl()
    def cache_store(self, txn: Transaction) -> ContentSink | None:
        """Take a copy."""
        self.open_copies += 1
        return _Copy(self)


class _Copy:
    def __init__(self, owner: Holding) -> None:
        self._owner = owner

    def write(self, chunk: bytes) -> None:
        """Take a piece."""

    def finish(self) -> None:
        """Take the end."""
        self._owner.open_copies -= 1

    def abort(self) -> None:
        """Take the failure."""
        self._owner.open_copies -= 1


class AnyOrderTests(SynchronousTestCase):
    """The random plays of L{tests.scenarios.test_any_order} with everything held."""

    @PLAYS
    @given(
        seed=st.integers(0, 2**32),
        mode=st.sampled_from(("forward", "reverse", "parent", "balancer")),
        waits=st.sets(
            st.sampled_from(("scan_content", "request_headers", "response_headers", "page")),
            max_size=3,
        ).map(frozenset),
        too_large=st.sampled_from(("block", "pass")),
        actions=st.lists(ACTIONS, min_size=3, max_size=25),
    )
    def test_each_ends_once(
        self,
        seed: int,
        mode: str,
        waits: frozenset[str],
        too_large: str,
        actions: list[tuple[str, int, int]],
    ) -> None:
        """Each transaction is logged once, each copy ended once, and no room is in use after the end."""
        play = Play(
            self.mktemp(),
            seed=seed,
            mode=mode,
            waits=waits,
            undecided=Holding,
            settings={"scan.temp_limit": "4MiB", "scan.on.too_large": too_large},
        )
        lines = play.through(actions)
        self.assertEqual(len(play.watcher.seen), len(lines))
        self.assertEqual([line for line in lines if line["outcome"] == "unknown"], [])
        pipeline: Any = play.gateway.service.pipeline  # type: ignore[attr-defined]
        self.assertEqual((pipeline.scanning.budget.used, pipeline.scanning.budget.waiting), (0, 0))
        assert isinstance(play.undecided, Holding)
        self.assertEqual(play.undecided.open_copies, 0)
        faults = [
            fault
            for fault in self.flushLoggedErrors()
            if not isinstance(fault.value, (PluginError, TimeoutError, TypeError))
        ]
        self.assertEqual(faults, [])


class Scanner(Base):
    """Refuses content with a mark in it, at once or later."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.waiting: list[Deferred[Any]] = []
        self._rng = rng

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want everything."""
        return Whole(1 << 20)

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Any:
        """Find the mark, and say so now or later."""
        result = Infected("mark", "test") if MARK in job.content else None
        if self._rng.random() < 0.5:
            return result
        waiting: Deferred[Any] = Deferred()
        waiting.addCallback(lambda _: result)
        self.waiting.append(waiting)
        return waiting


class NothingPassesTests(ScenarioTestCase):
    """Refused content, cut into pieces and interleaved at random."""

    def test_nothing_passes(self) -> None:
        """No piece of refused content reaches the other side, in either direction and in whatever order it comes."""
        pieces = [MARK[at : at + 3] for at in range(0, len(MARK), 3)]
        for seed in range(60):
            rng = random.Random(seed)
            scanner = Scanner(rng)
            gateway = self.forward(plugins={"test": scanner})
            gateway.network.choose = rng.randrange
            origin = gateway.origin()
            if rng.random() < 0.5:
                origin.reply = response(b"fine")
                if rng.random() < 0.5:
                    said = request(URL, method=b"POST", content=MARK)
                else:
                    said = request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(
                        *pieces
                    )
                answers: list[bytes] = []
            else:
                said = request(URL)
                whole = response(MARK)
                cut = rng.randrange(1, len(whole))
                answers = [whole[:cut], whole[cut:]]
            client: ScriptedClient = gateway.client()
            cut = rng.randrange(1, len(said))
            for piece in (said[:cut], said[cut:]):
                client.send(piece)
            for piece in answers:
                origin.send(piece)
            for waiting in scanner.waiting:
                waiting.callback(None)
            gateway.settle()
            self.assertEqual(client.response().status, 403, seed)
            self.assertEqual(b"".join(one.received for one in origin.connections).count(b"<<n"), 0)
            self.assertNotIn(b"<<n", client.received)
            if not answers:
                self.assertEqual(origin.connections, [])
