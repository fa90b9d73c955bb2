"""The fuzz target by itself, without a fuzzer: it passes on its seeds, and it does fail where it should."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import fuzz_http1
from tests.unit.wire.reading import Message, Reading


class FuzzTargetTests(SynchronousTestCase):
    def test_seeds(self) -> None:
        """Every seed is read alike by all."""
        for seed in fuzz_http1.seeds():
            fuzz_http1.run(seed)

    def test_changed_seeds(self) -> None:
        """So is every seed with some bytes changed, always in the same way."""
        random = Random(9112)
        for seed in fuzz_http1.seeds():
            changed = bytearray(seed)
            for _ in range(random.randrange(1, 4)):
                changed[random.randrange(len(changed))] = random.choice(
                    b"\r\n :;,\t\x00\x0b05aX\xa0"
                )
            fuzz_http1.run(bytes(changed))

    def test_short_inputs(self) -> None:
        """What is too short to hold a stream is nothing."""
        for size in range(6):
            fuzz_http1.run(bytes(size))

    def test_it_finds_what_is_wrong(self) -> None:
        """Readings that differ are told: a lost message, another verdict, another content."""
        message = Message((b"GET", b"/"), 1, (), b"a", (), True)
        other = Message((b"GET", b"/"), 1, (), b"b", (), True)
        for whole, part in (
            (Reading([message]), Reading([message], "refused")),
            (Reading([message]), Reading([other])),
            (Reading([message], "refused"), Reading([], "refused")),
        ):
            self.assertRaises(AssertionError, fuzz_http1.compare, b"", whole, part)
