"""Content that was scanned is let go at once, however the scan ended: files must not wait for the collector of garbage."""

from __future__ import annotations

import contextlib
import gc
import os
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import NotPacked, Overloaded, ScanJob
from gateway.testing.peers import request, response
from tests.scenarios.scanners import BAD, MIB, ContentTestCase
from tests.scenarios.support import URL
from tests.scenarios.unpackers import Shallow, Unpacker, member, shallow, zipped


def nameless() -> set[str]:
    """Give the descriptors of files without a name that are open."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").endswith("(deleted)"):
                found.add(descriptor)
    return found


class LifetimeTests(ContentTestCase):
    """Large content, in a file."""

    def test_every_end(self) -> None:
        """However it ends, no file is left open by what nobody waits for."""

        async def waits(job: ScanJob) -> Any:
            # As a plugin does, whose frame has the job.
            found: Any = await Deferred()
            return found

        def fails(job: ScanJob) -> None:
            raise ZeroDivisionError

        def full(job: ScanJob) -> None:
            raise Overloaded("scan", "full")

        async def fails_later(job: ScanJob) -> None:
            fails(job)

        never: Deferred[Any] = Deferred()
        for name, unpacks, says in (
            ("clean", NotPacked(), shallow),
            ("infected", lambda job: zipped([member("a", BAD)])[1], shallow),
            ("unpacking fails", fails, shallow),
            ("unpacking waits", waits, shallow),
            ("members fail", lambda job: zipped([member("a")], ZeroDivisionError())[1], shallow),
            ("members wait", lambda job: zipped([member("a")], never)[1], shallow),
            ("a member waits", lambda job: zipped([member("a")])[1], waits),
            ("scanning fails", NotPacked(), fails),
            ("scanning fails later", NotPacked(), fails_later),
            ("scanning waits", NotPacked(), waits),
            ("no room", NotPacked(), full),
        ):
            for leaves in (False, True):
                before = nameless()
                scanner = Shallow(says)
                unpacker = Unpacker(unpacks)
                gateway, origin, client = self.started(
                    scanner,
                    {"unpacker": unpacker},
                    settings={"scan.large_file": {"mode": "hold"}, "scan.timeout": "5s"},
                )
                gc.disable()
                self.addCleanup(gc.enable)
                client.send(request(URL))
                origin.send(response(bytes(2 * MIB)))
                gateway.settle()
                self.assertEqual(unpacker.asked[0].size, 2 * MIB)
                if leaves:
                    client.reset()
                    gateway.settle()
                else:
                    gateway.advance(6.0)
                client.take()
                # What the test's own plugins wrote down.
                scanner.asked.clear()
                unpacker.asked.clear()
                self.flushLoggedErrors()
                self.assertEqual(len(gateway.log), 1, name)
                self.assertEqual(nameless() - before, set(), (name, leaves))
                self.assertGivenBack(gateway)
                gc.enable()
