"""
How the settings of a channel say of which events it tells, and how; part of L{gateway.api.settings}.

Names are looked up in the catalogue. Those of third parties are not in it, and which of their plugins run is not known here:
a name is taken for a mistake only if it is much like one of the catalogue, and a pattern with a C{*} never.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import Event, Notify, Severity
from gateway.config.faults import BadValue, nearest
from gateway.config.kind import Faulty, Kind, Place, quoted, text_of
from gateway.config.kinds.notify import NotifyTextsKind
from gateway.config.kinds.texts import TextKind
from gateway.config.reading import read_array

_PATTERN = re.compile(r"-?[a-z0-9_*]{1,64}")


class EventSet:
    """
    A frozen set of kinds of events, by patterns of their names.

    A pattern is a name, or has C{*} for any characters, C{"origin_*"}; with C{-} before it, it takes out what it means.
    Without a pattern that takes something in, everything is in. What takes in the beginning of a state takes in its end.

    @ivar patterns: as they were given.
    """

    __slots__ = ("_in", "_known", "_out", "patterns")

    patterns: tuple[str, ...]

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """
        Take patterns.

        @raise BadValue: one that can't be one, or a name that is probably misspelt.
        """
        self.patterns = tuple(patterns)
        for pattern in self.patterns:
            event_pattern(pattern)
        out = [one[1:] for one in self.patterns if one.startswith("-")]
        into = [one for one in self.patterns if not one.startswith("-")]
        self._in = _compiled(into or ["*"])
        self._out = _compiled(out) if out else None
        # Names are what code raises, so there are few; the bound is for whoever makes them up.
        self._known: dict[str, bool] = {}

    def matches(self, event: Event) -> bool:
        """Tell whether an event is in; for L{ChannelRules.wants<gateway.api.alarms.ChannelRules>}."""
        found = self._known.get(event.name)
        return self._look(event.name) if found is None else found

    def __contains__(self, name: object) -> bool:
        """Tell whether events of a name are in."""
        return isinstance(name, str) and self._look(name)

    def __iter__(self) -> Iterator[str]:
        """Go through the patterns as they were given."""
        return iter(self.patterns)

    def __len__(self) -> int:
        """Count the patterns; without any, everything is in."""
        return len(self.patterns)

    def __bool__(self) -> bool:
        """Tell whether it says anything at all."""
        return bool(self.patterns)

    def __eq__(self, other: object) -> bool:
        """Tell whether both were made of the same patterns."""
        return isinstance(other, EventSet) and self.patterns == other.patterns

    def __hash__(self) -> int:
        """Hash by the patterns."""
        return hash(self.patterns)

    def __repr__(self) -> str:
        """Write the patterns."""
        return f"EventSet({', '.join(self.patterns)})"

    def _look(self, name: str) -> bool:
        kind = CATALOGUE.get(name)
        # Who wants to know that something is down wants to know that it is up again.
        names = (name, kind.ends) if kind is not None and kind.ends else (name,)
        is_out = self._out is not None and self._out.fullmatch(name)
        is_in = not is_out and any(map(self._in.fullmatch, names))
        if len(self._known) < 1000:
            self._known[name] = is_in
        return is_in


def event_pattern(text: str) -> str:
    """
    Check a pattern of names of events.

    @raise BadValue: it is none, or the name is much like that of an event that there is.
    """
    if not _PATTERN.fullmatch(text):
        raise BadValue(
            f'"{text}" is no pattern of events', 'a name, "origin_*", or "-config_*" to leave out'
        )
    _known(text.removeprefix("-"), text)
    return text


def _known(name: str, text: str) -> None:
    """Find misspelt names."""
    if "*" in name or name in CATALOGUE:
        return
    near = nearest(name, CATALOGUE)
    if near:
        mend = f'did you mean "{text.replace(name, near)}"? If a plugin of others calls one so, write "{text}*"'
        raise BadValue(f'there is no event "{name}"', mend)


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    """Make one expression of all."""
    alternatives = (".*".join(map(re.escape, re.split(r"\*+", pattern))) for pattern in patterns)
    return re.compile("|".join(alternatives))


@dataclass(frozen=True, slots=True)
class EventsKind(Kind):
    """An array of patterns of events, as an L{EventSet}."""

    name: ClassVar[str] = "event patterns"

    def read(self, raw: object, place: Place) -> EventSet | Faulty:
        """Read each pattern."""
        found = read_array(
            Annotated[str, TextKind("a pattern of events", event_pattern)], raw, place
        )
        return found if isinstance(found, Faulty) else EventSet(found)

    def toml(self, value: Any) -> str:
        """Write an array."""
        return "[" + ", ".join(map(quoted, value)) + "]"


@dataclass(frozen=True, slots=True)
class NotifyMapKind(NotifyTextsKind):
    """How events are told, by their names; gives a mapping to L{Notify}."""

    def read(self, raw: object, place: Place) -> Any:
        """Read each."""
        found = NotifyTextsKind.read(self, raw, place)
        if isinstance(found, Faulty):
            return found
        return {name: Notify(said) for name, said in found.items()}

    def check(self, name: str) -> None:
        """
        Look at a name.

        @raise BadValue: no event can be called so, or it is probably misspelt.
        """
        NotifyTextsKind.check(self, name)
        if name not in CATALOGUE and (near := nearest(name, CATALOGUE)):
            raise BadValue(f'there is no event "{name}"', f'did you mean "{near}"?')

    def toml(self, value: Any) -> str:
        """Write an inline table."""
        return NotifyTextsKind.toml(self, {name: way.value for name, way in value.items()})


@dataclass(frozen=True, slots=True)
class SeverityKind(Kind):
    """A severity: C{"info"}, C{"warning"} or C{"error"}."""

    name: ClassVar[str] = '"info" or "warning" or "error"'

    def read(self, raw: object, place: Place) -> Severity:
        """Take its name."""
        text = text_of(raw, "a severity")
        names = [one.value for one in Severity]
        if text in names:
            return Severity(text)
        near = nearest(text, names)
        known = ", ".join(map(quoted, names))
        raise BadValue(
            f'"{text}" is no severity',
            f'did you mean "{near}"? one of {known}' if near else f"one of {known}",
        )

    def toml(self, value: Any) -> str:
        """Write its name."""
        return quoted(value.value)


Events: TypeAlias = Annotated[EventSet, EventsKind()]
NotifyMap: TypeAlias = Annotated[dict[str, Notify], NotifyMapKind()]
Least: TypeAlias = Annotated[Severity, SeverityKind()]
