"""The one object that the data plane reports to."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.sections.log import Access, Log
from gateway.record.counters import Counters
from gateway.record.recorder import Recorder
from tests.unit.record.builders import ended


class RecorderTests(SynchronousTestCase):
    """Log and counters together."""

    def setUp(self) -> None:
        """Configure a log in a file."""
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.log = Log(access=Access(path=str(self.path), format="squid"), mask=("query",))

    def recorder(self) -> Recorder:
        """Make one as configured, started."""
        recorder = Recorder(self.log, Counters(), self.clock)
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
        recorder.connection_opened("reverse")
        recorder.tunnel_opened("reverse")
        counters = recorder.counters.modes["reverse"]
        self.assertEqual((counters.connections, counters.tunnels), (1, 1))
        recorder.connection_closed("reverse")
        recorder.tunnel_closed("reverse")
        self.assertEqual((counters.connections, counters.tunnels), (0, 0))

    def test_reopen(self) -> None:
        """After a rotation lines go to a new file."""
        recorder = self.recorder()
        rotated = self.path.rename(self.mktemp())
        recorder.reopen()
        recorder.transaction(ended())
        recorder.stop()
        self.assertEqual((rotated.stat().st_size, self.path.read_text().count("\n")), (0, 1))

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
