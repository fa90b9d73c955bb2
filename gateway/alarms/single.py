"""
Events of one type that are of no state: each is told, or counted until it may be.
"""

from __future__ import annotations

from gateway.alarms.family import FAST, SLOW, Lane, Passage, Spell
from gateway.alarms.kept import KeptEvent, KeptFamily, KeptTally
from gateway.alarms.tally import Tally
from gateway.api.alarms import Alarm
from gateway.api.events import Event, EventType, Notify


class Singles:
    """
    The events of one name; see L{Family<gateway.alarms.family.Family>}.

    With L{Notify.FIRST} a digest that tells of some is followed by another one before one is the first again: what goes on
    and on comes in digests alone.
    """

    __slots__ = ("_first", "_gate", "_lane", "_limit", "_tally", "_way", "kind", "name")

    def __init__(self, gate: Passage, name: str, kind: EventType | None) -> None:
        self.name = name
        self.kind = kind
        self._gate = gate
        self._way = gate.way(name, kind)
        self._tally: Tally | None = None
        self._lane: Lane = FAST
        self._limit = Spell()
        self._first = Spell()

    def take(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        """Take an event."""
        gate = self._gate
        if event.severity in gate.below or not gate.wants(event):
            return
        if gate.is_hushed(self.kind):
            gate.count_hushed(1)
            return
        tally = self._tally
        if tally is not None:
            tally.add(event, at)
            gate.changed()
            return
        self._begin(event, at, number)

    def _begin(self, event: Event, at: float, number: int) -> None:
        gate = self._gate
        now = gate.seconds()
        self._tally = Tally(gate.id(number), event, at)
        if self._way is Notify.DIGEST or (
            self._way is Notify.FIRST and not self._first.is_over(now)
        ):
            self._lane = SLOW
            gate.changed()
            gate.gather()
            return
        self._lane = FAST
        if self._limit.is_over(now):
            gate.out(self._told(now))
            gate.finish()
        else:
            gate.changed()
            gate.arm(self._limit.end(now))

    def follow(self) -> None:
        """Look anew how it is told; what is counted already is told with the next digest if that is never."""
        self._way = self._gate.way(self.name, self.kind)
        if self._tally is not None:
            self._lane = FAST if self._way is Notify.ALWAYS else SLOW
            if self._lane is SLOW:
                self._gate.gather()

    def flush(self, now: float) -> float:
        """Tell what the limit held back."""
        if self._tally is None or self._lane is SLOW:
            return float("inf")
        end = self._limit.end(now)
        if end > now:
            return end
        if self._gate.is_hushed(self.kind):
            return float("inf")
        self._gate.out(self._told(now))
        return float("inf")

    def digest(self, now: float) -> tuple[list[Alarm], bool]:
        """Give what was gathered."""
        if self._tally is None or self._lane is FAST:
            return [], False
        if self._gate.is_hushed(self.kind) or not self._limit.is_over(now):
            return [], True
        return [self._told(now)], False

    def set_back(self, now: float) -> None:
        """Let nothing last longer for that."""
        self._limit.set_back(now)
        self._first.set_back(now)

    def unhush(self) -> None:
        """Nothing: those that were kept back are told to nobody, and the others wait as before."""

    def empty(self) -> list[Alarm]:
        """Give what is counted."""
        return [] if self._tally is None else [self._told(self._gate.seconds())]

    def kept(self, now: float) -> KeptFamily | None:
        """Give what has to be remembered."""
        tally = self._tally
        limit_in = self._limit.left(now)
        first_in = self._first.left(now)
        if tally is None and not limit_in and not first_in:
            return None
        return KeptFamily(
            self.name,
            lane=self._lane,
            limit_in=limit_in,
            first_in=first_in,
            tally=None
            if tally is None
            else KeptTally(
                tally.id,
                KeptEvent.of(tally.event),
                tally.count,
                tally.first,
                tally.last,
                tally.subjects.counts,
                tally.subjects.before,
            ),
        )

    def restore(self, kept: KeptFamily, now: float, ago: float) -> None:
        """Go on with what was remembered."""
        times = self._gate.times
        self._limit.begin(now, min(kept.limit_in - ago, times.limit))
        self._first.begin(now, min(kept.first_in - ago, times.digest))
        if kept.tally is None:
            return
        tally = Tally(kept.tally.id, kept.tally.event.event(), kept.tally.first)
        tally.count, tally.last = kept.tally.count, kept.tally.last
        tally.subjects.counts = dict(kept.tally.subjects)
        tally.subjects.before = dict(kept.tally.before)
        self._tally = tally
        self._lane = FAST if kept.lane == FAST and self._way is not Notify.DIGEST else SLOW
        if self._lane is SLOW:
            self._gate.gather()
        else:
            self._gate.arm(self._limit.end(now))

    def _told(self, now: float) -> Alarm:
        """Take what is counted, and begin the time in which no more is told."""
        tally = self._tally
        assert tally is not None
        self._tally = None
        self._limit.begin(now, self._gate.times.limit)
        self._first.begin(now, self._gate.times.digest if self._way is Notify.FIRST else 0.0)
        return tally.alarm(self.kind)
