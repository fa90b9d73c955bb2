"""The record and the health listener on a real reactor: rotation by logrotate, scrapes by a real client."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTCP, IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

import gateway
from gateway.admin.health import Readiness
from gateway.admin.site import admin_site
from gateway.config.sections.log import Access, Log
from gateway.record.counters import Counters
from gateway.record.recorder import Recorder
from tests.live.processes import program_path
from tests.unit.record.builders import ended

DOCUMENT = Path(gateway.__file__).parent.parent / "docs/access-log.md"


def block(seconds: float) -> None:
    """Do what a bad plugin does."""
    time.sleep(seconds)


def lines(*paths: str) -> list[str]:
    """Give the lines of some files, which are all there and none empty."""
    found = [Path(path).read_text().splitlines() for path in paths]
    assert all(found)
    return [line for each in found for line in each]


class HealthListenerTests(TestCase):
    """The listener as a monitor sees it."""

    def setUp(self) -> None:
        """Listen on a free port."""
        clock = IReactorTime(reactor)
        self.recorder = Recorder(Log(access=Access(path="")), Counters(), clock)
        self.recorder.start()
        self.addCleanup(self.recorder.stop)
        self.readiness = Readiness()
        site = admin_site(self.readiness, self.recorder.exposition(), clock)
        port: Any = IReactorTCP(reactor).listenTCP(0, cast(Any, site), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.url = f"http://127.0.0.1:{port.getHost().port}"

    async def curl(self, path: str, *options: str) -> tuple[str, str]:
        """Ask with curl; give the status and the content."""
        output, errors, code = await getProcessOutputAndValue(
            program_path("curl"),
            ["-sS", "-m", "5", "-w", "\n%{http_code}", *options, self.url + path],
            os.environ,
        )
        self.assertEqual((code, errors), (0, b""))
        content, _, status = output.decode().rpartition("\n")
        return status, content

    async def test_readiness(self) -> None:
        """Ready until the gateway drains; the answers have no Server field."""
        self.assertEqual((await self.curl("/readyz"))[0], "200")
        self.readiness.draining = True
        status, content = await self.curl("/readyz", "-i")
        self.assertEqual(status, "503")
        self.assertNotIn("\nserver:", content.lower())
        self.assertEqual((await self.curl("/healthz"))[0], "200")
        self.assertEqual((await self.curl("/healthz", "-X", "POST", "-d", "x"))[0], "405")
        self.assertEqual((await self.curl("/healthz", "-I"))[0], "200")

    async def test_blocked_reactor(self) -> None:
        """A callback that blocks the reactor shows in the metrics."""
        self.recorder.transaction(ended())
        await deferLater(IReactorTime(reactor), 0.1)
        block(1.0)
        _, text = await self.curl("/metrics")
        samples = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        self.assertGreater(samples["gateway_reactor_lag_max_seconds"], 0.4)
        self.assertLess(samples["gateway_reactor_lag_max_seconds"], 5.0)
        self.assertEqual(samples["gateway_client_sent_bytes_total"], 1292)
        self.assertGreater(samples["gateway_resident_memory_bytes"], 1_000_000)


class RotationTests(TestCase):
    """Rotation by logrotate, as the document shows it."""

    def setUp(self) -> None:
        """Make a folder, and a configuration out of the document's."""
        self.folder = Path(self.mktemp()).absolute()
        # logrotate refuses folders that others may write to.
        self.folder.mkdir(mode=0o755)
        block = re.search(
            r"^/var/log/gateway/access.log \{$.*?^\}$", DOCUMENT.read_text(), re.M | re.S
        )
        assert block is not None
        text = block[0].replace("/var/log/gateway/access.log", f"{self.folder}/access.log")
        text, replaced = re.subn(r"systemctl kill .*", f"kill -USR1 {os.getpid()}", text)
        self.assertEqual(replaced, 1)
        conf = self.folder / "logrotate.conf"
        conf.write_text(text)
        conf.chmod(0o644)

    async def test_logrotate(self) -> None:
        """While lines are written without a pause, a rotation loses none, doubles none and tears none."""
        logrotate = program_path("logrotate")
        path = f"{self.folder}/access.log"
        recorder = Recorder(
            Log(access=Access(path=path, format="squid")), Counters(), IReactorTime(reactor)
        )
        reopened: Deferred[None] = Deferred()

        def reopen(*_: object) -> None:
            recorder.reopen()
            reopened.callback(None)

        # As the service does it: the signal's callback runs in the reactor.
        before = signal.signal(
            signal.SIGUSR1, lambda *_: IReactorFromThreads(reactor).callFromThread(reopen)
        )
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        recorder.start()
        wrote = 0
        options = ["-f", "-s", f"{self.folder}/state", f"{self.folder}/logrotate.conf"]
        rotation = getProcessOutputAndValue(logrotate, options, os.environ)
        while not reopened.called and wrote < 200_000:
            for _ in range(100):
                recorder.transaction(ended(target=b"/%d" % wrote))
                wrote += 1
            await deferLater(IReactorTime(reactor), 0.005)
        output, errors, code = await rotation
        self.assertEqual((code, output + errors), (0, b""))
        recorder.transaction(ended(target=b"/%d" % wrote))
        recorder.stop()
        found = [line.split()[6] for line in lines(f"{path}.1", path)]
        self.assertEqual(found, [f"http://www.example.com/{number}" for number in range(wrote + 1)])
