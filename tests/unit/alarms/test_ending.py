"""Tests of L{gateway.alarms.ending} and L{gateway.alarms.restarts}: whose marker is left, and what that tells."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.alarms.ending import Endings, Left
from gateway.alarms.restarts import Restarts
from gateway.api.events import Event, Severity


class Machine:
    """
    A F{/proc} with processes that start and end.

    @ivar root: where it is.
    """

    def __init__(self, folder: str) -> None:
        self.root = Path(folder)
        (self.root / "sys/kernel/random").mkdir(parents=True)
        (self.root / "self/ns").mkdir(parents=True)
        self.boot("first")
        self.space("pid:[1]")
        self.oom_kills(3)

    def boot(self, name: str) -> None:
        """Start the machine anew."""
        (self.root / "sys/kernel/random/boot_id").write_text(f"{name}\n")

    def space(self, name: str) -> None:
        """Count processes in another way, as another container does."""
        link = self.root / "self/ns/pid"
        link.unlink(missing_ok=True)
        link.symlink_to(name)

    def oom_kills(self, count: int) -> None:
        """Say how many the kernel has killed."""
        (self.root / "vmstat").write_text(f"nr_free_pages 9\noom_kill {count}\npgfault 1\n")

    def process(self, pid: int, born: int, state: str = "S") -> None:
        """Start a process, or change its state."""
        (self.root / str(pid)).mkdir(exist_ok=True)
        columns = " ".join([state, *"0" * 18, str(born), "0"])
        (self.root / str(pid) / "stat").write_text(f"{pid} (twistd) a(b) ) {columns}\n")

    def gone(self, pid: int) -> None:
        """End one."""
        (self.root / str(pid) / "stat").unlink()


class EndingCase(SynchronousTestCase):
    """Processes of one folder for state."""

    def setUp(self) -> None:
        self.machine = Machine(self.mktemp())
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.now = 1000.0

    def endings(self, pid: int, born: int = 0) -> Endings:
        """Give those of one process."""
        self.machine.process(pid, born or pid * 10)
        return Endings(
            str(self.folder), proc=self.machine.root, now=lambda: self.now, pid=lambda: pid
        )

    def killed(self, endings: Endings, pid: int) -> None:
        """End a process without its doing anything: the system lets go of what it held."""
        os.close(endings._fd)
        endings._fd = -1
        self.machine.gone(pid)

    @property
    def markers(self) -> list[str]:
        """What lies in the folder."""
        return sorted(os.listdir(self.folder))


class EndingsTests(EndingCase):
    """Markers."""

    def test_planned(self) -> None:
        """A process that was stopped leaves nothing, and the next one hears of nothing."""
        first = self.endings(7)
        self.assertEqual(first.begin(), [])
        self.assertEqual(len(self.markers), 1)
        first.stopping()
        first.end()
        self.assertEqual(self.markers, [])
        self.assertEqual(self.endings(8).begin(), [])

    def test_killed(self) -> None:
        """One that was killed is told of once, with its number and its start."""
        first = self.endings(7)
        first.begin()
        self.killed(first, 7)
        self.now = 5000.0
        second = self.endings(8)
        self.assertEqual(second.begin(), [Left(7, 1000.0, "killed", False)])
        self.assertEqual(self.endings(9).begin(), [])

    def test_same_number(self) -> None:
        """A process that got the number of the one that was killed is not taken for it, as in a container."""
        first = self.endings(1, born=500)
        first.begin()
        self.killed(first, 1)
        second = self.endings(1, born=900)
        self.assertEqual([left.pid for left in second.begin()], [1])

    def test_handed_over(self) -> None:
        """One that still runs has not ended, however often others start; it takes its own marker away."""
        first, second = self.endings(7), self.endings(8)
        first.begin()
        self.assertEqual(second.begin(), [])
        self.assertEqual(len(self.markers), 2)
        first.end()
        self.assertEqual(len(self.markers), 1)
        self.assertEqual(self.endings(9).begin(), [])

    def test_zombie(self) -> None:
        """One that has ended and was not waited for has ended."""
        first = self.endings(7)
        first.begin()
        self.killed(first, 7)
        self.machine.process(7, 70, "Z")
        self.assertEqual([left.pid for left in self.endings(8).begin()], [7])

    def test_lock_of_a_child(self) -> None:
        """A child that holds on to the lock of the process that is gone does not make it live."""
        first = self.endings(7)
        first.begin()
        held = os.dup(first._fd)
        self.addCleanup(os.close, held)
        self.killed(first, 7)
        self.assertEqual([left.pid for left in self.endings(8).begin()], [7])

    def test_other_container(self) -> None:
        """One whose number means nothing here is known by its lock."""
        first = self.endings(7)
        first.begin()
        self.machine.space("pid:[2]")
        self.machine.gone(7)
        second = self.endings(8)
        self.assertEqual(second.begin(), [])
        os.close(first._fd)
        first._fd = -1
        self.assertEqual([left.pid for left in self.endings(9).begin()], [7])

    def test_reboot(self) -> None:
        """Another boot of the machine is told, although the number may be in use again."""
        first = self.endings(7)
        first.begin()
        self.killed(first, 7)
        self.machine.boot("second")
        self.machine.process(7, 70)
        self.assertEqual([left.likely for left in self.endings(8).begin()], ["reboot"])

    def test_memory(self) -> None:
        """That the kernel has killed since then is told."""
        first = self.endings(7)
        first.begin()
        self.killed(first, 7)
        self.machine.oom_kills(4)
        self.assertEqual([left.likely for left in self.endings(8).begin()], ["memory"])

    def test_cut_short(self) -> None:
        """One that was told to stop and killed while it drained says so."""
        first = self.endings(7)
        first.begin()
        first.stopping()
        self.killed(first, 7)
        self.assertEqual([left.was_stopping for left in self.endings(8).begin()], [True])

    def test_nothing_written(self) -> None:
        """A marker whose content was lost with the power tells of an end, by its own time."""
        marker = self.folder / "running-aaaa"
        marker.write_bytes(b"")
        os.utime(marker, (77, 77))
        self.assertEqual(self.endings(8).begin(), [Left(0, 77.0, "killed", False)])
        self.assertEqual(len(self.markers), 1)

    def test_odd_content(self) -> None:
        """Whatever stands in it, a marker harms nobody."""
        for index, content in enumerate(
            ("[]", "{", '{"pid": "x", "started": "y", "boot": 3}', "\0")
        ):
            (self.folder / f"running-{index}").write_text(content)
        (self.folder / "running-huge").write_text(json.dumps({"pid": "x" * 9000}))
        self.assertEqual([left.pid for left in self.endings(8).begin()], [0] * 5)

    def test_no_marker(self) -> None:
        """What is no file, or somebody else's, stays."""
        (self.folder / "running-folder").mkdir()
        (self.folder / "running-link").symlink_to("/etc/passwd")
        os.mkfifo(self.folder / "running-fifo")
        (self.folder / "plugins.sqlite").write_text("x")
        self.assertEqual(self.endings(8).begin(), [])
        self.assertEqual(len(self.markers), 5)

    def test_half_made(self) -> None:
        """A marker that was never finished is swept away and tells nothing; one that is being made stays."""
        (self.folder / ".running-old").write_text("")
        with (self.folder / ".running-new").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.assertEqual(self.endings(8).begin(), [])
        self.assertEqual(self.markers[0], ".running-new")
        self.assertEqual(len(self.markers), 2)

    def test_no_folder(self) -> None:
        """A folder that can't be used raises, and the end is harmless."""
        endings = Endings(str(self.folder / "none"), proc=self.machine.root)
        self.assertRaises(OSError, endings.begin)
        endings.stopping()
        endings.end()

    def test_real_process(self) -> None:
        """With the real F{/proc}, a process of ours that is gone has ended, and this one runs."""
        child = os.fork()
        if not child:  # pragma: no cover - in another process
            Endings(str(self.folder)).begin()
            os._exit(0)
        os.waitpid(child, 0)
        mine = Endings(str(self.folder))
        (left,) = mine.begin()
        self.assertEqual((left.pid, left.was_stopping), (child, False))
        self.assertLess(abs(left.started - time.time()), 30)
        self.assertEqual(Endings(str(self.folder)).begin(), [])
        mine.end()


class RestartsTests(EndingCase):
    """What is told."""

    def begin(self, pid: int, *, tells: bool = False) -> list[Event]:
        """Start a process."""
        return self.restarts(pid).begin(tells=tells)

    def restarts(self, pid: int) -> Restarts:
        """Give those of one process."""
        return Restarts(str(self.folder), self.endings(pid))

    def test_abnormal(self) -> None:
        """An abnormal end is an error and says when the process had started, and what is likely; no start is told."""
        first = self.endings(7)
        first.begin()
        self.killed(first, 7)
        (event,) = self.begin(8, tells=True)
        self.assertEqual(
            (event.name, event.severity, event.subject, dict(event.values)),
            (
                "abnormal_restart",
                Severity.ERROR,
                "gateway",
                {"started": "1970-01-01T00:16:40Z", "likely": "killed", "pid": "7"},
            ),
        )
        self.assertEqual(
            event.text,
            "process 7, which served since 1970-01-01T00:16:40Z, had ended without being stopped: it was killed or crashed",
        )

    def test_several(self) -> None:
        """Each process is told of, abnormal ends before those that were only cut short."""
        for pid in (5, 6, 7):
            self.now += 1
            one = self.endings(pid)
            one.begin()
            if pid == 5:
                one.stopping()
            os.close(one._fd)
            one._fd = -1
        for pid in (5, 6, 7):
            self.machine.gone(pid)
        told = self.begin(8)
        self.assertEqual(
            [(one.name, one.values["pid"]) for one in told],
            [("abnormal_restart", "6"), ("abnormal_restart", "7"), ("stop_cut_short", "5")],
        )

    def test_planned(self) -> None:
        """A planned start and stop are told to those who asked for it, and to nobody else."""
        told: list[Event] = []
        quiet = self.restarts(7)
        self.assertEqual(quiet.begin(tells=False), [])
        quiet.stopping(told.append, tells=False)
        quiet.end()
        self.assertEqual(told, [])
        loud = self.restarts(8)
        self.assertEqual([one.name for one in loud.begin(tells=True)], ["planned_start"])
        loud.stopping(told.append, tells=True)
        loud.end()
        self.assertEqual(
            [(one.name, one.severity) for one in told], [("planned_stop", Severity.INFO)]
        )
        self.assertEqual(self.markers, [])

    def test_cut_short(self) -> None:
        """A planned stop that was cut short is no abnormal end; the start after it is a planned one."""
        first = self.endings(7)
        first.begin()
        first.stopping()
        self.killed(first, 7)
        self.assertEqual(
            [one.name for one in self.begin(8, tells=True)], ["stop_cut_short", "planned_start"]
        )

    def test_never_served(self) -> None:
        """A process that never came to serve tells of no stop."""
        told: list[Event] = []
        restarts = self.restarts(7)
        restarts.stopping(told.append, tells=True)
        restarts.end()
        self.assertEqual(told, [])

    def test_without_a_folder(self) -> None:
        """Without a folder for state nothing is known of others, and nothing is written."""
        restarts = Restarts("")
        self.assertEqual(restarts.begin(tells=False), [])
        restarts.end()

    def test_folder_that_cannot_be_used(self) -> None:
        """Where no marker can be kept the gateway starts all the same."""
        restarts = Restarts(str(self.folder / "none"))
        self.assertEqual([one.name for one in restarts.begin(tells=True)], ["planned_start"])
        restarts.end()
