"""The room that scanned content takes: bounded on disk and in memory, waited for, refused in the end, and free again after a kill."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
import zipfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.effort import is_full
from tests.live.cache_peers import mounted, taken
from tests.live.clamd_daemon import MARKER, Clamd
from tests.live.peers import Server, Stream, connected
from tests.live.processes import Gateway, made_folder, until
from tests.live.scan_peers import (
    Store,
    Watch,
    Ways,
    children,
    clean,
    packed,
    scanning,
)

MIB = 1 << 20

ROOM = """
[plugins.archive]
temp_limit = "8MiB"
"""
#: An order that may take long, and everything held to its end.
HOLD = 'temp_limit = "8MiB"\ntimeout = "40s"\nlarge_file = { mode = "hold" }\n'
#: A scanner that is stopped for a while is not taken to be out of order: that would refuse for another reason.
PATIENT = 'timeout = "35s"\nhealth = "60s"\nconnect_timeout = "60s"\n'


class ShortTests(SynchronousTestCase):
    """20 archives of 1.5 MiB at once, with 8 MiB of room for everything, on a disk that is hardly larger."""

    COUNT = 20
    LIMIT = 8 * MIB

    def setUp(self) -> None:
        """Mount the disk, which is root's to do, as whom CI runs; have the archives."""
        if os.geteuid():
            raise SkipTest("to mount a file system needs root")
        self.folder = made_folder(self)
        mounted(self, self.folder, ["size=9m"])
        self.clamd = Clamd(self)
        self.files = {
            f"/{number}.zip": packed({f"{part}.bin": clean(MIB // 2) for part in range(3)})
            for number in range(self.COUNT)
        }
        self.store = Store(self, self.files)
        self.gateway = scanning(
            self,
            self.store,
            self.clamd,
            scan=HOLD,
            more=ROOM,
            settings=PATIENT,
            spool=self.folder,
            environment={"TMPDIR": str(self.folder)},
        )
        self.gateway.says("is ready")
        self.ways = Ways(self, self.gateway, self.store)
        self.most = 0
        self._end = threading.Event()
        looking = threading.Thread(target=self._look, daemon=True)
        looking.start()
        self.addCleanup(looking.join)
        self.addCleanup(self._end.set)

    def _look(self) -> None:
        while not self._end.wait(0.01):
            status = os.statvfs(self.folder)
            self.most = max(self.most, (status.f_blocks - status.f_bfree) * status.f_frsize)

    def see_no_lack(self) -> None:
        """See that the disk was used and never full, and that all of it is free again."""
        self.assertNotIn("No space left", self.gateway.text)
        self.assertGreater(self.most, self.LIMIT // 4)
        self.assertLessEqual(self.most, self.LIMIT + MIB // 4)
        until(lambda: taken(self.folder) == 0, what="the room is free again")

    def test_downloads_wait(self) -> None:
        """While the scanner works all of them pass, one after the other as there is room."""
        answers = self.ways.all_at_once([self.ways.request(path) for path in self.files])
        for answer, (path, content) in zip(answers, self.files.items(), strict=True):
            assert answer is not None, f"{path} broke off"
            self.assertEqual(answer.status, 200, path)
            self.assertEqual(answer.content, content)
        self.see_no_lack()

    def test_uploads_wait(self) -> None:
        """So do uploads."""
        answers = self.ways.all_at_once(
            [self.ways.request(path, upload=content) for path, content in self.files.items()]
        )
        for answer, (path, content) in zip(answers, self.files.items(), strict=True):
            assert answer is not None, f"{path} broke off"
            self.assertEqual(answer.status, 201, path)
            self.assertEqual(self.store.got[path], content)
        self.see_no_lack()

    def test_capacity(self) -> None:
        """While the scanner does not go on, some wait for it; the others get the page of a lack of capacity after their wait for room."""
        self.clamd.signal(signal.SIGSTOP)
        self.addCleanup(self._go_on)
        crowd = self.ways.crowd([self.ways.request(path) for path in self.files])
        begun = time.monotonic()
        # Who finds room within 10 s in one place may wait for as long in the next.
        until(lambda: self.gateway.text.count("(scan capacity)") >= 10, 30.0, "the first refusals")
        self.assertGreater(time.monotonic() - begun, 8.0)
        self._go_on()
        refused = passed = 0
        for answer, (path, content) in zip(crowd.answers(), self.files.items(), strict=True):
            assert answer is not None, f"{path} broke off"
            if answer.status == 200:
                passed += 1
                self.assertEqual(answer.content, content)
            else:
                refused += 1
                self.assertEqual(answer.status, 503, path)
                self.assertIn(b"scan capacity", answer.content)
                self.assertNotEqual(answer.head.get("retry-after"), "")
        self.assertGreaterEqual(passed, 2)
        self.assertGreaterEqual(refused, 10)
        self.gateway.says("event temp_space_short")
        self.gateway.says("event temp_space_free")
        self.see_no_lack()

    def _go_on(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.clamd.signal(signal.SIGCONT)


class KillTests(SynchronousTestCase):
    """kill -9 while 50 things are scanned and unpacked."""

    COUNT = 50

    def test_kill(self) -> None:
        """Ten seconds later there is neither a file nor a process left, whether the gateway runs again or not."""
        clamd = Clamd(self)
        self.addCleanup(self._go_on, clamd)
        folder, system = made_folder(self), made_folder(self)
        files = {
            f"/{number}.zip": packed({f"{part}.bin": clean(MIB) for part in range(2)})
            for number in range(self.COUNT)
        }
        store = Store(self, files)
        gateway = self.started(store, clamd, folder, system)
        ways = Ways(self, gateway, store)
        clamd.signal(signal.SIGSTOP)
        asked = [
            ways.request(path, upload=content if number % 2 else None)
            for number, (path, content) in enumerate(files.items())
        ]
        crowd = ways.crowd(asked)
        until(lambda: self.held(gateway) >= self.COUNT, what="all are held in files")
        until(lambda: children(gateway.pid), what="something is unpacked")
        helpers = children(gateway.pid)
        # Not its group: its processes have to end by themselves.
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.ended()
        for answer in crowd.answers():
            self.assertIsNone(answer)
        begun = time.monotonic()
        again = self.started(store, clamd, folder, system, gateway)
        until(lambda: not self.left(folder, system), 10.0, "all files are gone")
        until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers),
            10.0,
            "all processes are gone",
        )
        self.assertLess(time.monotonic() - begun, 10.0)
        self._go_on(clamd)
        again.says("is ready")
        path, content = next(iter(files.items()))
        answer = Ways(self, again, store).asked(path)
        assert answer is not None
        self.assertEqual((answer.status, answer.content), (200, content))

    def started(
        self, store: Store, clamd: Clamd, folder: Path, system: Path, before: Gateway | None = None
    ) -> Gateway:
        """Start a gateway whose every file is in one of the two folders."""
        gateway = scanning(
            self,
            store,
            clamd,
            spool=folder,
            scan='large_file = { mode = "hold" }\n',
            environment={"TMPDIR": str(system)},
            instead_of=before,
        )
        if before is None:
            gateway.says("is ready")
        return gateway

    def held(self, gateway: Gateway) -> int:
        """Count the files without a name that a gateway has open."""
        found = 0
        for link in Path(f"/proc/{gateway.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found += "(deleted)" in os.readlink(link)
        return found

    def left(self, *folders: Path) -> list[Path]:
        """Give what is in these folders."""
        return [file for folder in folders for file in folder.rglob("*") if file.is_file()]

    def _go_on(self, clamd: Clamd) -> None:
        with contextlib.suppress(ProcessLookupError):
            clamd.signal(signal.SIGCONT)


class Sink(Server):
    """
    An origin that reads what is sent to it and throws it away.

    @ivar taken: bytes of content that came, chunk framing included.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self.taken = 0
        super().__init__(test, self._read)

    def _read(self, stream: Stream) -> None:
        stream.head()
        end = stream.unread
        self.taken += len(end)
        while not end.endswith(b"0\r\n\r\n"):
            data = stream.socket.recv(MIB)
            if not data:
                return
            self.taken += len(data)
            end = (end + data)[-7:]
        stream.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")


class MemoryTests(SynchronousTestCase):
    """A bomb like 42.zip, an upload of 2 GiB and 100 downloads at the same time."""

    UPLOAD = (2048 if is_full() else 640) * MIB
    DOWNLOADS = 100
    #: What the gateway itself may grow by, what any of its processes may have, and what is unpacked may take.
    MOST = 120 * MIB
    MOST_HELPER = 200 * MIB
    MOST_UNPACKED = 512 * MIB

    def test_together(self) -> None:
        """Memory stays bounded, the bomb is refused, and everything else arrives as it was sent."""
        clamd = Clamd(self)
        files = {f"/{number}": clean(300_000, number) for number in range(self.DOWNLOADS)}
        files["/42.zip"] = bomb()
        store = Store(self, files)
        sink = Sink(self)
        gateway = scanning(
            self,
            store,
            clamd,
            scan='on = { too_large = "warn" }\nlarge_file = { mode = "hold" }\n',
            settings='connections = 4\nmax_size = "64MiB"\n',
        )
        gateway.says("is ready")
        ways = Ways(self, gateway, store)
        for path in ("/0", "/1"):
            ways.asked(path)
        watch = Watch(gateway)
        uploading = threading.Thread(target=self.upload, args=(gateway, sink), daemon=True)
        self.status = 0
        uploading.start()
        bombs = ways.crowd([ways.request("/42.zip"), ways.request("/x", upload=files["/42.zip"])])
        others = [path for path in files if path != "/42.zip"]
        answers = ways.all_at_once([ways.request(path) for path in others], 120.0)
        for path, answer in zip(others, answers, strict=True):
            assert answer is not None, f"{path} broke off"
            self.assertEqual((answer.status, answer.content == files[path]), (200, True), path)
        for answer in bombs.answers():
            assert answer is not None
            self.assertEqual(answer.status, 403)
        uploading.join(120.0)
        self.assertEqual(self.status, 201)
        self.assertGreaterEqual(sink.taken, self.UPLOAD)
        watch.stop()
        self.assertLess(watch.own - watch.before, self.MOST)
        self.assertLess(watch.helpers, self.MOST_HELPER)
        self.assertLessEqual(watch.files, self.MOST_UNPACKED)
        lines = gateway.lines(ways.sent + 1)
        (large,) = (line for line in lines if line["url"].endswith("/large"))
        self.assertEqual(large["notes"]["scan_request"], "too_large:warn")

    def upload(self, gateway: Gateway, sink: Sink) -> None:
        """Send as much as there may be, in chunks, so that nobody knows how much it will be."""
        client = connected(self, gateway.forward)
        authority = b"127.0.0.1:%d" % sink.port
        client.send(
            b"PUT http://%b/large HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
            % (authority, authority)
        )
        piece = b"100000\r\n" + os.urandom(MIB) + b"\r\n"
        for _ in range(self.UPLOAD // MIB):
            client.send(piece)
        client.send(b"0\r\n\r\n")
        client.socket.settimeout(60)
        self.status = client.answer("PUT").status


def bomb() -> bytes:
    """Make a ZIP of 16 ZIPs of 16 ZIPs and so on, with 64 TiB of zeros in all and the marker nowhere."""
    assert MARKER
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("0.dll", bytes(256 * MIB))
    content = sink.getvalue()
    for level in range(4):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as members:
            for number in range(16):
                members.writestr(f"lib {level} {number:x}.zip", content)
        content = sink.getvalue()
    return content
