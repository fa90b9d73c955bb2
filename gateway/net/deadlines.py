"""
Many time limits on one coarse timer.

C{callLater} and its cancellation cost 1.8 us a pair; a connection needs several a request. Here setting a limit anew
is two attribute stores: the entry stays where it is and is looked at again when its old moment comes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

#: Entries that were given back and are kept for who comes next.
_MOST_SPARE = 256


class Deadline:
    """
    One time limit; made by L{Deadlines.watch}.

    @ivar due: when it is looked at; while C{at} is not before that, setting C{at} is all it takes to put it off.
    @ivar at: the moment it fires, on the clock of its L{Deadlines}; infinite while it is off.
    """

    __slots__ = ("_deadlines", "_slot", "at", "due", "expired")

    def __init__(self, deadlines: Deadlines, expired: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._slot = -1
        # Where its slot begins: what is due later than that is seen in time. Infinite while it is in none.
        self.due = inf
        self.at = inf
        self.expired = expired

    def reset(self, seconds: float) -> None:
        """
        Let it fire this many seconds from now, whether it was on or off.

        It fires at most one tick early and two late; a L{Deadlines.tick} is a quarter of a second by default.
        """
        deadlines = self._deadlines
        if deadlines.asleep:
            deadlines.wake()
        self.at = at = deadlines.now + seconds
        # Nearly always it sits in an earlier slot already and is put on from there.
        if at < self.due:
            deadlines.place(self)

    def off(self) -> None:
        """Keep it from firing; L{reset} turns it on again. Cheap: the entry goes away when its moment comes."""
        self.at = inf

    def cancel(self) -> None:
        """Turn it off and forget it at once; for the end of what it watches. More than once is harmless."""
        self.at = inf
        if self._slot >= 0:
            self._deadlines.drop(self)
        self.expired = _nothing

    def give_back(self) -> None:
        """
        Turn it off and leave it to who watches something next, which is cheaper than L{cancel}.

        For who alone knows of it, and once: from here on it is somebody else's.
        """
        spare = self._deadlines.spare
        if len(spare) < _MOST_SPARE:
            self.at = inf
            self.expired = _nothing
            spare.append(self)
        else:
            self.cancel()


class Deadlines:
    """
    The coarse timer.

    @ivar now: the clock's time at the last tick; at most one tick old while it is not asleep.
    @ivar tick: seconds between looks.
    @ivar asleep: nothing is watched, so no timer runs and C{now} is stale.
    @ivar spare: entries that were given back. For L{Deadline} only.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, tick: float = 0.25) -> None:
        self._clock = clock
        self.tick = tick
        self.now = float(clock.seconds())
        self._slots: dict[int, dict[Deadline, None]] = {}
        self._done = int(self.now / tick)
        self._call: IDelayedCall | None = None
        # Given back, and perhaps still in a slot: taken up again they are not put into one, which is dearer than all else here.
        self.spare: list[Deadline] = []
        self.asleep = True

    def wake(self) -> None:
        """Start the timer. For L{Deadline} only."""
        self.asleep = False
        self.now = float(self._clock.seconds())
        self._done = int(self.now / self.tick)
        self._call = self._clock.callLater(self.tick, self._turn)

    def watch(self, expired: Callable[[], None], seconds: float | None = None) -> Deadline:
        """
        Make a limit.

        @param expired: called when it fires; what it raises is logged and harms nobody else.
        @param seconds: turn it on at once with this many; C{None}: it starts off.
        """
        spare = self.spare
        if spare:
            made = spare.pop()
            made.expired = expired
        else:
            made = Deadline(self, expired)
        if seconds is not None:
            made.reset(seconds)
        return made

    def place(self, deadline: Deadline) -> None:
        """Put an entry into the slot of its moment, out of its old one. For L{Deadline} only."""
        if deadline._slot >= 0:
            self.drop(deadline)
        slot = max(int(deadline.at / self.tick) + 1, self._done + 1)
        deadline._slot = slot
        deadline.due = (slot - 1) * self.tick
        entries = self._slots.get(slot)
        if entries is None:
            entries = self._slots[slot] = {}
        entries[deadline] = None

    def drop(self, deadline: Deadline) -> None:
        """Take an entry out of its slot. For L{Deadline} only."""
        entries = self._slots.get(deadline._slot)
        if entries is not None:
            entries.pop(deadline, None)
            if not entries:
                del self._slots[deadline._slot]
        deadline._slot = -1
        deadline.due = inf

    def __len__(self) -> int:
        """Give how many entries are held, those turned off but not yet dropped included."""
        return sum(map(len, self._slots.values()))

    def _turn(self) -> None:
        self.now = now = float(self._clock.seconds())
        last = int(now / self.tick)
        if last - self._done > len(self._slots):
            due = sorted(slot for slot in self._slots if slot <= last)
        else:
            due = [slot for slot in range(self._done + 1, last + 1) if slot in self._slots]
        self._done = last
        for slot in due:
            for deadline in self._slots.pop(slot, ()):
                deadline._slot = -1
                deadline.due = inf
                if deadline.at <= now:
                    deadline.at = inf
                    try:
                        deadline.expired()
                    except Exception:
                        self._log.failure("a time limit's callback failed")
                elif deadline.at != inf:
                    self.place(deadline)
        if self._slots:
            self._call = self._clock.callLater(self.tick, self._turn)
        else:
            self.asleep = True


def _nothing() -> None:
    """Stand in for the callback of a cancelled entry, so that it keeps nothing alive."""
