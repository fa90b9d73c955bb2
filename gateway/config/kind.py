"""
What a setting is made of: its help, its kind (how text becomes a value) and the place where a value stands.

A struct's field says all of it in its annotation, C{upload: Annotated[Size, Help("...")] = 2 * GIB}; the reader, the
documentation and the commented file come from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from gateway.config.faults import BadValue, Path


@dataclass(frozen=True, slots=True)
class Help:
    """The meaning of a setting for the person who writes the file; full sentences."""

    text: str
    example: str = ""
    """A value in TOML that shows more than the default does."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Mark of a field that is no setting: it cannot be written in a file."""


class Faulty:
    """Stands for a value whose fault is recorded already."""


FAULTY: Final = Faulty()


class Located(Protocol):
    """What knows the files: see L{gateway.config.layers.Sources}."""

    def folder(self, path: Path) -> str:
        """Give the folder of the file in which a value stands; empty for the current one."""


class Survey:
    """What one reading of the configuration needs, and the faults that it finds."""

    def __init__(self, sources: Located, environ: Mapping[str, str]) -> None:
        self.sources = sources
        self.environ = environ
        self.found: list[tuple[Path, str, str]] = []
        """Path, message and advice, in the order of reading."""

    def add(self, path: Path, message: str, mend: str = "") -> None:
        """Record a fault."""
        self.found.append((path, message, mend))

    def is_faulty(self, path: Path) -> bool:
        """Tell whether a fault is recorded at, above or below a path."""
        return any(at[: len(path)] == path[: len(at)] for at, _, _ in self.found)


@dataclass(frozen=True, slots=True)
class Place:
    """A path in the tree together with the survey under way."""

    survey: Survey
    path: Path = ()

    def child(self, *steps: str | int) -> Place:
        """Go down."""
        return Place(self.survey, self.path + steps)

    def fault(self, message: str, mend: str = "") -> Faulty:
        """Record a fault here."""
        self.survey.add(self.path, message, mend)
        return FAULTY

    def bad(self, error: BadValue) -> Faulty:
        """Record what a text function found."""
        at = self.child(error.part) if error.part else self
        return at.fault(error.message, error.mend)

    @property
    def folder(self) -> str:
        """The folder of the file in which the value stands; relative paths begin there."""
        return self.survey.sources.folder(self.path)


class Kind(ABC):
    """How a setting is written: reads what TOML gave, and writes a value back as TOML."""

    name: ClassVar[str]
    """For the column "value" of the documentation: C{size}, C{duration}, C{address}."""
    table: ClassVar[type | None] = None
    """The struct of the table form, when there is one."""

    @abstractmethod
    def read(self, raw: object, place: Place) -> Any:
        """
        Turn what TOML gave into the value.

        @raise BadValue: when it cannot; or record faults deeper down and give L{FAULTY}.
        """

    @abstractmethod
    def toml(self, value: Any) -> str:
        """Write a value as TOML that L{read} turns into the same value."""

    @property
    def unit(self) -> str:
        """What is written, with its limits."""
        return self.name


def kind_name(raw: object) -> str:
    """Say in TOML's words what something is."""
    match raw:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a string"
        case dict():
            return "a table"
        case list():
            return "an array"
    return "a date or time"


def text_of(raw: object, expected: str) -> str:
    """
    Check that something is a string.

    @raise BadValue: with what was expected and what was found.
    """
    if not isinstance(raw, str):
        raise BadValue(f"expected {expected}, found {kind_name(raw)}")
    return raw


def quoted(text: str) -> str:
    """Write a basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
