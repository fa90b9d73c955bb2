"""
Alarms that wait for a receiver, over the ends of real processes: kill -9, SIGTERM, and a receiver that comes back.

What a receiver gets twice has the same id and says that it may know it; else nothing comes twice, and nothing is lost.
"""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.paper import Press, paper
from tests.live.processes import FORWARD, Gateway, curl, free_port, made_folder, until

CONFIG = (
    FORWARD
    + """
[gateway]
state = "$state"
[watch]
every = 0
[notify]
planned_stop = $planned
[plugins]
enabled = ["paper"]
"""
)


class QueueTests(SynchronousTestCase):
    """A gateway with one channel."""

    def setUp(self) -> None:
        """Install the channel."""
        self.port = free_port()
        self.environment = paper(self, self.port)
        self.state = made_folder(self)

    def gateway(self, before: Gateway | None = None, *, planned: bool = False) -> Gateway:
        """Start the gateway, after another one where there was one."""
        return Gateway(
            self,
            CONFIG,
            environment=self.environment,
            instead_of=before,
            state=self.state,
            planned=str(planned).lower(),
        )

    def tell(self, gateway: Gateway, *numbers: int) -> None:
        """Let something be told."""
        urls = [f"http://127.0.0.1:1/tell/{number}" for number in numbers]
        done = curl("-x", f"http://127.0.0.1:{gateway.forward}", "-o", "/dev/null", *urls)
        self.assertEqual(done.returncode, 0, done.stderr)

    def stored(self, folder: Path) -> int:
        """Count what the file has; the gateway is gone."""
        database = sqlite3.connect(folder / "alarms.sqlite")
        try:
            (count,) = database.execute("SELECT COUNT(*) FROM notices").fetchone()
            return int(count)
        finally:
            database.close()

    def queued(self, gateway: Gateway) -> float:
        """How many wait."""
        return gateway.metric("gateway_alarm_queued", channel="paper/press")

    def test_killed(self) -> None:
        """A hundred alarms that wait at kill -9 all arrive after the start, and what was tried says so."""
        gateway = self.gateway()
        self.tell(gateway, *range(100))
        until(lambda: self.queued(gateway) == 100, what="a hundred in the queue")
        gateway.kill()
        self.assertEqual(self.stored(self.state), 100)
        self.assertEqual((self.state / "alarms.sqlite").stat().st_mode & 0o777, 0o600)

        gateway = self.gateway(gateway)
        press = Press(self, self.port)
        until(lambda: len(press.subjects()) >= 100 and self.queued(gateway) == 0, what="all arrive")
        self.assertEqual(press.subjects(), [str(number) for number in range(100)])
        self.assertEqual(len({one["id"] for one in press.got}), len(press.got))
        self.assertGreater(press.got[0]["attempt"], 1)
        self.assertEqual(press.events.count("abnormal_restart"), 1)
        sent = gateway.metric("gateway_alarm_sent_total", channel="paper/press")
        self.assertEqual(sent, len(press.got))

    def test_killed_between_arrival_and_answer(self) -> None:
        """Killed while a receiver has one that it did not answer yet: that comes again, with its id, as a second attempt."""
        press = Press(self, self.port, silent=1)
        gateway = self.gateway()
        self.tell(gateway, *range(100))
        until(lambda: press.got and self.queued(gateway) == 100, what="the first one")
        gateway.kill()
        press.stop()
        again = Press(self, self.port)
        gateway = self.gateway(gateway)
        until(lambda: len(again.subjects()) >= 100 and self.queued(gateway) == 0, what="all arrive")
        (first,) = press.got
        self.assertEqual(first["attempt"], 1)
        came = [one for one in again.got if one["id"] == first["id"]]
        self.assertEqual([one["attempt"] for one in came], [2])
        self.assertEqual(again.subjects(), [str(number) for number in range(100)])
        self.assertEqual(set(Counter(one["id"] for one in again.got).values()), {1})

    def test_killed_while_sending(self) -> None:
        """Killed in the middle of a hundred, nothing is lost, and what comes twice is marked by id and attempt."""
        press = Press(self, self.port, seconds=0.02)
        gateway = self.gateway()
        self.tell(gateway, *range(60))
        until(lambda: len(press.got) > 10, what="some arrive")
        gateway.kill()
        before = list(press.got)
        self.assertLess(len(before), 60)
        gateway = self.gateway(gateway)
        self.tell(gateway, *range(60, 100))
        until(lambda: len(set(press.subjects())) >= 100 and self.queued(gateway) == 0, what="all")
        counts = Counter(one["id"] for one in press.got)
        for one in press.got[len(before) :]:
            if counts[one["id"]] > 1:
                self.assertGreater(one["attempt"], 1)
        twice = [id for id, count in counts.items() if count > 1]
        self.assertLessEqual(len(twice), 1)
        self.assertEqual(sorted(set(press.subjects()), key=int), [str(n) for n in range(100)])

    def test_planned_stop(self) -> None:
        """SIGTERM and the start after it are told to nobody; what waited is there afterwards."""
        gateway = self.gateway()
        self.tell(gateway, 1, 2, 3)
        until(lambda: self.queued(gateway) == 3)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ended(), 0)
        self.assertEqual(self.stored(self.state), 3)
        press = Press(self, self.port)
        gateway = self.gateway(gateway)
        until(lambda: len(press.got) >= 3 and self.queued(gateway) == 0)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ended(), 0)
        self.assertEqual(press.events, ["paper_told"] * 3)

    def test_planned_stop_is_told(self) -> None:
        """Where the site wants to hear of planned stops, the stop is sent before the process ends."""
        press = Press(self, self.port)
        gateway = self.gateway(planned=True)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ended(), 0)
        self.assertEqual(press.events[-1:], ["planned_stop"])

    def test_comes_back(self) -> None:
        """A receiver that comes back gets what waited, in order, in the same process."""
        gateway = self.gateway()
        self.tell(gateway, *range(10))
        until(lambda: gateway.metric("gateway_alarm_failed_total", channel="paper/press") >= 2)
        press = Press(self, self.port)
        until(lambda: len(press.subjects()) >= 10 and self.queued(gateway) == 0)
        self.assertEqual(press.subjects(), [str(number) for number in range(10)])
        self.assertGreater(gateway.metric("gateway_alarm_retried_total", channel="paper/press"), 0)
        self.assertEqual(gateway.metric("gateway_alarm_dropped_total", channel="paper/press"), 0)
