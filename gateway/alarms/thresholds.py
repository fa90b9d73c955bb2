"""
From readings to edges: when a resource is short, and when it no longer is.

A reading that swings around its bound would be told each time, so a state begins at one bound and ends at another, and
either has to hold for a while. Nothing here reads anything, and there is no timer: whoever has a reading says so, and
when it was.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from gateway.api.events import Event, EventType

#: A state ends when the reading is back by so much of its bound: over 80 %, it ends below 70 %.
BACK = 1 / 8


class Edge(enum.Enum):
    """A state begins or ends."""

    BEGINS = "begins"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    Where a state begins and ends.

    @ivar over: it begins at this reading or beyond.
    @ivar under: it ends when the reading is short of this; more than C{over} where it is low readings that are bad.
    @ivar hold_seconds: how long the readings have to be over; 0: one is enough.
    @ivar calm_seconds: how long they have to be under.
    @ivar text: the bound as people read it.
    """

    over: float
    under: float
    hold_seconds: float = 0.0
    calm_seconds: float = 0.0
    text: str = ""

    @classmethod
    def above(cls, over: float, hold: float = 0.0, calm: float = 0.0, text: str = "") -> Bounds:
        """Make those of a reading that must not rise that far."""
        return cls(over, over * (1 - BACK), hold, calm, text)

    @classmethod
    def below(cls, over: float, hold: float = 0.0, calm: float = 0.0, text: str = "") -> Bounds:
        """Make those of a reading that must not fall that far."""
        return cls(over, over * (1 + BACK), hold, calm, text)

    def is_bad(self, value: float) -> bool:
        """Tell whether a reading is at the bound or beyond it."""
        return value >= self.over if self.under <= self.over else value <= self.over

    def is_good(self, value: float) -> bool:
        """Tell whether a reading is on the good side of the other bound."""
        return value < self.under if self.under <= self.over else value > self.under


class Threshold:
    """
    One reading's state.

    @ivar bounds: may be replaced at any time; what is going on is judged by the new ones from the next reading on.
    @ivar is_over: the state has begun and not ended.
    @ivar since: when the readings that began it did.
    """

    __slots__ = ("_turned", "bounds", "is_over", "since")

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.is_over = False
        self.since = 0.0
        self._turned: float | None = None

    def read(self, value: float, now: float, lasted: float = 0.0) -> Edge | None:
        """
        Take a reading.

        @param now: when; only differences count, and a step back counts as none.
        @param lasted: for how many seconds it has been so already, where the reading itself says that.
        """
        bounds = self.bounds
        turns = bounds.is_good(value) if self.is_over else bounds.is_bad(value)
        if not turns:
            self._turned = None
            return None
        begun = now - lasted
        if self._turned is None or self._turned > now:
            self._turned = begun
        turned = self._turned = min(self._turned, begun)
        if now - turned < (bounds.calm_seconds if self.is_over else bounds.hold_seconds):
            return None
        self._turned = None
        self.is_over = not self.is_over
        if not self.is_over:
            return Edge.ENDS
        self.since = turned
        return Edge.BEGINS


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What was read of one subject.

    @ivar value: in the unit of the bounds.
    @ivar text: a part of a sentence with the number in it: C{4 % of /var is free}.
    @ivar values: fields of the event.
    @ivar lasted: see L{Threshold.read}.
    """

    value: float
    text: str
    values: Mapping[str, str] = field(default_factory=dict)
    lasted: float = 0.0


class Monitor:
    """
    One kind of resource with a state for each of its subjects: tells an event at each edge, and at no other time.

    @ivar bounds: C{None}: it is off, and no reading counts.
    """

    def __init__(
        self,
        begins: EventType,
        ends: EventType,
        tell: Callable[[Event], None],
        *,
        setting: str = "",
        advice: str,
        bounds: Bounds | None = None,
    ) -> None:
        """
        Begin with nothing going on.

        @param setting: whose bound it is, to be named in the event; empty: none's.
        @param advice: what to do, as a part of a sentence.
        """
        self.bounds = bounds
        self._begins = begins
        self._ends = ends
        self._tell = tell
        self._setting = setting
        self._advice = advice
        self._thresholds: dict[str, Threshold] = {}
        self._has_bound = any(one.name == "bound" for one in begins.fields)

    @property
    def over(self) -> Mapping[str, bool]:
        """Whether the state of each subject that was read goes on."""
        return {subject: one.is_over for subject, one in self._thresholds.items()}

    def read(self, readings: Mapping[str, Reading], now: float) -> None:
        """Take the readings of all subjects: the state of one that is not among them is over."""
        self.read_some(readings, now)
        self.keep(readings if self.bounds is not None else (), now)

    def keep(self, subjects: Collection[str], now: float) -> None:
        """Forget all other subjects; a state that was told as begun must not seem to go on for ever."""
        for subject in [one for one in self._thresholds if one not in subjects]:
            threshold = self._thresholds.pop(subject)
            if threshold.is_over:
                text = f"{subject or self._setting} is not watched any more"
                self._tell_end(subject, text, {"seconds": self._lasted(threshold, now)})

    def read_some(self, readings: Mapping[str, Reading], now: float) -> None:
        """Take the readings of some subjects; what the others are is not known."""
        bounds = self.bounds
        if bounds is None:
            return
        for subject, reading in readings.items():
            threshold = self._thresholds.get(subject)
            if threshold is None:
                threshold = self._thresholds[subject] = Threshold(bounds)
            threshold.bounds = bounds
            edge = threshold.read(reading.value, now, reading.lasted)
            if edge is Edge.BEGINS:
                self._begin(subject, reading, bounds)
            elif edge is Edge.ENDS:
                lasted = self._lasted(threshold, now)
                text = f"{reading.text}{self._bound_text(bounds)}, after {lasted} s"
                self._tell_end(subject, text, {**self._values(reading, bounds), "seconds": lasted})

    def _begin(self, subject: str, reading: Reading, bounds: Bounds) -> None:
        text = f"{reading.text}{self._bound_text(bounds)}: {self._advice}"
        values = self._values(reading, bounds)
        self._tell(self._begins(text, subject, **values))

    def _tell_end(self, subject: str, text: str, values: Mapping[str, str]) -> None:
        known = {one.name for one in self._ends.fields}
        said = {name: value for name, value in values.items() if name in known}
        self._tell(self._ends(text, subject, **said))

    def _values(self, reading: Reading, bounds: Bounds) -> dict[str, str]:
        said = dict(reading.values)
        if self._has_bound:
            said["bound"] = bounds.text
        return said

    def _bound_text(self, bounds: Bounds) -> str:
        return f" ({self._setting} is {bounds.text})" if self._setting else ""

    @staticmethod
    def _lasted(threshold: Threshold, now: float) -> str:
        return f"{max(0.0, now - threshold.since):.0f}"
