"""
What is known of kinds of events: those of the catalogue, and those that third parties' plugins describe.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventType


class KnownTypes:
    """
    The types of events by name.

    @ivar begins: the name of the beginning of a state, by the names of its beginning and its end.
    """

    def __init__(self, types: Iterable[EventType] = CATALOGUE.values()) -> None:
        self._types: dict[str, EventType] = {}
        self.begins: dict[str, str] = {}
        self.learn(types)

    def learn(self, types: Iterable[EventType]) -> bool:
        """
        Take in further ones, in place of those of the same names; the catalogue's own stay. Tell whether that changed anything.
        """
        found = False
        for one in types:
            before = self._types.get(one.name)
            if before == one or (before is not None and one.name in CATALOGUE):
                continue
            found = True
            self._types[one.name] = one
            if one.ends:
                self.begins[one.name] = one.ends
                self.begins[one.ends] = one.ends
        return found

    def get(self, name: str) -> EventType | None:
        """Give what is known of events of a name."""
        return self._types.get(name)

    def end_of(self, name: str) -> EventType | None:
        """Give the type of the event that ends a state; C{None}: there is none of that name."""
        for end, begin in self.begins.items():
            if begin == name and end != name:
                return self._types.get(end)
        return None

    def state_of(self, name: str) -> str:
        """Give the name of the state that events of this name begin or end; empty: they are of none."""
        return self.begins.get(name, "")
