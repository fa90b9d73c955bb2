"""
The settings: which kinds of files may not pass, for whom, and what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Literal, TypeAlias

from gateway.api import TYPE_GROUPS, TYPES
from gateway.api.settings import BadValue, Help, Hosts, HostSet, Size, TextKind

#: What nobody can tell the kind of.
UNKNOWN = "unknown"

Action: TypeAlias = Literal["block", "monitor", "pass"]


def kind_or_group(text: str) -> str:
    """
    Check the name of a kind of file, or of a group of kinds, and give it in lower case.

    @raise BadValue: there is none of that name.
    """
    name = text.lower().removeprefix(".")
    if name in TYPES or name in TYPE_GROUPS or name == UNKNOWN:
        return name
    near = get_close_matches(name, [*TYPES, *TYPE_GROUPS, UNKNOWN], 1)
    by_extension = [kind for kind, info in TYPES.items() if name in info.extensions]
    for found in (*by_extension, *near):
        raise BadValue(f'"{text}" is no kind of file', f'did you mean "{found}"?')
    raise BadValue(f'"{text}" is no kind of file', 'such as "exe", or a group such as "archive"')


def _name(text: str) -> str:
    """
    Check a name and give it in a form in which case does not matter.

    @raise BadValue: it is empty.
    """
    if not text.strip():
        raise BadValue("an empty name")
    return text.strip().casefold()


_Kinds: TypeAlias = tuple[Annotated[str, TextKind("a kind of file or a group", kind_or_group)], ...]
_Name = Annotated[str, TextKind("a name", _name)]


@dataclass(frozen=True, slots=True)
class Rule:
    """C{[[plugins.filetype.rule]]}: kinds of files, for whom, and what follows; what is not set is for all."""

    types: Annotated[
        _Kinds, Help("Kinds of files, or groups of them.", '["executable", "script"]')
    ] = ()
    other_than: Annotated[
        _Kinds,
        Help("Instead of `types`: all kinds but these, those too that nobody knows.", '["image"]'),
    ] = ()
    side: Annotated[
        Literal["download", "upload", "both"], Help("What clients get, what they send, or both.")
    ] = "both"
    hosts: Annotated[Hosts, Help("Where it comes from, or is sent to.", '["*.example.com"]')] = (
        HostSet(("*",))
    )
    users: Annotated[tuple[_Name, ...], Help("Users; any of these or of `groups`.")] = ()
    groups: Annotated[tuple[_Name, ...], Help("Groups; any of these or of `users`.")] = ()
    action: Annotated[
        Action,
        Help(
            "block refuses it; monitor lets it pass and raises an event; pass lets it pass. No later rule is asked."
        ),
    ] = "block"


@dataclass(frozen=True, slots=True)
class FiletypeSettings:
    """C{[plugins.filetype]}."""

    block: Annotated[
        _Kinds,
        Help("Kinds of files, or groups of them, that are refused both ways.", '["exe", "script"]'),
    ] = ()
    allow: Annotated[
        _Kinds,
        Help(
            "If set, whatever is of no such kind is refused both ways.",
            '["text", "image", "font", "pdf"]',
        ),
    ] = ()
    rule: Annotated[
        tuple[Rule, ...],
        Help("Asked before the lists; the first rule that matches decides."),
    ] = ()
    mismatch: Annotated[
        Action,
        Help("What follows if a program is declared as image, text, sound, film or font."),
    ] = "block"
    partial: Annotated[
        Action,
        Help(
            "What follows if a part of a file is sent that does not begin with its first byte, and the rules name kinds of "
            "files; its declared type and its name are judged all the same."
        ),
    ] = "pass"
    unreadable: Annotated[
        Action,
        Help(
            "What follows if rules name kinds of files and it can't be told which it is: by a content coding that can't be "
            "undone here, or a form without a readable begin."
        ),
    ] = "block"
    deep: Annotated[
        bool,
        Help(
            "Judge what is packed in archives and forms too, by any unpacking plugin; content is held whole for it."
        ),
    ] = False
    max_size: Annotated[
        Size, Help("With `deep`: larger content is `too_large` in terms of `scan.on`.")
    ] = 512 * 1024 * 1024

    @property
    def does_nothing(self) -> bool:
        """No content is judged."""
        return self.mismatch == "pass" and not (self.block or self.allow or self.rule)
