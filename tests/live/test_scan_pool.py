"""Scans that occupy all there is to scan with: others do not wait for it, and no queue grows without end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.clamd_daemon import Clamd
from tests.live.peers import Stream, connected
from tests.live.processes import Gateway, free_port, made_folder, nginx, until
from tests.live.scan_peers import Store, Ways, clean, scanning
from tests.live.test_pains_live import packages

SLOW = """
from gateway.api import NONE, Clean, Coverage, Plugin, Side, Whole, hookimpl


class Slow(Plugin):
    name = "slow"

    @hookimpl()
    def content_need(self, txn, side):
        return Whole(1000) if side is Side.REQUEST else NONE

    @hookimpl(thread="scan")
    def scan_content(self, job):
        # Waits in the system until somebody has opened it for writing.
        open("GATE", "rb").close()
        return Clean("slow", "1", Coverage(job.size, True))
"""
THREADS = """
[threads.scan]
workers = 8
queue = 4
overload = "{}"
wait = "1s"
"""
NGINX = """
server {
    listen 127.0.0.1:$port;
    keepalive_requests 100000;
    location / { return 200 "hello"; }
    location /none { return 204; }
}
"""


def times(client: Stream, target: bytes, seconds: float, status: int) -> list[float]:
    """Ask again and again on one connection; give how long each answer took, in order of length."""
    found = []
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        client.send(b"GET %b HTTP/1.1\r\nHost: www.example.com\r\n\r\n" % target)
        assert client.answer().status == status
        found.append(time.monotonic() - begun)
    return sorted(found)


def p99(found: list[float]) -> float:
    """Give what 99 of 100 do not exceed."""
    return found[len(found) * 99 // 100]


class Fixture(SynchronousTestCase):
    """A scanner whose scans last until a test lets them end, and an origin."""

    def setUp(self) -> None:
        """Have an origin of each kind."""
        self.store = Store(self)
        self.port = free_port()
        nginx(self, NGINX, port=self.port)

    def uploads(self, gateway: Gateway, count: int) -> Callable[[], list[int]]:
        """Send so many that are to be scanned; give what waits for the statuses of their answers."""
        ways = Ways(self, gateway, self.store)
        crowd = ways.crowd(
            [ways.request(f"/{number}", upload=clean(300, number)) for number in range(count)]
        )
        return lambda: [0 if answer is None else answer.status for answer in crowd.answers()]

    def see_others(self, gateway: Gateway, seconds: float) -> None:
        """See that nobody else waits: requests without content, small ones through another site, and tunnels."""
        authority = b"127.0.0.1:%d" % self.port
        tunnel = connected(self, gateway.forward)
        tunnel.send(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, authority))
        self.assertEqual(tunnel.answer("CONNECT").status, 200)
        asked = (
            (connected(self, gateway.forward), b"http://%b/none" % authority, 204),
            (tunnel, b"/", 200),
        )
        for client, target, status in asked:
            times(client, target, 0.1, status)
            found = times(client, target, seconds / len(asked), status)
            self.assertGreater(len(found), 100)
            self.assertLess(p99(found), 0.1, f"{target!r}: of {len(found)}")

    def see_held(self) -> None:
        """See that no scan of an upload has ended: what was measured was measured meanwhile."""
        self.assertEqual((self.store.begun, self.store.got), (0, {}))


def begun(gateway: Gateway) -> float:
    """Count the calls of scanners, those that wait for a thread too."""
    return gateway.metric("gateway_plugin_calls_total", hook="scan_content")


class ThreadTests(Fixture):
    """Scanners in threads that take as long as they like."""

    def started(self, overload: str) -> Gateway:
        """Start a gateway with eight threads for such scanners, for which four more may wait."""
        self.gate = made_folder(self) / "gate"
        os.mkfifo(self.gate)
        gateway = scanning(
            self,
            self.store,
            "unix:/nowhere",
            enabled=("slow",),
            more=THREADS.format(overload),
            environment=packages(self, "slow", SLOW.replace("GATE", str(self.gate))),
        )
        # Before the gateway is to end, whatever became of the test.
        self.addCleanup(self.let_go)
        return gateway

    def let_go(self) -> None:
        """Let all scans end, those that begin later too; more than once is harmless."""
        # For both directions it opens whoever is there, and lets go whoever waits.
        self.addCleanup(os.close, os.open(self.gate, os.O_RDWR))

    def test_others(self) -> None:
        """While 8 scans occupy all threads, 99 of 100 other requests take less than 100 ms."""
        gateway = self.started("block")
        answers = self.uploads(gateway, 8)
        until(lambda: begun(gateway) == 8, what="the scans")
        client = connected(self, gateway.reverse)
        self.store.files["/hello"] = b"hello"
        times(client, b"/hello", 0.1, 200)
        found = times(client, b"/hello", 1.5, 200)
        self.assertGreater(len(found), 100)
        self.assertLess(p99(found), 0.1)
        self.see_others(gateway, 2.0)
        self.see_held()
        self.let_go()
        self.assertEqual(answers(), [201] * 8)

    def full(self, overload: str) -> tuple[list[int], float]:
        """Send 20 where 12 have room, and give their statuses, and how long the refused ones waited."""
        gateway = self.started(overload)
        sent = time.monotonic()
        answers = self.uploads(gateway, 20)
        until(
            lambda: gateway.text.count("event content_not_scanned") >= 8, what="those without room"
        )
        waited = time.monotonic() - sent
        self.see_held()
        self.let_go()
        return answers(), waited

    def test_block(self) -> None:
        """With the rule block whoever finds neither a thread nor room in the queue is refused at once, as lack of capacity."""
        statuses, waited = self.full("block")
        self.assertEqual(sorted(statuses), [201] * 12 + [503] * 8)
        self.assertLess(waited, 2.0)

    def test_wait(self) -> None:
        """With the rule wait that comes after the wait."""
        statuses, waited = self.full("wait")
        self.assertEqual(sorted(statuses), [201] * 12 + [503] * 8)
        self.assertGreater(waited, 0.9)
        self.assertLess(waited, 4.0)


class ClamdTests(Fixture):
    """A clamd that stands still until it is told to go on."""

    SETTINGS = 'connections = 8\nqueue = 4\nwait = "8s"\ntimeout = "20s"\n'

    def setUp(self) -> None:
        """Start them; from now on clamd stands still."""
        super().setUp()
        self.clamd = Clamd(self, MaxThreads=8)
        self.gateway = scanning(
            self,
            self.store,
            self.clamd,
            settings=self.SETTINGS,
            scan='large_file = { mode = "hold" }\n',
        )
        self.gateway.says("is ready")
        # Whose result is remembered nobody has to ask again.
        self.store.files["/remembered"] = clean(3000)
        self.client = connected(self, self.gateway.reverse)
        times(self.client, b"/remembered", 0.1, 200)
        self.before = begun(self.gateway)
        self.clamd.signal(signal.SIGSTOP)
        self.addCleanup(self.go_on)

    def go_on(self) -> None:
        """Let clamd do what it has to do."""
        with contextlib.suppress(ProcessLookupError):
            self.clamd.signal(signal.SIGCONT)

    def test_others(self) -> None:
        """While 8 scans occupy all connections, others take less than 100 ms: also what is remembered."""
        answers = self.uploads(self.gateway, 8)
        found = times(self.client, b"/remembered", 1.5, 200)
        self.assertLess(p99(found), 0.1, f"of {len(found)}")
        self.see_others(self.gateway, 2.0)
        self.assertEqual(begun(self.gateway), 8 + self.before)
        self.see_held()
        self.go_on()
        self.assertEqual(answers(), [201] * 8)

    def test_full(self) -> None:
        """Of 30 at once those that have a connection or a place in the queue are scanned; the others are refused at once."""
        answers = self.uploads(self.gateway, 30)
        refused = until(self.refused, what="the refusals")
        self.see_held()
        self.go_on()
        self.assertEqual(sorted(answers()), [201] * 12 + [503] * 18)
        self.assertLess(max(line["duration"] for line in refused), 2000)
        self.assertEqual({line["notes"]["scan_request"] for line in refused}, {"capacity:block"})

    def refused(self) -> list[dict[str, Any]] | None:
        """Give the lines of those who got 503 once there are 18."""
        found = [line for line in self.gateway.lines(1) if line["status"] == 503]
        return found if len(found) >= 18 else None
