"""A scanner for live tests that takes its time and looks for one sentence, installed as any plugin is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import made_folder

#: What it looks for.
BAD = b"this is what the scanner looks for"
#: How long it takes.
SECONDS = 2.0

_SOURCE = '''
"""A scanner that takes its time and looks for one sentence."""
import time

from gateway.api import NONE, Clean, Coverage, Infected, Plugin, Side, Whole, hookimpl


class SlowScanner(Plugin):
    name = "slow_scanner"
    version = "1.0"

    @hookimpl()
    def content_need(self, txn, side):
        return Whole(64 << 20) if side is Side.RESPONSE and ".bin" in txn.request.url else NONE

    @hookimpl(thread="scan")
    def scan_content(self, job):
        time.sleep({seconds})
        with job.open() as file:
            found = {bad} in file.read()
        if found:
            return Infected("Test.Sentence", self.name)
        return Clean(self.name, "1", Coverage(job.size, True))
'''


def slow_scanner(test: SynchronousTestCase) -> dict[str, str]:
    """Install it, as C{slow_scanner}; gives the environment for a gateway that is to have it."""
    folder = made_folder(test)
    source = _SOURCE.replace("{seconds}", repr(SECONDS)).replace("{bad}", repr(BAD))
    (folder / "slow_scanner.py").write_text(source)
    info = folder / "slow_scanner-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-scanner\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gateway.plugins]\nslow_scanner = slow_scanner:SlowScanner\n"
    )
    return {"PYTHONPATH": str(folder)}
