"""Tests of L{gateway.watches.watching} and its parts: each resource's event is raised by the readings it is about, once, and ended by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.api.services import Overloaded
from gateway.config.kinds.shares import Room
from gateway.config.load import load
from gateway.config.sections.watch import Watch
from gateway.record.disks import DiskUse
from gateway.record.host import LAG_SECONDS, ReactorLag
from gateway.record.memory import MemoryUse
from gateway.watches.disks import written_to
from gateway.watches.watching import Watches

GIB = 1 << 30
DAY = 86400.0


class Machine:
    """
    A machine in good order, as L{Host<gateway.record.host.Host>} and L{Memory<gateway.record.memory.Memory>} see it.

    @ivar reads: how often something was read.
    """

    def __init__(self, clock: Clock) -> None:
        self.reads = 0
        self.overflows = 17
        self.stolen = 0.0
        self.descriptors: int | None = 100
        self.memory = [MemoryUse("machine", 4 * GIB, 8 * GIB)]
        self._clock = clock

    def listen_queue(self) -> tuple[int, int] | None:
        """Give overflows and drops."""
        self.reads += 1
        return self.overflows, self.overflows

    def cpu_times(self) -> tuple[float, float] | None:
        """Give stolen and all time, of one processor."""
        return self.stolen, self._clock.seconds()

    def resident_bytes(self) -> int | None:
        """Give our own memory."""
        return GIB // 2

    def open_descriptors(self) -> int | None:
        """Give those that are open."""
        self.reads += 1
        return self.descriptors

    def most_descriptors(self) -> int:
        """Give how many there may be."""
        return 1000

    def uses(self) -> list[MemoryUse]:
        """Give what is in use."""
        return self.memory


class Look:
    """
    A look at disks that the test answers.

    @ivar at: where it hangs.
    """

    def __init__(self, folders: Mapping[str, str]) -> None:
        self.folders = folders
        self.at = ""

    def run(self) -> list[DiskUse]:
        """Not called: what runs it is the test's, too."""
        raise AssertionError


class WatchesCase(SynchronousTestCase):
    """A gateway's watches, on a machine in good order."""

    #: What is said beside the defaults.
    settings: Mapping[str, Any] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.machine = Machine(self.clock)
        self.told: list[Event] = []
        self.crowd = SimpleNamespace(open=0, most=100.0)
        self.places: list[Any] = []
        self.folders = {"state": "/var/lib/gateway"}
        self.disks = [DiskUse("/var/lib/gateway", ("state",), 50 * GIB, 100 * GIB)]
        self.looks: list[Look] = []
        self.answers: Callable[[], Deferred[list[DiskUse]]] = lambda: self.answer()
        self.lag = ReactorLag(self.clock)
        self.lag.start()
        host: Any = self.machine
        self.watches = Watches(
            self.clock,
            self.told.append,
            lambda function: self.answers(),
            lag=self.lag,
            crowd=self.crowd,
            places=lambda: self.places,
            folders=lambda: self.folders,
            host=host,
            memory=host,
            look=self.looked,
        )
        self.watches.follow(Watch(**self.settings))

    def looked(self, folders: Mapping[str, str]) -> Any:
        """Make a look."""
        self.looks.append(Look(folders))
        return self.looks[-1]

    def answer(self) -> Deferred[list[DiskUse]]:
        """Answer with the disks at once."""
        done: Deferred[list[DiskUse]] = Deferred()
        done.callback(self.disks)
        return done

    def tearDown(self) -> None:
        """Nothing may be on the clock when all is stopped."""
        self.watches.stop()
        self.lag.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def pass_time(self, seconds: float) -> None:
        """Let time go by in the steps of the reactor that is in time."""
        self.clock.pump([LAG_SECONDS] * int(seconds / LAG_SECONDS))

    @property
    def names(self) -> list[str]:
        """What was told."""
        return [event.name for event in self.told]


class QuietTests(WatchesCase):
    """Nothing is told of a machine in good order."""

    def test_a_day(self) -> None:
        """A gateway that lacks nothing tells of nothing, a whole day long."""
        # In such steps everything would be late; the next test is about that.
        self.lag.stop()
        self.clock.pump([10.0] * int(DAY / 10))
        self.assertEqual(self.names, [])
        self.assertEqual(len(self.looks), DAY / 10)

    def test_an_hour_in_time(self) -> None:
        """And nothing of lag, where the reactor is in time."""
        self.pass_time(3600)
        self.assertEqual(self.names, [])
        self.assertEqual(len(self.looks), 360)

    def test_settings_without_change(self) -> None:
        """A reload that changes nothing leaves the timer where it is."""
        self.pass_time(9)
        self.watches.follow(Watch())
        reads = self.machine.reads
        self.pass_time(1)
        self.assertGreater(self.machine.reads, reads)

    def test_off_and_on(self) -> None:
        """With everything off there is no timer and nothing is read; on again, there is."""
        timers = len(self.clock.getDelayedCalls())
        for off in (Watch(every=0.0), ALL_OFF):
            self.watches.follow(off)
            reads = self.machine.reads
            self.assertEqual(len(self.clock.getDelayedCalls()), timers - 1)
            self.pass_time(60)
            self.assertEqual((self.machine.reads, self.watches.is_running), (reads, False))
            self.assertEqual(list(self.watches.families()), [])
        self.watches.follow(Watch(every=60.0))
        self.pass_time(60)
        self.assertGreater(self.machine.reads, reads)

    def test_single_off(self) -> None:
        """What is off alone is not told of, whatever it reads."""
        self.watches.follow(Watch(memory=0.0, descriptors=0.0))
        self.machine.memory = [MemoryUse("machine", 8 * GIB, 8 * GIB)]
        self.machine.descriptors = 1000
        self.pass_time(300)
        self.assertEqual(self.names, [])


class MemoryTests(WatchesCase):
    """Memory."""

    def test_edges(self) -> None:
        """Memory that is short for a minute is told with its numbers, and once; as is that there is some again."""
        self.machine.memory = [MemoryUse("machine", 7 * GIB, 8 * GIB)]
        self.pass_time(65)
        self.assertEqual(self.names, [])
        self.pass_time(3600)
        (event,) = self.told
        self.assertEqual(
            event.text,
            "88 % of the memory of the machine is in use (7 GiB of 8 GiB, 512 MiB by the gateway) "
            "(watch.memory is 80%): give it more or let it hold less, or the kernel will kill",
        )
        self.assertEqual(
            dict(event.values),
            {
                "used": str(7 * GIB),
                "limit": str(8 * GIB),
                "own": str(GIB // 2),
                "share": "88 %",
                "bound": "80%",
            },
        )
        self.machine.memory = [MemoryUse("machine", 6 * GIB, 8 * GIB)]
        self.pass_time(600)
        self.assertEqual(self.names, ["memory_short"])
        self.machine.memory = [MemoryUse("machine", 5 * GIB, 8 * GIB)]
        self.pass_time(80)
        self.assertEqual(self.names, ["memory_short", "memory_free"])

    def test_group(self) -> None:
        """The limit of a control group is one of its own."""
        self.machine.memory.append(MemoryUse("system.slice", 95, 100))
        self.pass_time(80)
        self.assertEqual([event.subject for event in self.told], ["system.slice"])


class CountedTests(WatchesCase):
    """Connections and descriptors."""

    def test_connections(self) -> None:
        """Connections are told of at the first reading, with their number."""
        self.crowd.open = 90
        self.pass_time(10)
        self.crowd.open = 75
        self.pass_time(10)
        self.assertEqual(
            [(event.name, event.subject) for event in self.told],
            [("connections_short", "all"), ("connections_free", "all")],
        )
        self.assertIn("90 of 100 client connections are open (90 %)", self.told[0].text)
        self.assertEqual(self.told[0].values["most"], "100")

    def test_without_a_limit(self) -> None:
        """Where there is no limit nothing can be near it."""
        self.crowd.most, self.crowd.open = float("inf"), 10**6
        self.pass_time(10)
        self.assertEqual(self.names, [])

    def test_listener(self) -> None:
        """A listener with a limit of its own has a state of its own, which ends when it is closed."""
        self.places = [
            SimpleNamespace(name="a", max_connections=10, connections=set(range(9))),
            SimpleNamespace(name="b", max_connections=0, connections=set(range(9))),
        ]
        self.pass_time(10)
        self.assertEqual(
            [(event.name, event.subject) for event in self.told], [("connections_short", "a")]
        )
        self.places = []
        self.pass_time(10)
        self.assertEqual(self.told[1].text, "a is not watched any more")

    def test_descriptors(self) -> None:
        """Descriptors likewise; a machine that does not tell has no state."""
        self.machine.descriptors = 950
        self.pass_time(10)
        self.machine.descriptors = None
        self.pass_time(10)
        self.assertEqual(self.names, ["descriptors_short", "descriptors_free"])
        self.assertIn("950 of 1000 file descriptors are open (95 %)", self.told[0].text)


class LagTests(WatchesCase):
    """The reactor's lag."""

    def test_again_and_again(self) -> None:
        """A lag in every reading of 30 seconds is told; it is over after a minute in time."""
        for _ in range(8):
            self.pass_time(4)
            self.clock.advance(1.2)
        self.assertEqual(self.names, ["reactor_slow"])
        self.assertEqual(self.told[0].values["lag"], "700")
        self.pass_time(50)
        self.assertEqual(self.names, ["reactor_slow"])
        self.pass_time(40)
        self.assertEqual(self.names, ["reactor_slow", "reactor_quick"])

    def test_once(self) -> None:
        """A single late timer is nothing to be told of."""
        self.clock.advance(5.0)
        self.pass_time(300)
        self.assertEqual(self.names, [])

    def test_one_that_lasts(self) -> None:
        """One callback that keeps everybody for 40 seconds is told."""
        self.clock.advance(40.0)
        self.pass_time(10)
        self.assertEqual(self.names, ["reactor_slow"])


class StealTests(WatchesCase):
    """Stolen time."""

    def test_edges(self) -> None:
        """A fifth of the time for 30 seconds is told, and its end after a minute with less."""
        for _ in range(6):
            self.machine.stolen += 2.0
            self.pass_time(10)
        self.assertEqual(self.names, ["cpu_stolen"])
        self.assertEqual(self.told[0].values["share"], "20 %")
        self.pass_time(90)
        self.assertEqual(self.names, ["cpu_stolen", "cpu_returned"])

    def test_before(self) -> None:
        """What was stolen before the gateway started counts for nothing, and neither does one burst."""
        self.watches.follow(Watch(every=0.0))
        self.machine.stolen = 5000.0
        self.watches.follow(Watch())
        self.pass_time(60)
        self.machine.stolen += 10.0
        self.pass_time(60)
        self.assertEqual(self.names, [])


class OverflowTests(WatchesCase):
    """Connections that the kernel refused."""

    def test_edges(self) -> None:
        """One is told at the next reading, further ones are not, and five minutes without any end it."""
        self.machine.overflows += 1
        self.pass_time(10)
        self.assertEqual(self.names, ["listen_overflow"])
        self.assertIn("1 connection was refused within a minute", self.told[0].text)
        self.machine.overflows += 100
        self.pass_time(290)
        self.assertEqual(self.names, ["listen_overflow"])
        self.pass_time(40)
        self.assertEqual(self.names, ["listen_overflow", "listen_calm"])

    def test_bound(self) -> None:
        """So many within one minute it takes, and not more slowly."""
        self.watches.follow(Watch(overflows=10))
        for _ in range(30):
            self.machine.overflows += 1
            self.pass_time(10)
        self.assertEqual(self.names, [])
        self.machine.overflows += 5
        self.pass_time(10)
        self.assertEqual(self.names, ["listen_overflow"])
        self.assertEqual(self.told[0].values["bound"], "10 in a minute")


class DiskTests(WatchesCase):
    """Disks."""

    def test_edges(self) -> None:
        """A disk that is nearly full for a minute is told with folder and numbers, and that it no longer is."""
        self.disks = [DiskUse("/var/lib/gateway", ("state", "log"), 4 * GIB, 100 * GIB)]
        self.pass_time(80)
        (event,) = self.told
        self.assertEqual(
            (event.name, event.subject, event.text),
            (
                "disk_short",
                "/var/lib/gateway",
                "4 % is free in /var/lib/gateway (4 GiB of 100 GiB) (watch.disk is 10%): "
                "make room there, or logs and scans will fail",
            ),
        )
        self.assertEqual(event.values["folders"], "state, log")
        self.disks = [DiskUse("/var/lib/gateway", ("state", "log"), 11 * GIB, 100 * GIB)]
        self.pass_time(300)
        self.assertEqual(self.names, ["disk_short"])
        self.disks = [DiskUse("/var/lib/gateway", ("state", "log"), 12 * GIB, 100 * GIB)]
        self.pass_time(80)
        self.assertEqual(self.names, ["disk_short", "disk_free"])

    def test_inodes(self) -> None:
        """That it is the inodes that are short is said."""
        self.disks = [DiskUse("/v", ("state",), 90, 100, 5, 1000)]
        self.pass_time(80)
        self.assertIn("0.5 % is free in /v (5 of 1000 inodes)", self.told[0].text)

    def test_bytes(self) -> None:
        """A bound in bytes is held against bytes."""
        self.watches.follow(Watch(disk=Room(count=2 * GIB)))
        self.pass_time(80)
        self.assertEqual(self.names, [])
        self.disks = [DiskUse("/v", ("state",), GIB, 100 * GIB)]
        self.pass_time(80)
        self.assertIn("1 GiB of 100 GiB is free in /v (watch.disk is 2GiB)", self.told[0].text)

    def test_no_folder(self) -> None:
        """A gateway that writes to no folder looks at no disk; further folders may be named."""
        self.folders = {}
        self.pass_time(60)
        self.assertEqual(self.looks, [])
        self.watches.follow(Watch(folders=("/cache",)))
        self.pass_time(60)
        self.assertEqual(self.looks[0].folders, {"/cache": "/cache"})

    def test_deaf(self) -> None:
        """A folder that does not answer is told after a minute; meanwhile nobody asks again, and all else is read."""
        waiting: Deferred[list[DiskUse]] = Deferred()
        self.answers = lambda: waiting
        self.pass_time(10)
        self.looks[0].at = "/n"
        self.crowd.open = 99
        self.pass_time(600)
        self.assertEqual(
            [(event.name, event.subject) for event in self.told],
            [("connections_short", "all"), ("disk_unreadable", "/n")],
        )
        self.assertIn("/n can't be looked at: no answer for 60 s", self.told[1].text)
        self.assertEqual(len(self.looks), 1)
        self.answers = self.answer
        self.disks = [DiskUse("/n", ("log",), 50, 100)]
        waiting.callback(self.disks)
        self.assertEqual(self.names[2:], ["disk_readable"])
        self.pass_time(10)
        self.assertEqual(len(self.looks), 2)

    def test_fails(self) -> None:
        """A folder that fails for a minute is told with the reason; how full it is is not known then."""
        self.disks = [DiskUse("/n", ("log",), error="Stale file handle")]
        self.pass_time(80)
        (event,) = self.told
        self.assertEqual(
            (event.name, event.values["why"]), ("disk_unreadable", "Stale file handle")
        )

    def test_no_thread(self) -> None:
        """Where no thread is free it is tried again at the next time."""

        def refused() -> Deferred[list[DiskUse]]:
            done: Deferred[list[DiskUse]] = Deferred()
            done.errback(Overloaded("disk", "full"))
            return done

        self.answers = refused
        self.pass_time(30)
        self.assertEqual((len(self.looks), self.names), (3, []))

    def test_answer_after_the_end(self) -> None:
        """An answer that comes when all is stopped is nobody's."""
        waiting: Deferred[list[DiskUse]] = Deferred()
        self.answers = lambda: waiting
        self.pass_time(10)
        self.watches.stop()
        waiting.callback([DiskUse("/v", ("state",), 0, 100)])
        self.assertEqual((self.names, self.watches.disks.uses), ([], []))


class StopTests(WatchesCase):
    """The end."""

    def test_no_ends(self) -> None:
        """When the gateway stops no state is told to be over, although nothing is read any more."""
        self.crowd.open = 99
        self.pass_time(10)
        self.watches.stop()
        self.pass_time(600)
        self.assertEqual(self.names, ["connections_short"])

    def test_off(self) -> None:
        """When a reload switches it off, what was told to have begun is over."""
        self.crowd.open = 99
        self.pass_time(10)
        self.watches.follow(Watch(every=0.0))
        self.assertEqual(self.names, ["connections_short", "connections_free"])
        self.assertEqual(self.told[1].text, "all is not watched any more")

    def test_metrics(self) -> None:
        """What was read last is shown, and which states go on."""
        self.crowd.open = 99
        self.pass_time(10)
        samples = {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in self.watches.families()
            for sample in family.samples
        }
        self.assertEqual(samples["gateway_disk_free_bytes", ("/var/lib/gateway",)], 50 * GIB)
        self.assertEqual(samples["gateway_memory_used_bytes", ("machine",)], 4 * GIB)
        self.assertEqual(samples["gateway_resource_short", ("connections", "all")], 1)
        self.assertEqual(samples["gateway_resource_short", ("memory", "machine")], 0)


class FoldersTests(SynchronousTestCase):
    """What a gateway writes to."""

    def folders(
        self, state: str = "", *, holds: bool = False, **settings: object
    ) -> dict[str, str]:
        """Give the folders of a configuration."""
        said = {name.replace("__", "."): value for name, value in settings.items()}
        return written_to(load(None, said, {}), state, holds_content=holds)

    def test_none(self) -> None:
        """A minimal configuration writes nowhere, and so does a log on a device."""
        self.assertEqual(self.folders(), {})
        self.assertEqual(self.folders(log__access="/dev/stderr"), {})

    def test_all(self) -> None:
        """Each folder that is used is there, the temporary one where content is held."""
        found = self.folders(
            "/state",
            holds=True,
            log__access="/log/access.log",
            scan__quarantine={"path": "/q"},
            scan__temp_dir="/spool",
        )
        self.assertEqual(
            found, {"state": "/state", "log": "/log", "quarantine": "/q", "scan": "/spool"}
        )


ALL_OFF = Watch(
    disk=Room(), memory=0.0, connections=0.0, descriptors=0.0, lag=0.0, steal=0.0, overflows=0
)
