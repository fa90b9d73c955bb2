"""A hold in front of a pipe: it fills, it waits for room, it drains no faster than the sink takes it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.body import HIGH_WATER, BodyPipe
from gateway.pipeline.driver import Task
from gateway.pipeline.hold import CAPACITY, TOO_LARGE, WHOLE, Hold
from gateway.pipeline.spool import SpooledContent, TempBudget
from tests.unit.pipeline.test_body import Ends, Twice

MIB = 1 << 20


class HoldTestCase(SynchronousTestCase):
    """
    A pipe, its ends and a hold.

    @ivar filled: how the filling ended, in a list.
    """

    def setUp(self) -> None:
        """Make a pipe and 1000 bytes of room."""
        self.clock = Clock()
        self.budget = TempBudget(1000, self.clock)
        self.ends = Ends()
        self.pipe = BodyPipe(self.ends, self.ends.done)
        self.filled: list[Any] = []
        self.waits: list[bool] = []
        self.lost: list[BaseException] = []
        self.touched = 0

    def hold(self, max_bytes: int = 500) -> Hold:
        """Place a hold and wait for it."""
        made = Hold(
            self.pipe,
            SpooledContent(self.budget),
            max_bytes,
            self.clock,
            touch=self._touch,
            waits=self.waits.append,
            lost=self.lost.append,
        )

        async def wait() -> None:
            try:
                self.filled.append(await made.filled)
            except ValueError as error:
                self.filled.append(error)

        Task().start(wait())
        return made

    def _touch(self) -> None:
        self.touched += 1


class FillingTests(HoldTestCase):
    """Until it is full."""

    def test_whole(self) -> None:
        """It tells of the end, and nothing went to the sink before."""
        hold = self.hold()
        self.pipe.write(b"ab")
        self.pipe.write(b"c")
        self.assertEqual((self.filled, self.touched), ([], 2))
        self.pipe.end((b"X: y",))
        self.assertEqual((self.filled, self.ends.told), ([WHOLE], []))
        self.assertEqual(hold.content.content, b"abc")
        self.pipe.open(self.ends)
        self.assertEqual(self.ends.told, [b"abc", ("end", (b"X: y",)), ("done", None)])
        self.assertEqual((self.budget.used, self.pipe.held, self.pipe.flowing), (0, False, False))

    def test_what_is_here_already(self) -> None:
        """What the pipe kept before is held first, and a source that it had paused goes on."""
        self.budget = TempBudget(4 * MIB, self.clock)
        self.pipe.write(bytes(HIGH_WATER))
        self.assertEqual(self.ends.told, ["pause"])
        hold = self.hold(MIB)
        self.assertEqual(self.ends.told, ["pause", "resume"])
        self.pipe.write(bytes(HIGH_WATER))
        self.assertEqual((hold.content.size, self.ends.told[2:]), (2 * HIGH_WATER, []))

    def test_all_is_here_already(self) -> None:
        """So it is if the message is complete, or broke off."""
        self.pipe.write(b"ab")
        self.pipe.end()
        self.hold()
        self.assertEqual(self.filled, [WHOLE])
        self.pipe = BodyPipe(self.ends)
        error = ValueError()
        self.pipe.fail(error)
        self.hold()
        self.assertEqual(self.filled[1:], [error])

    def test_filters(self) -> None:
        """What is held is what comes out of the filters."""
        self.pipe.filter([Twice()])
        hold = self.hold()
        self.pipe.write(b"ab")
        self.pipe.end()
        self.assertEqual(hold.content.content, b"abab!")

    def test_breaks_off(self) -> None:
        """A message that breaks off is told as an error."""
        self.hold()
        self.pipe.write(b"ab")
        error = ValueError()
        self.pipe.fail(error)
        self.assertEqual(self.filled, [error])
        self.pipe.abort(error)
        self.assertEqual(self.budget.used, 0)

    def test_abort(self) -> None:
        """An abort gives the room back and forgets a wait for more."""
        self.hold(10_000)
        self.pipe.write(bytes(900))
        self.pipe.write(bytes(200))
        self.pipe.abort(ValueError())
        self.assertEqual((self.budget.used, self.budget.waiting, self.filled), (0, 0, []))
        self.clock.advance(60)
        self.assertEqual((self.clock.getDelayedCalls(), self.waits), ([], [True, False]))

    def test_too_large(self) -> None:
        """One byte too much is told at once, and the source paused."""
        self.hold(5)
        self.pipe.write(b"12345")
        self.assertEqual(self.filled, [])
        self.pipe.write(b"6")
        self.assertEqual((self.filled, self.ends.told), ([TOO_LARGE], ["pause"]))


class RoomTests(HoldTestCase):
    """Without enough room."""

    def test_waits(self) -> None:
        """The source is paused while there is no room, and goes on when there is."""
        self.budget.take(900)
        hold = self.hold()
        self.pipe.write(bytes(60))
        self.pipe.write(bytes(60))
        self.pipe.write(b"on its way")
        self.assertEqual((self.ends.told, self.waits), (["pause"], [True]))
        self.budget.give(500)
        self.clock.advance(0)
        self.assertEqual((self.ends.told, self.waits), (["pause", "resume"], [True, False]))
        self.assertEqual((hold.content.size, self.filled), (130, []))

    def test_end_while_it_waits(self) -> None:
        """An end that comes meanwhile counts when there is room."""
        self.budget.take(900)
        self.hold()
        self.pipe.write(bytes(120))
        self.pipe.end()
        self.assertEqual(self.filled, [])
        self.budget.give(500)
        self.clock.advance(0)
        self.assertEqual(self.filled, [WHOLE])

    def test_too_large_while_it_waits(self) -> None:
        """What comes meanwhile can be too much."""
        self.budget.take(900)
        self.hold(150)
        self.pipe.write(bytes(120))
        self.pipe.write(bytes(120))
        self.budget.give(500)
        self.clock.advance(0)
        self.assertEqual(self.filled, [TOO_LARGE])

    def test_no_room(self) -> None:
        """After 10 s it is told that there is none; what is held can be let go all the same, in order."""
        self.budget.take(900)
        self.hold()
        self.pipe.write(b"a" * 60)
        self.pipe.write(b"b" * 60)
        self.clock.advance(10)
        self.assertEqual(self.filled, [CAPACITY])
        self.pipe.open(self.ends)
        self.pipe.write(b"c")
        self.pipe.end()
        self.assertEqual(self.ends.content, b"a" * 60 + b"b" * 60 + b"c")
        self.assertEqual(self.ends.told[-1], ("done", None))
        self.assertEqual(self.budget.used, 900)


class DrainingTests(HoldTestCase):
    """When the pipe is opened."""

    def setUp(self) -> None:
        """Make more room."""
        super().setUp()
        self.budget = TempBudget(32 * MIB, self.clock)

    def test_in_turns(self) -> None:
        """Large content goes out over several turns of the reactor, and is read from its file as it goes."""
        self.hold(4 * MIB)
        content = bytes(range(256)) * 8192
        self.pipe.write(content)
        self.pipe.end()
        self.pipe.open(self.ends)
        self.assertLess(len(self.ends.content), MIB)
        self.assertTrue(self.pipe.flowing)
        self.clock.pump([0] * 20)
        self.assertEqual(self.ends.content, content)
        self.assertEqual((self.budget.used, self.ends.told[-1]), (0, ("done", None)))

    def test_sink_that_pauses(self) -> None:
        """A sink that wants no more gets no more until it does; the source has nothing to do with that."""
        self.hold(4 * MIB)
        self.pipe.write(bytes(2 * MIB))
        self.pipe.end()
        self.pipe.open(self.ends)
        self.pipe.pauseProducing()
        self.assertTrue(self.pipe.paused)
        self.clock.pump([0] * 20)
        size = len(self.ends.content)
        self.assertLess(size, MIB)
        self.pipe.resumeProducing()
        self.assertFalse(self.pipe.paused)
        self.clock.pump([0] * 20)
        self.assertEqual(len(self.ends.content), 2 * MIB)
        self.assertNotIn("pause", self.ends.told)

    def test_too_large_goes_on(self) -> None:
        """Of content that is too large what is held goes first, then the source goes on."""
        self.hold(100)
        self.pipe.write(b"a" * 80)
        self.pipe.write(b"b" * 80)
        self.pipe.open(self.ends)
        self.assertEqual(self.ends.told, ["pause", b"a" * 80, b"b" * 80, "resume", "flush"])
        self.pipe.write(b"c")
        self.pipe.end()
        self.assertEqual(self.ends.told[5:], [b"c", ("end", ()), ("done", None)])

    def test_breaks_off_behind(self) -> None:
        """Such content that breaks off fails behind what is held, never looking complete."""
        self.hold(100)
        self.pipe.write(b"a" * 120)
        error = ValueError()
        self.pipe.fail(error)
        self.pipe.open(self.ends)
        self.assertEqual(self.ends.told[1:], [b"a" * 120, ("fail", error), ("done", error)])

    def test_abort(self) -> None:
        """An abort stops it, and gives the room back."""
        self.hold(4 * MIB)
        self.pipe.write(bytes(2 * MIB))
        self.pipe.end()
        self.pipe.open(self.ends)
        size = len(self.ends.content)
        error = ValueError()
        self.pipe.abort(error)
        self.clock.pump([0] * 20)
        self.assertEqual((len(self.ends.content), self.budget.used), (size, 0))
        self.assertEqual(self.ends.told[-1], ("done", error))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abort_from_the_sink(self) -> None:
        """So it does when the sink itself is the cause, in the middle of a piece."""

        class Breaks(Ends):
            """Aborts at the first piece."""

            def write(inner, data: bytes) -> None:
                super().write(data)
                self.pipe.abort(ValueError())

        sink = Breaks()
        self.hold(4 * MIB)
        self.pipe.write(bytes(2 * MIB))
        self.pipe.open(sink)
        self.clock.pump([0] * 5)
        self.assertEqual((len(sink.told), self.budget.used), (1, 0))

    def test_file_that_is_gone(self) -> None:
        """What can't be read again is told as a loss and never as an end."""
        hold = self.hold(4 * MIB)
        self.pipe.write(bytes(2 * MIB))
        self.pipe.end()
        assert hold.content.file is not None
        hold.content._file = _Broken()  # type: ignore[assignment]
        self.pipe.open(self.ends)
        self.assertEqual((len(self.lost), self.ends.told), (1, []))
        self.assertEqual(self.budget.used, 0)

    @given(
        st.lists(st.sampled_from(("write", "pause", "resume", "turn", "open")), max_size=40),
        st.integers(1, 400_000),
    )
    def test_any_order(self, acts: list[str], max_bytes: int) -> None:
        """Whatever happens in whatever order, the sink gets every byte once and in order."""
        self.setUp()
        self.hold(max_bytes)
        written = b""
        opened = False
        for number, act in enumerate(acts):
            if act == "write" and not self.pipe.ended:
                piece = bytes([number]) * 50_000
                written += piece
                self.pipe.write(piece)
            elif act == "pause" and opened:
                self.pipe.pauseProducing()
            elif act == "resume" and opened:
                self.pipe.resumeProducing()
            elif act == "turn":
                self.clock.advance(0)
            elif act == "open" and not opened:
                opened = True
                self.pipe.open(self.ends)
            self.assertTrue(written.startswith(self.ends.content))
        if not opened:
            self.pipe.open(self.ends)
        self.pipe.end()
        self.pipe.resumeProducing()
        self.clock.pump([0] * 40)
        self.assertEqual(self.ends.content, written)
        self.assertEqual((self.ends.told[-1], self.budget.used), (("done", None), 0))


class _Broken:
    """A file that can't be read."""

    def read(self, count: int, offset: int) -> bytes:
        """
        Fail.

        @raise OSError: always.
        """
        raise OSError("the disk is broken")
