"""Settings that say how people are told of events; which events there are is not known here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from gateway.config.faults import BadValue, nearest
from gateway.config.kind import Faulty, Kind, Place, kind_name, quoted, text_of
from gateway.config.kinds.texts import TextKind
from gateway.config.reading import read_array
from gateway.config.windows import Window, window

#: How one of several is told.
WAYS = ("never", "first", "digest", "always")

#: What an event may be called.
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

NotifyTexts: TypeAlias = Mapping[str, str]


def way(text: str) -> str:
    """
    Check how an event is told.

    @raise BadValue: there is no such way.
    """
    if text in WAYS:
        return text
    near = nearest(text, WAYS)
    known = ", ".join(f'"{one}"' for one in WAYS)
    raise BadValue(
        f'"{text}" is no way to tell of an event',
        f'did you mean "{near}"? one of {known}' if near else f"one of {known}",
    )


@dataclass(frozen=True, slots=True)
class NotifyTextsKind(Kind):
    """How events are told, by their names: C{{ malware_found = "first" }}."""

    name: ClassVar[str] = "table: event = way"

    def read(self, raw: object, place: Place) -> dict[str, str] | Faulty:
        """Read each; all faults at once."""
        if not isinstance(raw, dict):
            raise BadValue(
                f"expected a table, found {kind_name(raw)}", '{ malware_found = "first" }'
            )
        found: dict[str, str] = {}
        for name, said in raw.items():
            try:
                self.check(name)
                found[name] = way(text_of(said, "a way to tell of it"))
            except BadValue as error:
                place.child(name).bad(error)
        return found

    def check(self, name: str) -> None:
        """
        Look at a name.

        @raise BadValue: no event can be called so.
        """
        if not EVENT_NAME.fullmatch(name):
            raise BadValue(
                f'"{name}" is no name of an event', "lower case, digits and _; no patterns here"
            )

    def toml(self, value: Any) -> str:
        """Write an inline table."""
        inner = ", ".join(f"{name} = {quoted(said)}" for name, said in value.items())
        return f"{{ {inner} }}" if inner else "{}"


@dataclass(frozen=True, slots=True)
class MaintenanceKind(Kind):
    """An array of times of maintenance; see L{gateway.config.windows}."""

    name: ClassVar[str] = "times of maintenance"

    def read(self, raw: object, place: Place) -> tuple[Window, ...] | Faulty:
        """Read each."""
        found = read_array(Annotated[str, TextKind("a time of maintenance", window)], raw, place)
        return found if isinstance(found, Faulty) else tuple(found)

    def toml(self, value: Any) -> str:
        """Write an array."""
        return "[" + ", ".join(quoted(str(one)) for one in value) + "]"
