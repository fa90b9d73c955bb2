"""Settings that are strings: what one function makes of a text, and paths."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from gateway.config.faults import BadValue, nearest
from gateway.config.kind import Kind, Place, quoted, text_of


@dataclass(frozen=True, slots=True)
class TextKind(Kind):
    """A string that one function of this package checks and turns into a value."""

    name: ClassVar[str] = "string"
    what: str
    """What is written, such as C{URL}."""
    convert: Callable[[str], Any]

    def read(self, raw: object, place: Place) -> Any:
        """Convert a string."""
        return self.convert(text_of(raw, self.what))

    def toml(self, value: Any) -> str:
        """Write what C{str} makes of the value."""
        return quoted(str(value))

    @property
    def unit(self) -> str:
        """Say what is written."""
        return self.what


@dataclass(frozen=True, slots=True)
class PathKind(Kind):
    """A path; a relative one begins in the folder of the file that says it."""

    name: ClassVar[str] = "path"
    special: tuple[str, ...] = ("",)
    """Texts that mean something else than a path."""

    def read(self, raw: object, place: Place) -> str:
        """Make it absolute, or as absolute as the name of the configuration file is."""
        text = text_of(raw, "a path")
        if text in self.special:
            return text
        if not text or "\0" in text:
            raise BadValue("this cannot be a path")
        return os.path.join(place.folder, text)

    def toml(self, value: Any) -> str:
        """Write it."""
        return quoted(value)


def token(text: str) -> str:
    """
    Check a pseudonym or host with port, as a Via field names its maker (RFC 9110 section 7.6.3).

    @raise BadValue: when characters are in it that a field cannot hold there.
    """
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]*(:[0-9]{1,5})?", text):
        raise BadValue(
            f'"{text}" cannot stand in a Via field', 'a name such as "gateway-1", or host:port'
        )
    return text


def url_path(text: str) -> str:
    """
    Check the path of an URL, or an empty text.

    @raise BadValue: when it does not begin with a slash, or holds what no path can.
    """
    if text and not text.startswith("/"):
        raise BadValue(f'"{text}" does not begin with "/"', f'"/{text}"')
    if re.search(r"[^!-~]|#", text):
        raise BadValue(f'"{text}" cannot be a path', "percent-encode what is not plain ASCII")
    return text


def site_path(text: str) -> str:
    """
    Check the path prefix of a site.

    @raise BadValue: also when it is empty or holds a query.
    """
    if not text:
        raise BadValue("a site needs a path", '"/" for every path')
    if "?" in text:
        raise BadValue(f'"{text}" holds a query', "a site is chosen by the path alone")
    return url_path(text)


def log_format(text: str) -> str:
    """
    Check the name of a format of the access log.

    @raise BadValue: when there is none of that name.
    """
    names = ("squid", "combined", "json")
    if text in names or (text.startswith("custom ") and text[7:].strip()):
        return text
    near = nearest(text, names)
    advice = '"squid", "combined", "json" or "custom " and a format string'
    raise BadValue(
        f'"{text}" is not a format', f'did you mean "{near}"? {advice}' if near else advice
    )


class OneOrMoreKind(TextKind):
    """One text, or an array of them; gives a tuple either way."""

    def read(self, raw: object, place: Any) -> Any:
        """Read each."""
        if not isinstance(raw, list):
            return (super().read(raw, place),)
        found = []
        for index, one in enumerate(raw):
            try:
                found.append(super().read(one, place))
            except BadValue as error:
                place.child(index).bad(error)
        return tuple(found)

    def toml(self, value: Any) -> str:
        """Write a lone one without brackets."""
        written = [f'"{one}"' for one in value]
        return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def receiver_label(text: str) -> str:
    """
    Check what a receiver of alarms is called; empty: nothing is said.

    @raise BadValue: nothing can be called so.
    """
    if len(text) > 200 or not text.isprintable():
        raise BadValue("this can't be a name", "up to 200 characters in one line")
    return text


def told_apart(labels: Sequence[str]) -> None:
    """
    See that receivers of alarms can be told apart.

    @raise ValueError: two are called the same.
    """
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f'to: two receivers are called "{label}"; give them a name')


FilePath: TypeAlias = Annotated[str, PathKind()]
