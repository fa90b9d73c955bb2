"""Tests of the plugin as the core uses it, with real child processes."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import NONE, NotPacked, ScanJob, Side, Unpacked, Unscannable, Whole
from gateway.testing import check_plugin
from gateway_archive import Archive, plugin
from gateway_archive.tests.archives import MARKER, nested, zipped
from gateway_archive.tests.desk import Desk, job

_NOBODY: Any = None


class PluginTestCase(SynchronousTestCase):
    """Makes plugins, and stops them."""

    def desk(self, **settings: Any) -> Desk:
        """Make one."""
        desk = Desk(**settings)
        self.addCleanup(desk.stop)
        return desk


class AnswerTests(PluginTestCase):
    """What the plugin says of content."""

    def test_entry_point(self) -> None:
        """The package names its plugin, under the name that the configuration uses."""
        self.assertIs(plugin, Archive)
        self.assertEqual(plugin.name, "archive")

    def test_check(self) -> None:
        """All that the first operator could complain of is that it takes a scanner beside it."""
        (finding,) = check_plugin(Archive)
        self.assertIn("no plugin scan_content; nobody would look at what is held", finding)

    def test_not_packed(self) -> None:
        """Most content is told at a glance, without a child process."""
        desk = self.desk()
        page = desk.unpacked(job(b"<html><body>hello</body></html>", media_type="text/html"))
        self.assertEqual(page, NotPacked("html"))
        self.assertEqual(desk.unpacked(job(os.urandom(1) + bytes(300_000))), NotPacked(""))
        self.assertEqual(desk.plugin.pool.started, 0)

    def test_not_for_us(self) -> None:
        """Of what may have files in it that nobody here unpacks, nothing is said."""
        self.assertIsNone(self.desk().unpacked(job(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" * 20)))

    def test_seemed_packed(self) -> None:
        """What only seemed to be packed is told as what it is."""
        # The end of an archive by its bytes, and of none by what they say.
        content = b"<html>hello</html>" * 900 + b"PK\5\6" + b"\xff" * 30
        desk = self.desk()
        self.assertEqual(desk.unpacked(job(content, media_type="text/html")), NotPacked("html"))
        self.assertEqual((desk.plugin.pool.started, desk.plugin.room.used), (1, 0))

    def test_part(self) -> None:
        """A part of content is not unpacked."""
        desk = self.desk()
        self.assertIsNone(desk.unpacked(job(zipped({"a": b"a"}), content_range="bytes 0-9/99")))
        self.assertIsNone(desk.unpacked(job(zipped({"a": b"a"}), status="206")))

    def test_members(self) -> None:
        """Members have size, digest, type, depth and the way to them; large ones are files."""
        large = os.urandom(300_000)
        desk = self.desk()
        content = zipped({"a.txt": b"hello " * 9, "b.zip": zipped({"c.bin": large})})
        found = desk.members(job(content, status="200", method="GET"))
        by_name = {one.member: one for one in found if isinstance(one, ScanJob)}
        self.assertEqual(list(by_name), ["a.txt", "b.zip", "b.zip/c.bin"])
        inner = by_name["b.zip/c.bin"]
        self.assertEqual((inner.size, inner.depth, inner.content), (300_000, 2, b""))
        self.assertEqual(inner.sha256, hashlib.sha256(large).hexdigest())
        with inner.open() as file:
            self.assertEqual(file.read(), large)
        self.assertEqual(
            dict(by_name["a.txt"].notes), {"type": "text", "status": "200", "method": "GET"}
        )
        self.assertEqual(by_name["b.zip"].notes["type"], "zip")
        self.assertEqual(by_name["a.txt"].content, b"hello " * 9)

    def test_unknown_inside(self) -> None:
        """A member that may have more in it, which nobody here unpacks, says so."""
        content = zipped(
            {"a.pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" * 9, "b.zip": zipped({"c": b"c" * 40})}
        )
        found = self.desk().members(job(content))
        said = {one.member: one.notes.get("nested") for one in found if isinstance(one, ScanJob)}
        self.assertEqual(said, {"a.pdf": "unknown", "b.zip": None, "b.zip/c": None})

    def test_file(self) -> None:
        """Content in a file is unpacked like content in memory."""
        content = zipped({"a.txt": MARKER, "b": os.urandom(200_000)})
        with open(self.mktemp(), "w+b") as file:
            file.write(content)
            file.flush()
            path = Path(f"/proc/self/fd/{file.fileno()}")
            given = ScanJob(b"", path, len(content), "application/zip", "0", "http://a/")
            found = self.desk().members(given)
        self.assertEqual([one.content for one in found if isinstance(one, ScanJob)][0], MARKER)

    def test_coding(self) -> None:
        """Content that is merely coded is covered by what it was before."""
        desk = self.desk()
        given = job(gzip.compress(MARKER), media_type="text/plain", content_encoding="gzip")
        answer = desk.unpacked(given)
        assert isinstance(answer, Unpacked)
        self.assertTrue(answer.covers)
        (member,) = desk.done(answer.members.more())
        self.assertEqual((member.content, member.media_type), (MARKER, "text/plain"))

    def test_limits(self) -> None:
        """The limits are those of the settings."""
        desk = self.desk(max_depth=2, max_files=5)
        deep = desk.members(job(nested(3)))
        self.assertEqual(
            [(one.reason, one.engine) for one in deep if isinstance(one, Unscannable)],
            [("limit:depth", "archive")],
        )
        many = desk.members(job(zipped({str(number): str(number).encode() for number in range(9)})))
        self.assertEqual(
            [one.reason for one in many if isinstance(one, Unscannable)], ["limit:files"]
        )

    def test_need(self) -> None:
        """How much is held is for the scanners to say, unless a setting does."""
        self.assertIs(self.desk().plugin.content_need(_NOBODY, Side.RESPONSE), NONE)
        self.assertEqual(
            self.desk(hold=1000).plugin.content_need(_NOBODY, Side.RESPONSE), Whole(1000)
        )

    def test_patterns(self) -> None:
        """What was found with other limits is not remembered."""
        first, second = self.desk(), self.desk(max_depth=5)
        self.assertEqual(first.plugin.scan_patterns(), self.desk().plugin.scan_patterns())
        self.assertNotEqual(first.plugin.scan_patterns(), second.plugin.scan_patterns())


class SharedTests(PluginTestCase):
    """Room and processes, which all content shares."""

    def test_batches(self) -> None:
        """Large content comes in batches, and no more than one of them is there at once."""
        desk = self.desk(temp_limit=8 << 20)
        content = zipped(
            {str(number): os.urandom(150_000) for number in range(60)}, zipfile.ZIP_STORED
        )
        answer = desk.unpacked(job(content))
        sizes = []
        while batch := desk.done(answer.members.more()):
            sizes.append(sum(one.size for one in batch))
            self.assertLessEqual(desk.plugin.room.used, 8 << 20)
        self.assertEqual(sum(sizes), 60 * 150_000)
        self.assertLessEqual(max(sizes), 2 << 20)
        self.assertEqual(desk.plugin.room.used, 0)

    def test_process_is_kept(self) -> None:
        """One process does many jobs, one after the other."""
        desk = self.desk()
        for number in range(10):
            self.assertEqual(len(desk.members(job(zipped({"a": b"%d" % number * 20})))), 1)
        self.assertEqual(desk.plugin.pool.started, 1)

    def test_process_is_replaced(self) -> None:
        """After so many jobs a process has a successor."""
        desk = self.desk()
        desk.members(job(zipped({"a": b"a"})))
        (child,) = desk.plugin.pool.children
        child.jobs = 10_000
        desk.members(job(zipped({"a": b"b"})))
        desk.members(job(zipped({"a": b"c"})))
        self.assertEqual(desk.plugin.pool.started, 2)
        self.assertNotIn(child, desk.plugin.pool.children)

    def test_free_while_scanned(self) -> None:
        """Content whose members are all there has no process any more, so it keeps nobody waiting."""
        desk = self.desk(workers=1)
        answers = [desk.unpacked(job(zipped({"a": b"%d" % number * 20}))) for number in range(20)]
        self.assertEqual(desk.plugin.pool.started, 1)
        for answer in answers:
            self.assertEqual(len(desk.done(answer.members.more())), 1)
            answer.members.close()
        self.assertEqual(desk.plugin.room.used, 0)

    def test_no_room(self) -> None:
        """Without room content waits in turn, and is refused when that takes too long."""
        desk = self.desk(temp_limit=4 << 20, wait=10.0)
        room = desk.plugin.room
        self.successResultOf(room.take(room.limit, 0.0))
        waiting = desk.begun(job(zipped({"a": b"a"})))
        desk.clock.advance(9.9)
        self.assertNoResult(waiting)
        desk.clock.advance(0.2)
        refused = self.successResultOf(waiting)
        self.assertEqual((type(refused), refused.reason), (Unscannable, "extract_failed:capacity"))
        late = desk.begun(job(zipped({"a": b"a"})))
        room.give(room.limit)
        self.assertIsInstance(desk.done(late), Unpacked)
        names = [event.name for event in desk.told]
        self.assertEqual(names, ["temp_space_short", "temp_space_free"])

    def test_no_room_for_the_rest(self) -> None:
        """What was begun waits for room as well before it goes on, and the rest of it is refused when that takes too long."""
        desk = self.desk(temp_limit=4 << 20, wait=10.0)
        answer = desk.unpacked(job(several(1)))
        self.assertTrue(desk.done(answer.members.more()))
        room = desk.plugin.room
        self.successResultOf(room.take(room.limit - room.used, 0.0))
        waiting = Deferred.fromCoroutine(answer.members.more())
        desk.clock.advance(10.0)
        (refused,) = self.successResultOf(waiting)
        self.assertEqual((type(refused), refused.reason), (Unscannable, "extract_failed:capacity"))
        self.assertEqual(desk.plugin.pool.children, set())

    def test_busy_threads(self) -> None:
        """Where no thread is to be had content is refused, and nothing is left behind."""
        desk = self.desk()
        desk.services.threads.full.add("scan")
        for content in (zipped({"a": b"a"}), bytes(1 << 20)):
            refused = desk.unpacked(job(content))
            self.assertEqual((type(refused), refused.reason), (Unscannable, "capacity"))
        self.assertEqual(desk.plugin.room.used, 0)

    def test_closed_while_asked(self) -> None:
        """It may be ended while its next members are awaited; then there are no more."""
        desk = self.desk()
        answer = desk.unpacked(job(several(1)))
        desk.done(answer.members.more())
        waiting = Deferred.fromCoroutine(answer.members.more())
        answer.members.close()
        self.assertEqual([one for one in desk.done(waiting) if isinstance(one, ScanJob)], [])
        self.assertEqual((desk.plugin.room.used, desk.plugin.pool.children), (0, set()))

    def test_no_more_than_may_run(self) -> None:
        """However much comes at once, no more processes are started than may run; those too many end when they are idle."""
        desk = self.desk(workers=2)
        waiting = [desk.begun(job(zipped({"a": b"%d" % number * 20}))) for number in range(8)]
        for one in waiting:
            self.assertIsInstance(desk.done(one), Unpacked)
        self.assertLessEqual(desk.plugin.pool.started, 2)
        # Each waits for what is done with its first members, and keeps little room meanwhile.
        held = [desk.unpacked(job(several(number))) for number in range(5)]
        self.assertEqual(len(desk.plugin.pool.children), 5)
        self.assertLess(desk.plugin.room.used, 100 << 20)
        for answer in held:
            while desk.done(answer.members.more()):
                pass
        self.assertEqual(len(desk.plugin.pool.children), 5)
        desk.clock.advance(30.0)
        desk.clock.advance(30.0)
        self.assertEqual(len(desk.plugin.pool.children), 2)

    def test_closed_between(self) -> None:
        """Nobody has to take all members."""
        desk = self.desk()
        answer = desk.unpacked(job(several(1)))
        self.assertTrue(desk.done(answer.members.more()))
        answer.members.close()
        self.assertEqual(desk.plugin.room.used, 0)
        self.assertEqual(len(desk.members(job(zipped({"a": b"a"})))), 1)

    def test_cancelled(self) -> None:
        """Who goes away while the process is asked leaves no room taken and no process busy."""
        desk = self.desk()
        waiting = desk.begun(job(zipped({"a": b"a"})))
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(desk.plugin.room.used, 0)
        self.assertEqual(len(desk.members(job(zipped({"a": b"a"})))), 1)


class FailureTests(PluginTestCase):
    """Child processes that go wrong."""

    def test_crash(self) -> None:
        """A process that crashes is told as a failure to unpack, and the next content has another one."""
        desk = self.desk()
        for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU):
            answer = desk.unpacked(job(several(1)))
            (child,) = desk.plugin.pool.children
            os.kill(child.pid, number)
            self.assertTrue(desk.done(answer.members.more()))
            (refused,) = desk.done(answer.members.more())
            self.assertEqual((type(refused), refused.reason), (Unscannable, "extract_failed"))
            self.assertEqual(desk.done(answer.members.more()), ())
            answer.members.close()
            self.assertEqual(desk.plugin.room.used, 0)
        self.assertEqual(len(desk.members(job(zipped({"a": b"a"})))), 1)
        metrics: Any = desk.services.given["archive"].metrics
        self.assertEqual(metrics.value("failures", how="crashed"), 3)

    def test_idle_crash(self) -> None:
        """A process that crashes while it has nothing to do is not missed."""
        desk = self.desk()
        desk.members(job(zipped({"a": b"a"})))
        (child,) = desk.plugin.pool.children
        os.kill(child.pid, signal.SIGKILL)
        child.wait(5.0)
        self.assertEqual(len(desk.members(job(zipped({"a": b"b"})))), 1)

    def test_hang(self) -> None:
        """A process that does not answer within the time is killed."""
        desk = self.desk(timeout=0.2)
        answer = desk.unpacked(job(several(1)))
        (child,) = desk.plugin.pool.children
        os.kill(child.pid, signal.SIGSTOP)
        self.assertTrue(desk.done(answer.members.more()))
        (refused,) = desk.done(answer.members.more())
        self.assertEqual((type(refused), refused.reason), (Unscannable, "limit:time"))
        child.wait(5.0)
        self.assertFalse(os.path.exists(f"/proc/{child.pid}"))

    def test_not_started(self) -> None:
        """Where no process can be started content is refused."""
        desk = self.desk()

        def spawn() -> Any:
            raise OSError(11, "no more processes")

        desk.plugin.pool._spawn = spawn
        refused = desk.unpacked(job(zipped({"a": b"a"})))
        self.assertEqual((type(refused), refused.reason), (Unscannable, "extract_failed:capacity"))
        self.assertEqual(desk.plugin.room.used, 0)


def several(number: int) -> bytes:
    """Make content whose members don't come all at once."""
    files = {f"{number}-{index}": os.urandom(100_000) for index in range(60)}
    return zipped(files, zipfile.ZIP_STORED)
