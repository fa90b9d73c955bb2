"""Counting, and the text that Prometheus reads."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.alarms.drift import Peers
from gateway.api.transaction import Aborted, Intercepted, Refused, Tunnelled
from gateway.api.verdicts import Block
from gateway.config.schema import Config
from gateway.config.sections.watch import Watch
from gateway.message.via import Via
from gateway.modes.listening import Room
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.plugin_services import PluginServices
from gateway.record.access import AccessLog
from gateway.record.counters import DURATION_BOUNDS, Counters, PoolUse
from gateway.record.exposition import Exposition
from gateway.record.host import Host, ReactorLag
from gateway.record.scan_counters import ScanRoom
from gateway.testing.harness import Names
from gateway.watches.watching import Watches
from tests.unit.record.builders import USE, ended

DOCUMENT = Path(gateway.__file__).parent.parent / "docs/metrics.md"

NETSTAT = """TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits
TcpExt: 0 17 19 4711
IpExt: InNoRoutes InTruncatedPkts
IpExt: 1 2
"""
STAT = "cpu  100 2 30 4000 50 6 7 250 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


class CountersTests(SynchronousTestCase):
    """What is counted of a transaction."""

    def setUp(self) -> None:
        """Start from nothing."""
        self.counters = Counters()

    def test_by_mode_status_and_outcome(self) -> None:
        """Each transaction counts once in its mode, by the class of its status and by its outcome."""
        self.counters.ended([ended()])
        self.counters.ended([ended(status=404)])
        self.counters.ended([ended(mode="reverse", status=403, outcome=Refused(Block("no")))])
        self.counters.ended([ended(status=0, outcome=Aborted("client"))])
        forward, reverse = self.counters.modes["forward"], self.counters.modes["reverse"]
        self.assertEqual(forward.statuses, [1, 0, 1, 0, 1, 0, 0, 0, 0, 0])
        self.assertEqual(reverse.statuses[4], 1)
        self.assertEqual((forward.outcomes["delivered"], forward.outcomes["aborted"]), (2, 1))
        self.assertEqual(reverse.outcomes["refused"], 1)
        self.assertEqual((forward.bytes_in, forward.bytes_out), (9, 3 * 1292))

    def test_durations(self) -> None:
        """A duration on a bound belongs below it; the longest have a bucket of their own."""
        for seconds in (0.0005, 0.5, 0.75, 1000.0):
            txn = ended(seconds=seconds)
            txn.timings.begun = 0.0
            txn.timings.ended = seconds
            self.counters.ended([txn])
        buckets = self.counters.modes["forward"].buckets
        found = {
            bound: count for bound, count in zip(DURATION_BOUNDS, buckets, strict=False) if count
        }
        self.assertEqual(found, {0.001: 1, 0.5: 1, 1.0: 1})
        self.assertEqual(buckets[-1], 1)
        self.assertEqual(self.counters.modes["forward"].seconds, 1001.2505)

    def test_tunnels_have_no_duration(self) -> None:
        """A tunnel counts as a transaction, but how long it stood says nothing of how fast we are."""
        self.counters.ended([ended(outcome=Tunnelled(), seconds=3600)])
        forward = self.counters.modes["forward"]
        self.assertEqual(
            (sum(forward.buckets), forward.seconds, sum(forward.statuses)), (0, 0.0, 1)
        )

    def test_intercepted(self) -> None:
        """So does a CONNECT that is decrypted: it took as long as the client took for its handshake."""
        self.counters.ended([ended(outcome=Intercepted(), seconds=30)])
        forward = self.counters.modes["forward"]
        self.assertEqual(
            (sum(forward.buckets), forward.seconds, forward.outcomes["intercepted"]), (0, 0.0, 1)
        )

    def test_statuses_that_are_none(self) -> None:
        """What a plugin says in the place of a status spoils no metrics."""
        for status in (1000, 99, -5, 999):
            self.counters.ended([ended(status=status)])
        self.assertEqual(self.counters.modes["forward"].statuses, [3, 0, 0, 0, 0, 0, 0, 0, 0, 1])

    def test_an_end_that_was_not_told(self) -> None:
        """A transaction without an outcome is counted, as one that nobody can explain."""
        self.counters.ended([ended(outcome=None)])
        self.assertEqual(self.counters.modes["forward"].outcomes["unknown"], 1)

    def test_open_now(self) -> None:
        """A mode is not shown before somebody counts in its numbers, and those are the ones that are shown."""
        self.assertEqual(self.counters.modes, {})
        counted = self.counters.counted("forward")
        counted.connections += 2
        counted.accepted += 3
        counted.tunnels += 1
        forward = self.counters.modes["forward"]
        self.assertEqual((forward.connections, forward.accepted, forward.tunnels), (2, 3, 1))


class HostTests(SynchronousTestCase):
    """What the kernel says."""

    def setUp(self) -> None:
        """Make a small F{/proc}."""
        self.proc = Path(self.mktemp())
        (self.proc / "net").mkdir(parents=True)
        (self.proc / "self/fd").mkdir(parents=True)
        (self.proc / "net/netstat").write_text(NETSTAT)
        (self.proc / "stat").write_text(STAT)
        (self.proc / "self/statm").write_text("20000 5000 300 1 0 9000 0\n")
        self.host = Host(self.proc)

    def test_readings(self) -> None:
        """Each number is found in its place."""
        self.assertEqual(self.host.listen_queue(), (17, 19))
        self.assertEqual(self.host.steal_seconds(), 2.5)
        stolen, spent = self.host.cpu_times() or (0.0, 0.0)
        self.assertAlmostEqual(stolen, 2.5)
        self.assertAlmostEqual(spent, 44.45)
        self.assertEqual(self.host.resident_bytes(), 5000 * 4096)

    def test_nothing_there(self) -> None:
        """A machine that does not tell loses the number and nothing else."""
        host = Host(self.proc / "nothing")
        self.assertEqual(
            (
                host.listen_queue(),
                host.steal_seconds() or host.cpu_times(),
                host.resident_bytes(),
                host.open_descriptors(),
            ),
            (None,) * 4,
        )

    def test_this_machine(self) -> None:
        """The numbers of this process are plausible."""
        host = Host()
        resident, descriptors = host.resident_bytes(), host.open_descriptors()
        assert resident is not None and descriptors is not None
        self.assertGreater(resident, 1_000_000)
        self.assertGreater(descriptors, 2)
        self.assertLessEqual(descriptors, host.most_descriptors())
        self.assertGreater(sum(host.cpu_seconds()), 0)


class LagTests(SynchronousTestCase):
    """How late the reactor comes."""

    def setUp(self) -> None:
        """Start to measure."""
        self.clock = Clock()
        self.lag = ReactorLag(self.clock)
        self.lag.start()

    def test_on_time(self) -> None:
        """A reactor that comes in time has no lag."""
        self.clock.pump([0.5] * 10)
        self.assertEqual((self.lag.last, self.lag.worst), (0.0, 0.0))

    def test_late(self) -> None:
        """The last lag is that of the last timer; the worst is remembered for a minute."""
        self.clock.advance(2.0)
        self.assertEqual(self.lag.last, 1.5)
        self.clock.pump([0.5] * 119)
        self.assertEqual((self.lag.last, self.lag.worst), (0.0, 1.5))
        self.clock.advance(0.5)
        self.assertEqual(self.lag.worst, 0.0)

    def test_late_by_now(self) -> None:
        """A scrape that is served before the late timer sees how late that is."""
        self.clock.rightNow += 3.0
        self.assertEqual((self.lag.last, self.lag.worst), (0.0, 2.5))

    def test_peak(self) -> None:
        """The peak is the worst since it was taken."""
        self.clock.advance(2.0)
        self.clock.advance(1.0)
        self.clock.advance(0.5)
        self.assertEqual((self.lag.take_peak(), self.lag.take_peak()), (1.5, 0.0))

    def test_clock_set_back(self) -> None:
        """A clock that is set back is no lag."""
        self.clock.advance(0.5)
        self.clock.rightNow -= 100.0
        self.assertEqual(self.lag.worst, 0.0)

    def test_stop(self) -> None:
        """Nothing stays on the clock."""
        self.lag.stop()
        self.lag.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Leaves:
    """A cache of three leaves."""

    hits, misses, evicted = 7, 5, 2

    def __len__(self) -> int:
        return 3


class ExpositionTests(SynchronousTestCase):
    """The text for Prometheus."""

    def setUp(self) -> None:
        """Count a little of everything."""
        self.counters = Counters()
        counted = self.counters.counted("forward")
        counted.connections += 1
        counted.accepted += 1
        self.counters.ended([ended(seconds=0.2)])
        self.counters.ended([ended(status=502, seconds=200.0)])
        self.counters.tls_handshake("client", "new", 0.25)
        self.counters.tls_handshake("upstream", "refused")
        self.counters.tls_decided("intercept", "decrypt_all")
        self.counters.tls.leaves = Leaves
        scans = self.counters.scans
        scans.judged("response", "clean", 100)
        scans.judged("response", "clean", 20)
        scans.judged("request", "what a plugin makes up", 3)
        scans.took("response", 0.3, 2)
        scans.looked_up(True)
        scans.looked_up(False)
        scans.room = lambda: ScanRoom(500, 1, 9)
        self.counters.pool_sources.append(lambda: [PoolUse("www.example.com", 4, 2, 1)])
        self.counters.hook_sources.append(lambda: [USE])
        clock = Clock()
        services = PluginServices(
            clock,
            Config(),
            lambda event: None,
            deadlines=Deadlines(clock),
            dialer=lambda: Dialer(clock, Names()),
            own=list,
            via=lambda: Via("gateway-1"),
            environ={},
        )
        mail = services.for_plugin("mail")
        mail.alarms.channel("ops@example.com", lambda notice: None)
        services.start_plugin(mail)
        services.metrics.job_ran("quiet_hosts", "refresh", failed=True)
        self.counters.family_sources.append(services.families)
        lag = ReactorLag(clock)
        watches = Watches(
            clock,
            lambda event: None,
            lambda function: succeed(function()),
            lag=lag,
            crowd=Room(10),
            places=list,
            folders=lambda: {"state": "/"},
        )
        watches.follow(Watch())
        clock.advance(10)
        peers = Peers(clock, services.http.for_plugin(), lambda event: None, NotImplemented)
        peers.follow(["http://192.0.2.9:8081"])
        peers.alike["http://192.0.2.9:8081"] = peers.reached["http://192.0.2.9:8081"] = True
        self.counters.family_sources += [watches.families, peers.families]
        access = AccessLog("-", "squid", (), clock)
        self.exposition = Exposition(self.counters, access, lag, 1795299264.5)
        self.samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.exposition.text().decode())
            for sample in family.samples
        }

    def test_numbers(self) -> None:
        """What was counted is what is read, by Prometheus' own reader."""
        mode = ("mode", "forward")
        expected = {
            ("gateway_requests_total", mode, ("status", "2xx")): 1,
            ("gateway_requests_total", mode, ("status", "5xx")): 1,
            ("gateway_outcomes_total", mode, ("outcome", "delivered")): 2,
            ("gateway_client_connections_open", mode): 1,
            ("gateway_client_sent_bytes_total", mode): 2584,
            ("gateway_upstream_connections", ("pool", "www.example.com"), ("state", "idle")): 4,
            ("gateway_upstream_connections", ("pool", "www.example.com"), ("state", "busy")): 2,
            ("gateway_upstream_waiting", ("pool", "www.example.com")): 1,
            ("gateway_tls_handshakes_total", ("result", "new"), ("side", "client")): 1,
            ("gateway_tls_handshakes_total", ("result", "refused"), ("side", "upstream")): 1,
            ("gateway_tls_handshake_seconds_total", ("side", "client")): 0.25,
            (
                "gateway_tls_decisions_total",
                ("decision", "intercept"),
                ("why", "decrypt_all"),
            ): 1,
            ("gateway_tls_leaf_requests_total", ("result", "hit")): 7,
            ("gateway_tls_leaf_requests_total", ("result", "miss")): 5,
            ("gateway_tls_leaves_evicted_total",): 2,
            ("gateway_tls_leaves",): 3,
            ("gateway_start_time_seconds",): 1795299264.5,
            ("gateway_info", ("version", gateway.__version__)): 1,
        }
        self.assertEqual({key: self.samples.get(key) for key in expected}, expected)

    def test_scans(self) -> None:
        """Content is counted by side and by what was said, a plugin's own words together."""
        clean = ("result", "clean"), ("side", "response")
        other = ("result", "other"), ("side", "request")
        expected = {
            ("gateway_scan_messages_total", *clean): 2,
            ("gateway_scan_bytes_total", *clean): 120,
            ("gateway_scan_messages_total", *other): 1,
            ("gateway_scan_bytes_total", *other): 3,
            ("gateway_scan_seconds_bucket", ("le", "0.25"), ("side", "response")): 0,
            ("gateway_scan_seconds_bucket", ("le", "0.5"), ("side", "response")): 1,
            ("gateway_scan_seconds_sum", ("side", "response")): 0.3,
            ("gateway_scan_lookups_total", ("result", "hit")): 1,
            ("gateway_scan_lookups_total", ("result", "miss")): 1,
            ("gateway_scan_members_total",): 2,
            ("gateway_scan_remembered",): 9,
            ("gateway_scan_room_bytes",): 500,
            ("gateway_scan_room_waiting",): 1,
        }
        self.assertEqual({key: self.samples.get(key) for key in expected}, expected)

    def test_histogram(self) -> None:
        """Buckets are cumulated and end with all."""
        name = "gateway_request_duration_seconds_bucket"
        found = {
            labels[0][1]: value
            for (key, *labels), value in self.samples.items()
            if key == name and labels[0][0] == "le"
        }
        self.assertEqual(len(found), len(DURATION_BOUNDS) + 1)
        self.assertEqual((found["0.1"], found["0.25"], found["180.0"], found["+Inf"]), (0, 1, 1, 2))
        total = self.samples["gateway_request_duration_seconds_sum", ("mode", "forward")]
        self.assertAlmostEqual(total, 200.2)

    def test_every_metric_is_documented(self) -> None:
        """Every metric has a row of its type and its labels in the document, and every row a metric."""
        rows = re.findall(
            r"^\| `(gateway_\w+)` \| (\w+) \|([^|]*)\| .+ \|$", DOCUMENT.read_text(), re.M
        )
        documented = {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}
        found: dict[str, tuple[str, set[str]]] = {}
        for metric in self.exposition.collect():
            suffix = {"counter": "_total", "info": "_info"}.get(metric.type, "")
            labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
            found[metric.name + suffix] = (metric.type, labels)
        self.assertEqual(found, documented)

    def test_machine_that_does_not_tell(self) -> None:
        """A number that the machine does not offer is left out, not invented."""
        host = Host(Path(self.mktemp()))
        del self.counters.family_sources[:]
        text = Exposition(self.counters, None, ReactorLag(Clock()), 0.0, host).text()
        for name in (b"listen", b"steal", b"resident", b"open_fds"):
            self.assertNotIn(name, text)
        self.assertIn(b"gateway_reactor_lag_seconds 0.0", text)

    def test_nothing_minted(self) -> None:
        """While no certificate can be minted there are no numbers of it."""
        text = Exposition(Counters(), None, ReactorLag(Clock()), 0.0).text()
        self.assertNotIn(b"gateway_tls_leaves", text)

    def test_without_a_log(self) -> None:
        """A gateway that writes no access log has no numbers of it."""
        text = Exposition(self.counters, None, ReactorLag(Clock()), 0.0).text()
        self.assertNotIn(b"gateway_access_log", text)
