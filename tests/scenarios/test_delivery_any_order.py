"""Whatever happens in whatever order while downloads are trickled or shown on pages: nothing bad is ever whole, and all ends in order."""

from __future__ import annotations

import random
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from gateway.api import Infected, Need, PluginError, ScanJob, Side, Transaction, Whole, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import OriginConnection, ScriptedClient, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.scanners import clean
from tests.scenarios.support import URL, ScenarioTestCase
from tests.scenarios.test_any_order import PLAYS

BAD = b"<<never>>"
BROWSER = (b"User-Agent: Mozilla/5.0", b"Accept: text/html")
SIZE = 150_000
_PAGE = re.compile(rb'const at = "(/\.gateway-scan-[^"]+/)"')

ACTIONS = st.tuples(
    st.sampled_from(
        (
            "program",
            "program 1.0",
            "browser",
            "answer",
            "answer",
            "rest",
            "rest",
            "chunked",
            "break",
            "scan",
            "scan",
            "fail",
            "second",
            "second",
            "minute",
            "status",
            "take",
            "take",
            "leave",
            "deaf",
            "hear",
            "reload",
        )
    ),
    st.integers(0, 7),
)


class Scanner(Base):
    """Finds what is bad, when the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Deferred[Any], ScanJob]] = []

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want everything."""
        return Whole(1 << 20)

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Any:
        """Wait."""
        waiting: Deferred[Any] = Deferred()
        self.waiting.append((waiting, job))
        return waiting

    def answer(self, error: Exception | None = None) -> None:
        """Answer the oldest question."""
        if self.waiting:
            waiting, job = self.waiting.pop(0)
            if waiting.called:
                return
            if error is not None:
                waiting.errback(error)
                return
            with job.open() as file:
                found = BAD in file.read()
            waiting.callback(Infected("mark", "test") if found else clean(job))


class Play:
    """One run."""

    def __init__(self, gateway: Harness, scanner: Scanner, rng: random.Random) -> None:
        self.gateway = gateway
        self.scanner = scanner
        self.rng = rng
        self.origin = gateway.origin()
        self.clients: list[ScriptedClient] = []
        self.everybody: list[ScriptedClient] = []
        # What is still to come on a connection of the origin.
        self.rests: dict[OriginConnection, list[bytes]] = {}
        self.answered: dict[OriginConnection, int] = {}

    def act(self, what: str, which: int) -> None:
        """Do one thing, if it can be done."""
        gateway = self.gateway
        client = self.clients[which % len(self.clients)] if self.clients else None
        origin = self.waiting(which)
        match what:
            case "program" | "program 1.0" | "browser":
                self.ask(client if which % 2 else None, what)
            case "answer" | "chunked":
                if origin is not None:
                    self.answer(origin, what == "chunked")
            case "rest":
                for one, rest in list(self.rests.items())[which % 3 :][:1]:
                    if rest and not one.left:
                        one.send(rest.pop(0))
            case "break":
                for one in list(self.rests)[which % 3 :][:1]:
                    one.reset()
            case "scan":
                self.scanner.answer()
            case "fail":
                self.scanner.answer(ZeroDivisionError())
            case "second":
                gateway.advance(0.3 + which / 5)
            case "minute":
                gateway.advance(30 + which)
            case "status" | "take":
                self.look(which, "status" if what == "status" else "get/x")
            case "reload":
                gateway.reload({"timeouts.drain": f"{which + 1}s"})
            case _ if client is not None and not client.left:
                if what == "leave":
                    client.reset()
                elif what == "deaf":
                    client.stop_reading()
                else:
                    client.read_on()
        gateway.settle()

    def new(self) -> ScriptedClient:
        """Connect a client."""
        client = self.gateway.client()
        self.clients.append(client)
        self.everybody.append(client)
        return client

    def ask(self, client: ScriptedClient | None, what: str) -> None:
        """Ask for a file."""
        if client is None or client.left or client.closed:
            client = self.new()
        lines = BROWSER if what == "browser" else ()
        asked = request(URL + b"file.bin", *lines)
        client.send(asked.replace(b"HTTP/1.1", b"HTTP/1.0") if "1.0" in what else asked)

    def waiting(self, which: int) -> OriginConnection | None:
        """Find a connection of the origin with a request that was not answered."""
        found = [
            one
            for one in self.origin.connections
            if not one.left and len(one.requests) > self.answered.get(one, 0)
        ]
        return found[which % len(found)] if found else None

    def answer(self, origin: OriginConnection, in_chunks: bool) -> None:
        """Begin an answer, good or bad, in a few pieces."""
        self.answered[origin] = self.answered.get(origin, 0) + 1
        content = self.rng.randbytes(SIZE)
        if self.rng.random() < 0.5:
            at = self.rng.choice((0, SIZE // 2, SIZE - len(BAD)))
            content = content[:at] + BAD + content[at + len(BAD) :]
        if in_chunks:
            whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            whole += b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, content)
        else:
            whole = response(content)
        cut = self.rng.randrange(1, len(whole))
        self.rests.setdefault(origin, []).append(whole[cut:])
        origin.send(whole[:cut])

    def look(self, which: int, what: str) -> None:
        """Ask for something of a page that somebody has."""
        pages = [one for client in self.everybody for one in _PAGE.findall(client.received)]
        if pages:
            client = self.new()
            client.send(request(URL[:-1] + pages[which % len(pages)] + what.encode()))

    def finish(self) -> None:
        """Let everything come to its end."""
        for _ in range(len(self.scanner.waiting)):
            self.scanner.answer()
        for client in self.everybody:
            if not client.left:
                client.read_on()
        self.gateway.advance(2000)
        self.gateway.stop()


class AnyOrderTests(ScenarioTestCase):
    """Random plays."""

    @PLAYS
    @given(
        seed=st.integers(0, 2**32),
        mode=st.sampled_from(("progress", "trickle")),
        over=st.sampled_from((0, 100_000)),
        actions=st.lists(ACTIONS, min_size=5, max_size=40),
    )
    def test_nothing_passes(
        self, seed: int, mode: str, over: int, actions: list[tuple[str, int]]
    ) -> None:
        """
        No client ever has a whole file that is bad, nor its end; each transaction is logged once; and no room, no page and
        no snapshot is left.
        """
        rng = random.Random(seed)
        scanner = Scanner()
        gateway = self.forward(
            {
                "scan.large_file": {"over": over, "after": "2s", "mode": mode},
                "scan.temp_limit": "4MiB",
                "timeouts.inactivity": "40s",
            },
            plugins={"test": scanner},
        )
        gateway.network.choose = rng.randrange
        play = Play(gateway, scanner, rng)
        try:
            for action in actions:
                play.act(*action)
        finally:
            play.finish()
        for client in play.everybody:
            for found in client.responses():
                if len(found.content) >= SIZE - 65_536:
                    self.assertNotIn(BAD, found.content)
                if b"200" in found.start and found.complete and b"<html" not in found.content:
                    self.assertNotIn(BAD, found.content)
        self.assertEqual([line for line in gateway.log if line["outcome"] == "unknown"], [])
        service: Any = gateway.service
        scanning = service.pipeline.scanning
        self.assertEqual((scanning.budget.used, scanning.budget.waiting), (0, 0))
        self.assertEqual((scanning.fetches.living, service.generations.retiring), ({}, []))
        faults = [
            fault
            for fault in self.flushLoggedErrors()
            if not isinstance(fault.value, (PluginError, TimeoutError, ZeroDivisionError))
        ]
        self.assertEqual(faults, [])
