"""Many time limits on one coarse timer."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.deadlines import _MOST_SPARE, Deadline, Deadlines


class DeadlinesTests(SynchronousTestCase):
    """
    Limits of ten seconds, with ticks of a quarter.

    @ivar fired: what fired, in order.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.1)
        self.deadlines = Deadlines(self.clock)
        self.fired: list[str] = []

    def wait(self, seconds: float) -> None:
        """Let time pass tick by tick."""
        self.clock.pump([0.25] * round(seconds * 4))

    def fire(self, name: str = "x") -> None:
        """Remember that it fired."""
        self.fired.append(name)

    def test_fires(self) -> None:
        """A limit fires when its time is up, at most a tick early and two late, and once."""
        self.deadlines.watch(self.fire, 10)
        self.wait(9.75)
        self.assertEqual(self.fired, [])
        self.wait(0.75)
        self.assertEqual(self.fired, ["x"])
        self.wait(30)
        self.assertEqual(self.fired, ["x"])

    def test_reset_later(self) -> None:
        """A limit that is set anew fires that much later."""
        limit = self.deadlines.watch(self.fire, 10)
        for _ in range(5):
            self.wait(8)
            limit.reset(10)
        self.assertEqual(self.fired, [])
        self.wait(10.5)
        self.assertEqual(self.fired, ["x"])

    def test_reset_earlier(self) -> None:
        """A limit may be shortened."""
        limit = self.deadlines.watch(self.fire, 100)
        limit.reset(2)
        self.wait(2.5)
        self.assertEqual(self.fired, ["x"])

    def test_given_back(self) -> None:
        """A limit that was given back is another's: it fires at that one's time, sooner or later, and for nobody else."""
        first = self.deadlines.watch(self.fire, 10)
        first.give_back()
        later = self.deadlines.watch(lambda: self.fire("later"), 20)
        self.assertIs(later, first)
        self.wait(19.75)
        self.assertEqual(self.fired, [])
        self.wait(0.75)
        self.assertEqual(self.fired, ["later"])
        later.give_back()
        self.deadlines.watch(self.fire, 100).give_back()
        self.deadlines.watch(lambda: self.fire("sooner"), 5)
        self.wait(5.5)
        self.assertEqual(self.fired, ["later", "sooner"])

    def test_given_back_and_left(self) -> None:
        """A limit that was given back fires for nobody, and leaves its slot at its time."""
        self.deadlines.watch(self.fire, 10).give_back()
        self.wait(10.5)
        self.assertEqual((self.fired, len(self.deadlines)), ([], 0))
        self.deadlines.watch(self.fire).reset(10)
        self.wait(10.5)
        self.assertEqual(self.fired, ["x"])

    def test_given_back_by_many(self) -> None:
        """So many are kept and no more."""
        for limit in [self.deadlines.watch(self.fire, 10) for _ in range(_MOST_SPARE + 5)]:
            limit.give_back()
        self.assertEqual((len(self.deadlines.spare), len(self.deadlines)), (_MOST_SPARE,) * 2)

    def test_off(self) -> None:
        """A limit that is off does not fire, and can be turned on again."""
        limit = self.deadlines.watch(self.fire, 1)
        limit.off()
        self.wait(5)
        self.assertEqual((self.fired, len(self.deadlines)), ([], 0))
        limit.reset(1)
        self.wait(1.5)
        self.assertEqual(self.fired, ["x"])

    def test_cancel(self) -> None:
        """A cancelled limit is forgotten at once; cancelling again is harmless."""
        limit = self.deadlines.watch(self.fire, 1)
        limit.cancel()
        self.assertEqual(len(self.deadlines), 0)
        limit.cancel()
        self.wait(5)
        self.assertEqual(self.fired, [])

    def test_cheap_resets(self) -> None:
        """Setting a limit anew moves nothing, neither within a tick nor later."""
        moved = []

        class Counting(Deadlines):
            def place(self, deadline: object) -> None:
                moved.append(deadline)
                super().place(deadline)  # type: ignore[arg-type]

        limit = Counting(self.clock).watch(self.fire, 10)
        for _ in range(20):
            limit.reset(10)
            self.wait(0.25)
            limit.reset(10)
        self.assertEqual(len(moved), 1)

    def test_failing_callback(self) -> None:
        """What one callback raises is logged and keeps no other from being called."""
        self.deadlines.watch(lambda: self.fire("a"), 1)
        self.deadlines.watch(lambda: [].pop(), 1)
        self.deadlines.watch(lambda: self.fire("b"), 1)
        self.wait(2)
        self.assertEqual(self.fired, ["a", "b"])
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)

    def test_set_from_a_callback(self) -> None:
        """A limit may be set anew when it fires."""

        def again() -> None:
            self.fire()
            limit.reset(1)

        limit = self.deadlines.watch(again, 1)
        self.wait(5)
        self.assertIn(len(self.fired), (3, 4, 5))

    def test_long_pause(self) -> None:
        """After a pause of the whole process all that is due fires, in order."""
        for seconds in (3, 1, 2):
            self.deadlines.watch(lambda name=str(seconds): self.fire(name), seconds)  # type: ignore[misc]
        self.clock.advance(100)
        self.assertEqual(self.fired, ["1", "2", "3"])

    def test_sleeps(self) -> None:
        """Without a limit no timer runs."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.deadlines.watch(self.fire, 1).cancel()
        self.wait(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.deadlines.watch(self.fire, 1)
        self.wait(2)
        self.assertEqual(self.fired, ["x"])

    def test_neighbours(self) -> None:
        """A callback may cancel, turn off or put off what is due in the same tick, before its turn or after it."""
        limits: dict[str, Deadline] = {}

        def first() -> None:
            self.fire("first")
            limits["cancelled"].cancel()
            limits["off"].off()
            limits["later"].reset(10)

        limits["first"] = self.deadlines.watch(first, 1)
        for name in ("cancelled", "off", "later", "last"):
            limits[name] = self.deadlines.watch(lambda name=name: self.fire(name), 1)  # type: ignore[misc]
        self.wait(2)
        self.assertEqual(self.fired, ["first", "last"])
        self.wait(10)
        self.assertEqual(self.fired, ["first", "last", "later"])
        self.assertEqual(len(self.deadlines), 0)

    def test_made_by_a_callback(self) -> None:
        """A limit that a callback makes is kept to, however the clock has jumped."""

        def make() -> None:
            self.deadlines.watch(self.fire, 1)

        self.deadlines.watch(make, 1)
        self.clock.advance(100)
        self.assertEqual(self.fired, [])
        self.wait(2)
        self.assertEqual(self.fired, ["x"])
