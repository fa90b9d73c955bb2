"""The fuzz target by itself, without a fuzzer: it passes on its seeds and on what is near them, and it does fail where it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.faults import Broken
from tests.effort import examples
from tests.fuzz import fuzz_scan

_ROOT = Path(__file__).resolve().parent.parent.parent
# Archives are read by libraries in C; where one of them crashes, the tests should go on.
_WALKED = """
import sys
from random import Random
from tests.fuzz import fuzz_scan
seeds = [seed for seed in fuzz_scan.seeds() if seed[0] == 4]
random = Random(7)
for seed in seeds:
    fuzz_scan.run(seed)
for _ in range(int(sys.argv[1])):
    fuzz_scan.run(fuzz_scan.mutated(random.choice(seeds), seeds, random))
print("walked")
"""


class FuzzTargetTests(SynchronousTestCase):
    def test_seeds(self) -> None:
        """Every seed is read as everybody else reads it."""
        for seed in fuzz_scan.seeds():
            if seed[0] != 4:
                fuzz_scan.run(seed)

    def test_changed_seeds(self) -> None:
        """So are seeds with some places changed, always in the same way."""
        random = Random(2046)
        seeds = [seed for seed in fuzz_scan.seeds() if seed[0] != 4]
        for _ in range(examples(5000)):
            fuzz_scan.run(fuzz_scan.mutated(random.choice(seeds), seeds, random))

    def test_archives(self) -> None:
        """And archives, whole and changed, in a process of their own."""
        done = subprocess.run(
            [sys.executable, "-c", _WALKED, str(examples(3000))],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(_ROOT), str(_ROOT / "plugins")))},
            capture_output=True,
            timeout=300,
            check=False,
        )
        self.assertEqual((done.stdout, done.returncode), (b"walked\n", 0), done.stderr.decode())

    def test_seeds_are_the_same_each_time(self) -> None:
        """What fails can be run again: there is nothing of the time or of chance in it."""
        self.assertEqual(list(fuzz_scan.seeds()), list(fuzz_scan.seeds()))

    def test_short_inputs(self) -> None:
        """What is too short to say what it is is nothing."""
        fuzz_scan.run(b"")
        fuzz_scan.run(b"\0")

    def test_it_finds_what_is_wrong(self) -> None:
        """What a server or another reader sees and was not given is told, and what differs in pieces."""
        form = next(seed for seed in fuzz_scan.seeds() if seed[0] == 1)[2:]
        archive = next(fuzz_scan.archives(b"some text"))
        found, fault = fuzz_scan.divided(form, fuzz_scan.TYPE)
        self.assertIsNone(fault)
        fuzz_scan.see(form, found, is_whole=True)
        self.assertRaises(AssertionError, fuzz_scan.see, form, found[1:], is_whole=True)
        fuzz_scan.look(archive, {b"some text", b"two"})
        self.assertRaises(AssertionError, fuzz_scan.look, archive, {b"two"})
        broken = Broken("it is cut short")
        fuzz_scan.compare(b"a", None, b"a", None)
        fuzz_scan.compare(b"a", broken, b"ab", broken)
        for other in ((b"b", None), (b"a", broken)):
            self.assertRaises(AssertionError, fuzz_scan.compare, b"a", None, *other)
        self.assertRaises(AssertionError, fuzz_scan.compare, b"a", broken, b"b", broken)
