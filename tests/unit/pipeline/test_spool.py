"""Where held content waits, and how much of it there may be."""

from __future__ import annotations

import gc
import os
from functools import partial
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.pipeline.fingerprint import fingerprint
from gateway.pipeline.spool import MEMORY_BYTES, WAIT_SECONDS, SpooledContent, TempBudget
from tests.effort import spare_what_lasts

MIB = 1 << 20


def descriptors() -> int:
    """Count our open files."""
    spare_what_lasts()
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


class BudgetTests(SynchronousTestCase):
    """The room."""

    def setUp(self) -> None:
        """Make a budget of 100 bytes."""
        self.clock = Clock()
        self.told: list[Event] = []
        self.answers: list[Any] = []
        self.budget = TempBudget(100, self.clock, self.told.append)

    def wait(self, count: int) -> Any:
        """Wait, and take what was waited for."""

        def answered(has_room: bool) -> None:
            self.answers.append((count, has_room and self.budget.take(count)))

        return self.budget.wait(count, answered)

    def test_all_or_nothing(self) -> None:
        """What does not fit is not taken at all."""
        self.assertTrue(self.budget.take(60))
        self.assertFalse(self.budget.take(41))
        self.assertTrue(self.budget.take(40))
        self.assertEqual(self.budget.used, 100)
        self.budget.give(100)
        self.assertEqual(self.budget.used, 0)

    def test_share_of_one(self) -> None:
        """One piece of content may take a quarter, and 512 MiB at the most."""
        self.assertEqual(TempBudget(8 * MIB, self.clock).per_object, 2 * MIB)
        self.assertEqual(TempBudget(16 << 30, self.clock).per_object, 512 * MIB)

    def test_waits_in_turn(self) -> None:
        """Who waited longest is served first, and later than the one who gives back."""
        self.budget.take(100)
        self.wait(50)
        self.wait(30)
        self.wait(30)
        self.budget.give(80)
        self.assertEqual(self.answers, [])
        self.clock.advance(0)
        self.assertEqual(self.answers, [(50, True), (30, True)])
        self.assertEqual(self.budget.waiting, 1)
        self.budget.give(30)
        self.clock.advance(0)
        self.assertEqual(self.answers[2:], [(30, True)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gives_up(self) -> None:
        """A wait ends without room after 10 s."""
        self.budget.take(100)
        self.wait(1)
        self.clock.advance(WAIT_SECONDS - 0.1)
        self.assertEqual(self.answers, [])
        self.clock.advance(0.2)
        self.assertEqual(self.answers, [(1, False)])
        self.assertEqual((self.budget.waiting, self.clock.getDelayedCalls()), (0, []))

    def test_cancelled(self) -> None:
        """Who waits no longer is not called, and holds up nobody."""
        self.budget.take(100)
        first = self.wait(90)
        self.wait(10)
        first.cancel()
        self.budget.give(10)
        self.clock.advance(WAIT_SECONDS)
        self.assertEqual(self.answers, [(10, True)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_alarm(self) -> None:
        """At 80 % an alarm is raised, once, and taken back below 70 %."""
        seen: list[list[str]] = []
        for take, give in ((79, 0), (1, 0), (0, 9), (9, 0), (0, 11)):
            self.budget.take(take)
            self.budget.give(give)
            seen.append([event.name for event in self.told])
        short = ["temp_space_short"]
        self.assertEqual(seen, [[], short, short, short, [*short, "temp_space_free"]])

    def test_another_limit(self) -> None:
        """A budget with another limit counts what is in use of the one before, and serves its waits."""
        self.budget.take(100)
        self.wait(50)
        other = TempBudget(200, self.clock, before=self.budget)
        self.assertEqual(other.used, 100)
        self.assertTrue(other.take(90))
        self.assertFalse(other.take(20))
        other.give(90)
        self.clock.advance(0)
        # By the limit that it began with there is none.
        self.assertEqual(self.answers, [])
        other.give(60)
        self.clock.advance(0)
        self.assertEqual(self.answers, [(50, True)])


class SpoolTests(SynchronousTestCase):
    """One piece of content."""

    def setUp(self) -> None:
        """Make room."""
        self.clock = Clock()
        self.budget = TempBudget(64 * MIB, self.clock)

    def spooled(self, *pieces: bytes) -> SpooledContent:
        """Write pieces."""
        made = SpooledContent(self.budget)
        for piece in pieces:
            self.assertTrue(made.write(piece))
        return made

    def read(self, content: SpooledContent) -> bytes:
        """Read to the end."""
        return b"".join(iter(lambda: content.read(65536), b""))

    def test_memory(self) -> None:
        """Up to 1 MiB stays in memory."""
        before = descriptors()
        content = self.spooled(bytes(MEMORY_BYTES - 1), b"a")
        self.assertEqual(descriptors(), before)
        self.assertIsNone(content.file)
        self.assertEqual((len(content.content), content.size), (MEMORY_BYTES, MEMORY_BYTES))
        self.assertEqual(self.read(content), bytes(MEMORY_BYTES - 1) + b"a")

    def test_file(self) -> None:
        """One byte more goes to a file without a name; it can be opened from this process by its path."""
        folder = self.mktemp()
        os.mkdir(folder)
        content = SpooledContent(self.budget, folder)
        whole = os.urandom(MEMORY_BYTES) + b"a"
        content.write(whole[:-1])
        content.write(b"a")
        self.assertEqual(os.listdir(folder), [])
        file = content.file
        assert file is not None
        self.assertEqual(content.content, b"")
        with file.path.open("rb") as opened:
            self.assertEqual(opened.read(), whole)
        self.assertEqual(content.sha256, sha256(whole).hexdigest())
        self.assertEqual(self.read(content), whole)

    @given(st.lists(st.integers(0, 500_000), max_size=6))
    def test_any_pieces(self, sizes: list[int]) -> None:
        """However it comes, the same is read, hashed, counted and given back."""
        pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
        content = self.spooled(*pieces)
        whole = b"".join(pieces)
        self.assertEqual((content.size, self.budget.used), (len(whole), len(whole)))
        digest = sha256(whole)
        self.assertEqual(content.sha256, digest.hexdigest())
        in_memory = content.file is None
        self.assertEqual(content.mark, fingerprint(whole) if in_memory else digest.digest())
        self.assertEqual(self.read(content), whole)
        content.close()
        self.assertEqual(self.budget.used, 0)

    def test_no_room(self) -> None:
        """What finds no room changes nothing, in memory or in a file."""
        self.budget.take(62 * MIB)
        content = self.spooled(bytes(MIB))
        self.assertFalse(content.write(bytes(MIB + 1)))
        self.assertEqual((content.size, self.budget.used), (MIB, 63 * MIB))
        self.assertTrue(content.write(bytes(MIB)))
        self.assertFalse(content.write(b"a"))
        self.assertEqual(len(self.read(content)), 2 * MIB)

    def test_last_quarter(self) -> None:
        """The last quarter is kept for one that grows, until it is closed; others leave it what it may still need."""
        budget = TempBudget(16, self.clock)
        first, second, third, fourth, fifth = (SpooledContent(budget) for _ in range(5))
        for content, count in ((second, 4), (third, 4), (fourth, 3), (first, 1)):
            self.assertTrue(content.write(bytes(count)))
        # It begins the last quarter, so it may be finished.
        self.assertTrue(first.write(b"a"))
        self.assertTrue(fourth.write(b"a"))
        self.assertFalse(fifth.write(b"a"))
        served: list[bool] = []
        fifth.wait(1, lambda has_room: served.append(has_room and fifth.write(b"a")))
        self.assertTrue(first.write(b"ab"))
        self.assertEqual((budget.used, served), (16, []))
        second.close()
        self.clock.advance(0)
        self.assertEqual(served, [True])
        first.close()
        self.assertTrue(fifth.write(b"abc"))
        for content in (third, fourth, fifth):
            content.close()
        self.assertEqual((budget.used, budget.waiting), (0, 0))

    def test_many_that_grow(self) -> None:
        """However many grow at once, each can be finished: none waits for the others for ever."""
        budget = TempBudget(80, self.clock)
        left = {SpooledContent(budget): 15 for _ in range(20)}
        waiting: set[SpooledContent] = set()
        done = 0

        def served(one: SpooledContent, has_room: bool) -> None:
            waiting.discard(one)

        for _ in range(1000):
            for one in list(left):
                if one in waiting:
                    continue
                if one.write(b"a"):
                    left[one] -= 1
                    if not left[one]:
                        del left[one]
                        one.close()
                        done += 1
                else:
                    waiting.add(one)
                    one.wait(1, partial(served, one))
            self.clock.advance(0)
        self.assertEqual((done, budget.used), (20, 0))

    def test_close(self) -> None:
        """Closing gives the room and the file back, once, and nothing can be read any more."""
        before = descriptors()
        content = self.spooled(bytes(2 * MIB))
        self.assertEqual(descriptors(), before + 1)
        content.close()
        content.close()
        self.assertEqual((descriptors(), self.budget.used), (before, 0))
        self.assertEqual(content.read(1), b"")

    def test_reader_keeps_the_file(self) -> None:
        """Who still holds the file when the content is closed can go on reading that, and nothing else."""
        before = descriptors()
        content = self.spooled(b"a" * (2 * MIB))
        file = content.file
        assert file is not None
        content.close()
        other = self.spooled(b"b" * (2 * MIB))
        with file.path.open("rb") as opened:
            self.assertEqual(opened.read(3), b"aaa")
        del file
        other.close()
        self.assertEqual(descriptors(), before)

    def test_bad_folder(self) -> None:
        """A folder that is not there is an error, and what was taken is given back at the close."""
        content = SpooledContent(self.budget, self.mktemp())
        self.assertRaises(OSError, content.write, bytes(MIB + 1))
        content.close()
        self.assertEqual(self.budget.used, 0)
