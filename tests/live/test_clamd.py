"""The plugin C{clamd} with a real clamd: what it finds, what it must not call clean, and a clamd that hangs, ends or reloads."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from gateway.api import Clean, Event, Infected, ScanJob, ScanResult, Unscannable
from gateway.testing import FakeServices
from gateway_clamd import Clamd, ClamdSettings
from gateway_clamd.contents import Place
from gateway_clamd.engine import Engine, Standing
from gateway_clamd.samples import encrypted, packed
from gateway_clamd.settings import Address, address
from tests.live.clamd_daemon import DEBIAN, EICAR_NAME, MARKER, MARKER_NAME, eicar, scanned
from tests.live.clamd_daemon import Clamd as Daemon
from tests.live.peers import Origin, connected
from tests.live.processes import Gateway, short_folder, until

reactor: Any = the_reactor

MIB = 1 << 20
#: What no wait may outlast, in seconds.
PATIENCE = 20.0


class ClamdTestCase(TestCase):
    """Tests with a clamd and the plugin's object, on the real reactor."""

    timeout = 90

    def daemon(self, **options: object) -> Daemon:
        """Start a clamd."""
        return Daemon(self, port=None, **options)

    async def plugin(self, *addresses: str, **settings: Any) -> Clamd:
        """Make the plugin, and wait until it knows what there is."""
        self.events: list[Event] = []
        equips = FakeServices(reactor, self.events.append)
        made = Clamd(
            ClamdSettings(address=tuple(map(address, addresses)), **settings),
            equips.for_plugin("clamd"),
        )
        self.addCleanup(self._stopped, made, equips)
        await self.until(
            lambda: all(engine.standing is not Standing.UNKNOWN for engine in made.engines)
        )
        return made

    def _stopped(self, made: Clamd, equips: FakeServices) -> Deferred[None]:
        equips.stop()
        made.stop()
        # Aborted connections tell their protocols in a later turn.
        return deferLater(reactor, 0.05)

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not happen in time")
            await deferLater(reactor, 0.02)

    def scan(self, plugin: Clamd, content: bytes | ScanJob) -> Deferred[ScanResult]:
        """Begin a scan."""
        job = content if isinstance(content, ScanJob) else ScanJob.of(content)
        return Deferred.fromCoroutine(plugin.scan_content(job))

    def in_file(self, content: bytes, size: int = 0) -> ScanJob:
        """Give a job whose content is in a file; zeros behind it up to a size."""
        path = Path(self.mktemp()).absolute()
        with path.open("wb") as file:
            file.write(content)
            if size:
                file.truncate(size)
        size = path.stat().st_size
        digest = hashlib.sha256(content + b"%d" % size).hexdigest()
        return ScanJob(b"", path, size, "", digest, "http://example.com/")

    def is_busy(self, engine: Engine) -> bool:
        """Tell whether all its connections have a scan."""
        return engine.busy == ClamdSettings().connections

    def is_ready(self, engine: Engine) -> bool:
        """Tell whether it can be used."""
        return engine.standing is Standing.READY

    def assertReason(self, result: ScanResult, reason: str) -> None:
        """It could not be scanned, for this reason."""
        assert isinstance(result, Unscannable), result
        self.assertEqual(result.reason, reason)


class FindingTests(ClamdTestCase):
    """What is found, and what is clean, by unix socket and by TCP."""

    async def test_results(self) -> None:
        """Content of all sizes, in memory and in files, is clean or infected as it should be."""
        daemon = self.daemon()
        for where in (daemon.unix, daemon.tcp):
            plugin = await self.plugin(where)
            self.assertEqual(self.events, [])
            self.assertEqual(plugin.engines[0].known.gaps, ())
            self.assertEqual(await self.scan(plugin, eicar()), Infected(EICAR_NAME, "clamd"))
            for size in (6, 1000, 65_537, 300_000, 5 * MIB):
                good = os.urandom(size)
                for content, bad in ((good, False), (good + MARKER, True)):
                    for job in (ScanJob.of(content), self.in_file(content)):
                        result = await self.scan(plugin, job)
                        if bad:
                            self.assertEqual(result, Infected(MARKER_NAME, "clamd"))
                        else:
                            assert isinstance(result, Clean)
                            self.assertEqual(
                                (result.coverage.size, result.coverage.nested), (len(content), True)
                            )
                            self.assertEqual(result.patterns, "1.4.6")

    async def test_packed(self) -> None:
        """What is in an archive is found; what is encrypted, or deeper than clamd goes, is neither clean nor infected."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix)
        content = eicar()
        for _ in range(10):
            content = packed(content)
        self.assertEqual(await self.scan(plugin, content), Infected(EICAR_NAME, "clamd"))
        for _ in range(10):
            content = packed(content)
        self.assertReason(await self.scan(plugin, content), "limit:depth")
        self.assertReason(await self.scan(plugin, encrypted(b"x")), "encrypted")

    async def test_limit_of_size(self) -> None:
        """What is over MaxFileSize is a limit, and over StreamMaxLength, where it is sent, too large."""
        daemon = self.daemon(MaxFileSize="3M", StreamMaxLength="5M")
        plugin = await self.plugin(daemon.unix)
        job = self.in_file(MARKER, 4 * MIB)
        self.assertReason(await self.scan(plugin, job), "limit:size")
        job = self.in_file(MARKER, 6 * MIB)
        self.assertReason(await self.scan(plugin, job), "limit:size")
        plugin = await self.plugin(daemon.tcp)
        self.assertReason(await self.scan(plugin, self.in_file(MARKER, 4 * MIB)), "limit:size")
        self.assertReason(await self.scan(plugin, self.in_file(MARKER, 6 * MIB)), "too_large")
        self.assertLessEqual(plugin.engines[0].most, 5 * MIB)
        self.assertGreater(plugin.engines[0].most, 5 * MIB - 65536)

    async def test_many(self) -> None:
        """200 scans at once are each answered with their own result, on few connections."""
        daemon = self.daemon()
        for where in (daemon.unix, daemon.tcp):
            plugin = await self.plugin(where, queue=1000)
            most = 0
            waiting = []
            for number in range(200):
                content = os.urandom(5000 if number % 2 else 80_000)
                waiting.append(self.scan(plugin, content + (MARKER if number % 3 == 0 else b"")))
                most = max(most, plugin.engines[0].connections)
            results = await gatherResults(waiting)
            for number, result in enumerate(results):
                kind = Infected if number % 3 == 0 else Clean
                self.assertIsInstance(result, kind, f"scan {number}")
            self.assertLessEqual(most, 8)
            self.assertLessEqual(plugin.engines[0].connections, 8)

    async def test_reactor_is_not_held(self) -> None:
        """While 300 MiB are sent, the reactor is never held for long."""
        daemon = self.daemon(StreamMaxLength="400M", MaxFileSize="10M")
        plugin = await self.plugin(daemon.tcp)
        job = self.in_file(b"x", 300 * MIB)
        waiting = self.scan(plugin, job)
        worst = 0.0
        while not waiting.called:
            before = time.monotonic()
            await deferLater(reactor, 0.001)
            worst = max(worst, time.monotonic() - before)
        self.assertReason(await waiting, "limit:size")
        self.assertLess(worst, 0.25)


class OpenTests(ClamdTestCase):
    """A clamd as Debian configures it: it says OK to what it did not look at."""

    async def test_fails_open(self) -> None:
        """It is found out at the start and said; 30 MiB with the signature at byte 0 are never clean."""
        daemon = self.daemon(**{**DEBIAN, "StreamMaxLength": "100M"}, AlertEncrypted=False)
        big = MARKER + bytes(30 * MIB - len(MARKER))
        # This is what is to be found out.
        self.assertEqual(scanned(daemon.socket, big), "stream: OK")
        for where, within in ((daemon.unix, MIB), (daemon.tcp, 13 * MIB)):
            plugin = await self.plugin(where)
            self.assertEqual([event.name for event in self.events], ["scan_engine_fails_open"])
            engine = plugin.engines[0]
            self.assertEqual(len(engine.known.gaps), 3)
            self.assertLessEqual(engine.most, 25 * MIB)
            self.assertGreaterEqual(engine.most, 25 * MIB - within)
            self.assertReason(await self.scan(plugin, big), "too_large")
            self.assertReason(await self.scan(plugin, self.in_file(big)), "too_large")
            result = await self.scan(plugin, MARKER + bytes(engine.most - len(MARKER)))
            self.assertEqual(result, Infected(MARKER_NAME, "clamd"))

    async def test_nested(self) -> None:
        """A zip nested deeper than it goes is never clean all the way down, nor is one with a password."""
        daemon = self.daemon(**DEBIAN, AlertEncrypted=False)
        plugin = await self.plugin(daemon.unix)
        content = eicar()
        for _ in range(17):
            content = packed(content)
        self.assertEqual(scanned(daemon.socket, content), "stream: OK")
        for one in (content, encrypted(b"x")):
            result = await self.scan(plugin, one)
            assert isinstance(result, Clean)
            self.assertFalse(result.coverage.nested)
        result = await self.scan(plugin, b"plain text")
        assert isinstance(result, Clean)
        self.assertTrue(result.coverage.nested)

    async def test_limits_are_raised(self) -> None:
        """With higher limits both are found."""
        daemon = self.daemon(MaxFileSize="100M", MaxRecursion=30)
        plugin = await self.plugin(daemon.unix)
        self.assertEqual(self.events, [])
        content = eicar()
        for _ in range(17):
            content = packed(content)
        self.assertEqual(await self.scan(plugin, content), Infected(EICAR_NAME, "clamd"))
        job = self.in_file(MARKER, 30 * MIB)
        self.assertEqual(await self.scan(plugin, job), Infected(MARKER_NAME, "clamd"))


class TroubleTests(ClamdTestCase):
    """A clamd that hangs, ends, or is not there: never clean, and in time."""

    numbers = itertools.count()

    async def test_killed(self) -> None:
        """Killed in the middle of scans, each of them is an error soon; it comes back by itself."""
        daemon = self.daemon()
        for where in (daemon.unix, daemon.tcp):
            plugin = await self.plugin(where, health=1.0)
            waiting = [self.scan(plugin, os.urandom(3 * MIB)) for _ in range(20)]
            engine = plugin.engines[0]
            await self.until(partial(self.is_busy, engine))
            await deferLater(reactor, 0.05)
            daemon.kill()
            begun = time.monotonic()
            for result in await gatherResults(waiting):
                if not isinstance(result, Clean):
                    self.assertReason(result, "engine_error")
            self.assertReason(await self.scan(plugin, b"hello"), "engine_error")
            self.assertLess(time.monotonic() - begun, 5.0)
            await self.until(lambda: self.events)
            daemon.start()
            await self.until(partial(self.is_ready, engine))
            self.assertEqual([event.name for event in self.events], ["clamd_down", "clamd_up"])
            self.assertIsInstance(await self.scan(plugin, b"hello"), Clean)

    async def test_killed_and_started(self) -> None:
        """Connections that a restart broke are no reason for an error."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix, health=60.0)
        self.assertIsInstance(await self.scan(plugin, b"before"), Clean)
        # Without a turn of the reactor in between: it does not know that the connection is gone.
        daemon.kill()
        daemon.start()
        self.assertIsInstance(await self.scan(plugin, b"after"), Clean)
        self.assertEqual(self.events, [])

    async def test_started_with_another_configuration(self) -> None:
        """A clamd that is started anew is tried out anew before it is believed."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix, health=60.0)
        content = packed(b"hello")
        result = await self.scan(plugin, content)
        assert isinstance(result, Clean)
        self.assertTrue(result.coverage.nested)
        config = daemon.folder / "clamd.conf"
        config.write_text(config.read_text().replace("AlertExceedsMax yes", "AlertExceedsMax no"))
        daemon.kill()
        daemon.start()
        result = await self.scan(plugin, content)
        assert isinstance(result, Clean)
        self.assertFalse(result.coverage.nested)
        self.assertEqual([event.name for event in self.events], ["scan_engine_fails_open"])

    async def test_hangs(self) -> None:
        """A clamd that hangs makes scans errors in time, the next ones at once, and is used again when it goes on."""
        daemon = self.daemon()
        plugin = await self.plugin(
            daemon.unix, health=0.5, connect_timeout=0.5, timeout=30.0, wait=5.0, failures=3
        )
        daemon.signal(signal.SIGSTOP)
        begun = time.monotonic()
        waiting = [self.scan(plugin, b"content %d" % number) for number in range(20)]
        for result in await gatherResults(waiting):
            self.assertReason(result, "engine_error")
        self.assertLess(time.monotonic() - begun, 5.0)
        begun = time.monotonic()
        self.assertReason(await self.scan(plugin, b"next"), "engine_error")
        self.assertLess(time.monotonic() - begun, 0.1)
        daemon.signal(signal.SIGCONT)
        await self.until(lambda: plugin.engines[0].standing is Standing.READY)
        self.assertIsInstance(await self.scan(plugin, b"next"), Clean)

    async def test_takes_too_long(self) -> None:
        """A scan ends when its time is over, also if nobody has noticed yet that clamd hangs."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix, health=60.0, timeout=1.0, wait=0.5)
        daemon.signal(signal.SIGSTOP)
        begun = time.monotonic()
        self.assertReason(await self.scan(plugin, b"slow"), "engine_timeout")
        self.assertLess(time.monotonic() - begun, 3.0)
        daemon.signal(signal.SIGCONT)
        self.assertReason(await self.scan(plugin, b"slow"), "engine_timeout")
        self.assertIsInstance(await self.scan(plugin, b"other"), Clean)

    async def test_not_there(self) -> None:
        """Nobody listens, by either way."""
        for where in ("unix:/nonexistent/clamd.ctl", "tcp:127.0.0.1:1"):
            plugin = await self.plugin(where)
            self.assertReason(await self.scan(plugin, b"hello"), "engine_error")
            self.assertEqual([event.name for event in self.events], ["clamd_down"])

    async def test_fail_over(self) -> None:
        """The second clamd takes over."""
        first, second = self.daemon(), self.daemon()
        plugin = await self.plugin(first.unix, second.tcp, health=0.5)
        first.kill()
        waiting = [self.scan(plugin, b"content %d" % number + MARKER) for number in range(20)]
        for result in await gatherResults(waiting):
            self.assertEqual(result, Infected(MARKER_NAME, "clamd"))

    async def test_no_descriptors(self) -> None:
        """A clamd that gets no descriptors, as something between drops them, gets content sent."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix)
        plugin.engines[0]._address = Address(self.without_descriptors(daemon))
        for _ in range(2):
            result = await self.scan(plugin, self.in_file(MARKER, 200_000))
            self.assertEqual(result, Infected(MARKER_NAME, "clamd"))
        self.assertFalse(plugin.engines[0].reads(Place.HELD))
        plugin = await self.plugin(f"unix:{self.without_descriptors(daemon)}")
        self.assertFalse(plugin.engines[0].reads(Place.MEMORY))
        self.assertIs(plugin.engines[0].standing, Standing.READY)

    async def test_another_user(self) -> None:
        """A clamd of another user reads what is passed to it open, though it could not open it."""
        folder = short_folder(self)
        folder.chmod(0o777)
        where = folder / "clamd.sock"
        if os.geteuid():
            raise SkipTest("only root can start a clamd of another user")
        daemon = self.daemon(
            User="nobody", LocalSocket=where, TemporaryDirectory="/tmp", LogFile=None
        )
        plugin = await self.plugin(f"unix:{where}")
        job = self.in_file(MARKER, 200_000)
        assert job.path is not None
        job.path.chmod(0o600)
        self.assertEqual(await self.scan(plugin, job), Infected(MARKER_NAME, "clamd"))
        self.assertTrue(plugin.engines[0].reads(Place.HELD))
        self.assertTrue(daemon.program.running)

    def without_descriptors(self, daemon: Daemon) -> str:
        """Lay a line to a clamd that carries nothing but bytes, and give its path."""
        path = str(daemon.folder / f"relay{next(self.numbers)}")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        self.addCleanup(listening.close)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    here, _ = listening.accept()
                    there = socket.socket(socket.AF_UNIX)
                    there.connect(str(daemon.socket))
                    for pair in ((here, there), (there, here)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

        threading.Thread(target=accept, daemon=True).start()
        return path


class SignatureTests(ClamdTestCase):
    """Signatures that change."""

    async def test_reload(self) -> None:
        """A reload with new signatures shows in the patterns, and what is new is found."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix, health=0.2, version=0.2)
        before = plugin.scan_patterns()
        self.assertTrue(before.startswith("clamd 1.4.6"), before)
        content = b"an entirely new thing" * 3
        self.assertIsInstance(await self.scan(plugin, content), Clean)
        more = {f"GWTest.More{number}": os.urandom(100) for number in range(50)}
        daemon.reload(**more, **{"GWTest.New": content[:40]})
        await self.until(lambda: plugin.scan_patterns() not in ("", before))
        result = await self.scan(plugin, content)
        self.assertEqual(result, Infected("GWTest.New.UNOFFICIAL", "clamd"))

    async def test_patterns_stay(self) -> None:
        """Scans do not change them."""
        daemon = self.daemon()
        plugin = await self.plugin(daemon.unix, health=0.1, version=0.1)
        before = plugin.scan_patterns()
        for _ in range(10):
            for result in await gatherResults(
                [self.scan(plugin, packed(os.urandom(100_000))) for _ in range(10)]
            ):
                self.assertIsInstance(result, Clean)
            self.assertEqual(plugin.scan_patterns(), before)

    async def test_not_safe(self) -> None:
        """A clamd without the signature of the test file is not used."""
        daemon = self.daemon()
        (daemon.folder / "db" / "local.hdb").unlink()
        (daemon.folder / "db" / "local.ndb").write_text(f"GWTest.Marker:0:*:{MARKER.hex()}\n")
        daemon.stop()
        daemon.start()
        plugin = await self.plugin(daemon.unix)
        self.assertEqual([event.name for event in self.events], ["scan_engine_unsafe"])
        self.assertReason(await self.scan(plugin, MARKER), "engine_error")
        plugin = await self.plugin(daemon.unix, canary=False)
        self.assertEqual(await self.scan(plugin, MARKER), Infected(MARKER_NAME, "clamd"))


class GatewayTests(SynchronousTestCase):
    """The whole gateway: downloads and uploads, with content in memory and in held files."""

    CONFIG = """
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
[scan]
temp_dir = "$folder"
large_file = { mode = "hold" }
[plugins]
enabled = ["clamd"]
[plugins.clamd]
address = "$clamd"
health = "500ms"
connect_timeout = "1s"
"""

    def setUp(self) -> None:
        """Start a clamd, an origin and a gateway."""
        self.daemon = Daemon(self)
        self.origin = Origin(self)
        self.gateway = Gateway(self, self.CONFIG, origin=self.origin.port, clamd=self.daemon.unix)

    def sent(self, content: bytes) -> tuple[int, bytes]:
        """Send content, and give status and content of the answer."""
        client = connected(self, self.gateway.reverse)
        length = b"Content-Length: %d" % len(content)
        client.send(b"PUT /sink HTTP/1.1\r\nHost: www.example.com\r\n" + length + b"\r\n\r\n")
        client.send(content)
        answer = client.answer()
        return int(answer.head.first[1]), answer.content

    def noted(self, count: int) -> str:
        """Give what the log says of the content of the last of so many requests."""
        return str(self.gateway.lines(count)[-1]["notes"]["scan_request"])

    def test_uploads(self) -> None:
        """What is clean reaches the origin; of what is bad it never sees the end, whatever its size."""
        count = 0
        for size in (100, 40_000, 900_000, 3 * MIB):
            clean = os.urandom(size)
            self.assertEqual(self.sent(clean), (200, b"%d" % size))
            status, page = self.sent(clean + MARKER)
            self.assertEqual(status, 403)
            self.assertIn(MARKER_NAME.encode(), page)
            count += 2
            self.assertEqual(self.noted(count), "infected:block")
        self.assertEqual(
            self.gateway.metric("gateway_plugin_clamd_scans_total", result="infected"), 4
        )
        self.assertEqual(
            self.gateway.metric("gateway_plugin_clamd_ready", address=self.daemon.unix), 1
        )

    def test_hangs(self) -> None:
        """With a clamd that hangs, and one that is killed, nothing passes, and soon at once; then it goes on."""
        self.assertEqual(self.sent(b"before")[0], 200)
        self.daemon.signal(signal.SIGSTOP)
        begun = time.monotonic()
        self.assertEqual(self.sent(b"while it hangs")[0], 503)
        self.assertLess(time.monotonic() - begun, 10.0)
        self.assertEqual(self.noted(2), "engine_error:block")
        self.daemon.signal(signal.SIGCONT)
        until(lambda: self.sent(b"after")[0] == 200)
        self.daemon.kill()
        begun = time.monotonic()
        self.assertEqual(self.sent(b"while it is away")[0], 503)
        self.assertLess(time.monotonic() - begun, 3.0)
        self.daemon.start()
        until(lambda: self.sent(b"back again")[0] == 200)
