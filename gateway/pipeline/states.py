"""
Which states plugins have told of and not ended: an outage that a plugin object told of is over for people, at the latest,
when that object is stopped and no other one has told of it.

Without that the alarm of a plugin that is taken out of the configuration would be repeated for ever, and in a reload the
object that leaves would end what the one that follows has just found out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import Event, EventType

#: States that are followed at the same time; of more it is not known who began them.
MAX_OPEN = 10_000


class States:
    """
    Those of all plugin objects of one process.

    @ivar tell: where events go.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        """Begin with none."""
        self.tell = tell
        self._types: dict[str, EventType] = dict(CATALOGUE)
        self._ends = {one.ends: one for one in CATALOGUE.values() if one.ends}
        # By name and subject of what began: who holds it.
        self._open: dict[tuple[str, str], set[Telling]] = {}

    def know(self, types: Iterable[EventType]) -> None:
        """Learn of types of events of third parties."""
        for one in types:
            self._types.setdefault(one.name, one)
            if one.ends:
                self._ends.setdefault(one.ends, one)

    def of(self, plugin: str) -> Telling:
        """Make what one plugin object tells its events by."""
        return Telling(self, plugin)

    def end_of(self, name: str) -> EventType | None:
        """Give the type of event that ends the state that this one begins; C{None}: it begins none."""
        return self._ends.get(name)

    def ended_by(self, name: str) -> str:
        """Give the name of the state that this event ends; empty: none."""
        kind = self._types.get(name)
        return "" if kind is None else kind.ends

    def begun(self, key: tuple[str, str], by: Telling) -> None:
        """Note who holds a state. For L{Telling} only."""
        held = self._open.get(key)
        if held is not None:
            held.add(by)
        elif len(self._open) < MAX_OPEN:
            self._open[key] = {by}

    def ended(self, key: tuple[str, str], by: Telling) -> bool:
        """Note that one does not hold it any more, and tell whether it is over. For L{Telling} only."""
        held = self._open.get(key)
        if held is None:
            return True
        held.discard(by)
        if held:
            return False
        del self._open[key]
        return True

    def held(self, by: Telling) -> list[tuple[str, str]]:
        """Give what one holds. For L{Telling} only."""
        return [key for key, held in self._open.items() if by in held]


class Telling:
    """Takes the events of one plugin object: its C{services.events}."""

    def __init__(self, states: States, plugin: str) -> None:
        self._states = states
        self._plugin = plugin
        self._left = False

    def __call__(self, event: Event) -> None:
        """Take one."""
        states = self._states
        if states.end_of(event.name) is not None:
            if self._left:
                # Nobody would ever say that it is over.
                return
            states.begun((event.name, event.subject), self)
        else:
            ends = states.ended_by(event.name)
            if ends and not states.ended((ends, event.subject), self):
                return
        states.tell(event)

    def leave(self) -> None:
        """The plugin object is stopped: what it alone holds is over. More than once is harmless."""
        self._left = True
        states = self._states
        text = f"the plugin {self._plugin} was stopped or made anew, and looks after it no more"
        for name, subject in states.held(self):
            over = states.end_of(name)
            if states.ended((name, subject), self) and over is not None:
                states.tell(over(text, subject))
