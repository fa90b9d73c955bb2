"""clamd that is stopped, hangs, or is killed while it scans: what is configured for it follows in time, and nothing passes as clean."""

from __future__ import annotations

import contextlib
import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.live.clamd_daemon import Clamd
from tests.live.peers import Answer
from tests.live.processes import Gateway, until
from tests.live.scan_peers import Store, Ways, actions, bad, clean, packed, scanning

#: How long a scan may take here, and how much more the answer.
SECONDS = 4.0
SLACK = 3.0

#: Why: clamd does not work or does not answer, or all that may wait for it wait already.
NOT_SCANNED = "engine_error|engine_timeout|capacity"

SCAN = f'timeout = "{SECONDS:g}s"\n'
#: As quick to see that clamd is back as the tests want it.
SETTINGS = (
    'timeout = "3500ms"\nwait = "3s"\nconnect_timeout = "1s"\nhealth = "500ms"\n'
    'timeout_memory = "1s"\n'
)


class Fixture(SynchronousTestCase):
    """A clamd, an origin and a gateway, with files that were not seen before."""

    def setUp(self) -> None:
        """Start clamd and the origin."""
        self.clamd = Clamd(self)
        self.store = Store(self)
        self.count = 0

    def start(self, action: str) -> None:
        """Start a gateway with an action for what is not scanned; see that it works if clamd does."""
        self.ways = Ways(self, self.started(action), self.store)
        if self.clamd.program.running:
            self.see_well()

    def started(self, action: str) -> Gateway:
        """Start a gateway with an action for what is not scanned, and wait until it knows of clamd."""
        gateway = scanning(
            self, self.store, self.clamd, settings=SETTINGS, scan=SCAN + actions(action)
        )
        if self.clamd.program.running:
            gateway.says("is ready")
        return gateway

    def fresh(self) -> dict[str, bytes]:
        """Put new files into the origin: small and large, clean and bad, packed and not."""
        self.count += 1
        turn = self.count
        files = {
            f"/{turn}/clean": clean(3000, turn),
            f"/{turn}/clean-large": clean(2_000_000, turn),
            f"/{turn}/clean.zip": packed({"a.txt": clean(1000, turn)}),
            f"/{turn}/bad": bad(3000),
            f"/{turn}/bad.zip": packed({"b.txt": bad(1000)}),
        }
        self.store.files |= files
        return files

    def see_well(self) -> None:
        """See that what is clean passes in every way, and what is bad in none."""
        files = self.fresh()
        for way, path, answer in self.ways.each(files):
            assert answer is not None
            if "bad" in path:
                self.assertEqual(answer.status, 403, f"{way} {path}")
                self.assertNotIn(path, self.store.got)
            else:
                self.assert_passed(way, path, answer, files[path])

    def assert_passed(self, way: str, path: str, answer: Answer | None, content: bytes) -> None:
        """See that content arrived as it was."""
        assert answer is not None, f"{way} {path} broke off"
        if "upload" in way:
            self.assertEqual(answer.status, 201, f"{way} {path}")
            self.assertEqual(self.store.got[path], content)
        else:
            self.assertEqual(answer.status, 200, f"{way} {path}")
            self.assertEqual(answer.content, content)

    def see(self, action: str, files: dict[str, bytes] | None = None) -> None:
        """See that an action follows for everything, in time, and that nothing is noted as clean."""
        files = files or self.fresh()
        before = self.ways.sent
        for way, path, answer in self.ways.each(files, SECONDS + SLACK):
            if action == "pass":
                self.assert_passed(way, path, answer, files[path])
            else:
                assert answer is not None, f"{way} {path} broke off"
                self.assertEqual(answer.status, 503, f"{way} {path}")
                self.assertNotEqual(answer.head.get("retry-after"), "")
                self.assertNotIn(path, self.store.got)
        for note in self.ways.notes(before):
            self.assertRegex(note, rf"^({NOT_SCANNED})(:\w+)*:{action}$")

    def see_again(self) -> None:
        """Wait until the gateway has seen that clamd is back, then see that all is well."""
        number = 0

        def back() -> bool:
            nonlocal number
            number += 1
            path = f"/back/{self.count}-{number}"
            self.store.files[path] = clean(100, number)
            self.ways.asked(path)
            return self.ways.notes()[-1] == "clean"

        until(back, what="clamd is used again")
        self.see_well()


class StoppedTests(Fixture):
    """clamd has ended, in order or not."""

    def test_stopped(self) -> None:
        """Everything is refused with 503 while clamd is stopped, and scanned again when it is there again."""
        self.start("block")
        self.clamd.stop()
        self.see("block")
        self.clamd.start()
        self.see_again()

    def test_killed(self) -> None:
        """The same when it was killed and has left its socket behind."""
        self.start("block")
        self.clamd.kill()
        self.see("block")
        self.clamd.start()
        self.see_again()

    def test_passed(self) -> None:
        """With the action pass everything passes meanwhile, and is noted as not scanned; nothing of it is remembered as clean."""
        self.start("pass")
        self.clamd.stop()
        files = self.fresh()
        self.see("pass", files)
        self.clamd.start()
        self.see_again()
        self.store.got.clear()
        for path, content in files.items():
            if "bad" in path:
                for upload in (None, content):
                    answer = self.ways.asked(path, upload=upload)
                    assert answer is not None
                    self.assertEqual(answer.status, 403, path)
        self.assertEqual([path for path in self.store.got if "bad" in path], [])

    def test_absent(self) -> None:
        """A gateway that is started without clamd is not ready and refuses everything, and scans when it is there."""
        self.clamd.stop()
        self.start("block")
        status, report = self.ways.gateway.asked("/readyz")
        self.assertEqual(status, 503)
        self.assertIn("failed plugins: clamd: no clamd can be used", report)
        self.see("block")
        self.clamd.start()
        self.see_again()
        self.assertEqual(self.ways.gateway.asked("/readyz")[0], 200)


class HungTests(Fixture):
    """clamd is there and does not answer."""

    def tearDown(self) -> None:
        """Let it go on, so that it can end."""
        with contextlib.suppress(ProcessLookupError):
            self.clamd.signal(signal.SIGCONT)

    def test_hung(self) -> None:
        """Everything is refused within the time for scans, and scanned again when clamd goes on."""
        self.start("block")
        self.clamd.signal(signal.SIGSTOP)
        self.see("block")
        self.clamd.signal(signal.SIGCONT)
        time.sleep(1.0)  # For so long what took too long is not tried again.
        self.see_again()

    def test_hung_passed(self) -> None:
        """With the action pass everything passes after that time."""
        self.start("pass")
        self.clamd.signal(signal.SIGSTOP)
        self.see("pass")
        self.clamd.signal(signal.SIGCONT)
        time.sleep(1.0)
        self.see_again()


class KilledTests(Fixture):
    """clamd is killed in the midst of scans."""

    def killed(self, action: str, forward: bool) -> None:
        """Have clamd killed while it has many scans, half of them of uploads, and see what follows."""
        before = self.ways.sent
        self.clamd.signal(signal.SIGSTOP)
        files = self.fresh() | self.fresh()
        asked, ways = [], []
        for path, content in files.items():
            asked += [
                self.ways.request(path, forward=forward),
                self.ways.request(path, upload=content, forward=forward),
            ]
            ways += [("download", path), ("upload", path)]
        calls = self.scans()
        crowd = self.ways.crowd(asked)
        until(lambda: self.scans() > calls, what="the first scan")
        time.sleep(0.3)
        begun = time.monotonic()
        self.clamd.kill()
        answers = crowd.answers()
        self.assertLess(time.monotonic() - begun, SECONDS + SLACK)
        for (way, path), answer in zip(ways, answers, strict=True):
            if action == "pass":
                self.assert_passed(way, path, answer, files[path])
            else:
                assert answer is not None, f"{way} {path} broke off"
                self.assertEqual(answer.status, 503, f"{way} {path}")
                self.assertNotIn(path, self.store.got)
        for note in self.ways.notes(before):
            self.assertRegex(note, rf"^({NOT_SCANNED})(:\w+)*:{action}$")
        self.clamd.start()
        self.see_again()

    def scans(self) -> float:
        """Count the calls of scanners that have begun."""
        return self.ways.gateway.metric("gateway_plugin_calls_total", hook="scan_content")

    def test_killed(self) -> None:
        """Whoever waits for a scan gets 503 at once, and no bad request is complete at the origin."""
        self.start("block")
        self.killed("block", forward=False)

    def test_killed_forward(self) -> None:
        """The same in a forward proxy."""
        self.start("block")
        self.killed("block", forward=True)

    def test_killed_passed(self) -> None:
        """With the action pass everything goes on, noted as not scanned."""
        self.start("pass")
        self.killed("pass", forward=False)
