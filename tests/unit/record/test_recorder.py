"""The one object that the data plane reports to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.sections.log import Access, Log
from gateway.record.counters import Counters
from gateway.record.recorder import Recorder
from tests.unit.record.builders import ended


class Rounds:
    """A reactor's, which a test begins and ends."""

    def __init__(self) -> None:
        self.open = False
        self.afterwards: list[Callable[[], object]] = []

    def over(self) -> None:
        """End one."""
        self.open = False
        afterwards, self.afterwards = self.afterwards, []
        for call in afterwards:
            call()


class RecorderTests(SynchronousTestCase):
    """Log and counters together."""

    def setUp(self) -> None:
        """Configure a log in a file."""
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.log = Log(access=Access(path=str(self.path), format="squid"), mask=("query",))

    def recorder(self, rounds: Rounds | None = None) -> Recorder:
        """Make one as configured, started."""
        recorder = Recorder(self.log, Counters(), self.clock, rounds)
        recorder.start()
        self.addCleanup(recorder.stop)
        return recorder

    def test_a_transaction(self) -> None:
        """A transaction is counted and written, as the configuration says."""
        recorder = self.recorder()
        recorder.transaction(ended(target=b"/a?secret"))
        recorder.stop()
        self.assertEqual(recorder.counters.modes["forward"].statuses[2], 1)
        self.assertIn(" GET http://www.example.com/a? - ", self.path.read_text())

    def test_without_a_log(self) -> None:
        """An empty path switches the log off, and transactions are counted all the same."""
        self.log = Log(access=Access(path=""))
        recorder = self.recorder()
        recorder.transaction(ended())
        recorder.reopen()
        self.assertIsNone(recorder.access)
        self.assertEqual(recorder.counters.modes["forward"].outcomes["delivered"], 1)

    def test_connections_and_tunnels(self) -> None:
        """What modes report is counted."""
        recorder = self.recorder()
        recorder.counted("reverse").connections += 1
        recorder.counted("reverse").tunnels += 1
        counters = recorder.counters.modes["reverse"]
        self.assertEqual((counters.connections, counters.tunnels), (1, 1))

    def test_reopen(self) -> None:
        """After a rotation lines go to a new file."""
        recorder = self.recorder()
        rotated = self.path.rename(self.mktemp())
        recorder.reopen()
        recorder.transaction(ended())
        recorder.stop()
        self.assertEqual((rotated.stat().st_size, self.path.read_text().count("\n")), (0, 1))

    def test_busy_round(self) -> None:
        """What ends in a busy round of the reactor is written down when that is over, in order; else at once."""
        rounds = Rounds()
        recorder = self.recorder(rounds)
        rounds.open = True
        for target in (b"/a", b"/b"):
            recorder.transaction(ended(target=target))
        forward = recorder.counters.counted("forward")
        self.assertEqual((forward.statuses[2], len(rounds.afterwards)), (0, 1))
        rounds.over()
        self.assertEqual(forward.statuses[2], 2)
        recorder.transaction(ended(target=b"/c"))
        self.assertEqual((forward.statuses[2], rounds.afterwards), (3, []))
        rounds.open = True
        recorder.transaction(ended(target=b"/d"))
        rounds.over()
        recorder.stop()
        lines = self.path.read_text().splitlines()
        self.assertEqual([line.split()[6][-2:] for line in lines], ["/a", "/b", "/c", "/d"])

    def test_ends_within_a_round(self) -> None:
        """A stop, a rotation and another configuration in a busy round leave nothing of it out, nor in another's file."""
        rounds = Rounds()
        recorder = self.recorder(rounds)
        rounds.open = True
        recorder.transaction(ended(target=b"/a"))
        rotated = self.path.rename(self.mktemp())
        recorder.reopen()
        recorder.transaction(ended(target=b"/b"))
        other = Path(self.mktemp())
        recorder.follow(Log(access=Access(path=str(other), format="combined")))
        recorder.transaction(ended(target=b"/c"))
        recorder.stop()
        texts = [path.read_text() for path in (rotated, self.path, other)]
        self.assertEqual([text.count("\n") for text in texts], [1, 1, 1])
        for path, text in zip(("/a", "/b", "/c"), texts, strict=True):
            self.assertIn(f"{path} ", text)
        rounds.over()
        self.assertEqual(recorder.counters.counted("forward").statuses[2], 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """A stop leaves nothing on the clock."""
        recorder = self.recorder()
        recorder.transaction(ended())
        recorder.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_exposition(self) -> None:
        """The metrics know the log and the counters."""
        recorder = self.recorder()
        recorder.transaction(ended())
        text = recorder.exposition().text().decode()
        self.assertIn('gateway_requests_total{mode="forward",status="2xx"} 1.0', text)
        self.assertIn("gateway_access_log_lines_total 1.0", text)
