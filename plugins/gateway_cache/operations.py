"""
What can be asked of the writing thread, one order each, and what is said of a call's orders afterwards.

Values alone: who collects them is L{gateway_cache.write_queue}, who carries them out L{gateway_cache.writing}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import lmdb

from gateway_cache.encoding import Place
from gateway_cache.files import OutFile
from gateway_cache.memory import Copy

#: What operations without content are counted with, bytes.
_SMALL = 1000


@dataclass(slots=True, eq=False)
class Spill:
    """
    A content on its way into a file.

    @ivar out: the file, once it is made.
    @ivar failed: nothing more is to be written.
    """

    out: OutFile | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Write a piece of content to a file."""

    spill: Spill
    chunks: list[bytes]
    size: int


class Put:
    """
    Store an object: with content in the index, unless it is in a file.

    No dataclass: one is made for each object that is stored.
    """

    __slots__ = ("content", "copy", "size", "spill")

    def __init__(self, copy: Copy, content: bytes, spill: Spill | None = None) -> None:
        self.copy = copy
        self.content = content
        self.spill = spill
        self.size = len(content) + _SMALL


@dataclass(frozen=True, slots=True)
class Renew:
    """Give an object another head."""

    before: Copy
    after: Copy
    size: int = _SMALL


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove all variants of a key that were begun until then."""

    key: bytes
    slot: int
    until: int
    size: int = _SMALL


@dataclass(frozen=True, slots=True)
class RemoveTorn:
    """Remove one object, if it is still that one; by its number, or any by its name."""

    name: bytes
    number: int | None
    size: int = _SMALL


@dataclass(frozen=True, slots=True)
class Discard:
    """Throw a file away that will not be whole."""

    spill: Spill
    size: int = 1


Operation: TypeAlias = Append | Put | Renew | Remove | RemoveTorn | Discard


@dataclass(slots=True)
class Written:
    """
    What became of a call.

    @ivar placed: what is in the index now, and where.
    @ivar stamps: of slots in which one thing was changed: the stamp before and the one after.
    @ivar refused: what is not stored: begun before it was invalidated, or too large.
    @ivar gone: numbers of files that are no more.
    @ivar error: why the rest was not done.
    """

    placed: list[tuple[Copy, Place]] = field(default_factory=list)
    stamps: dict[int, tuple[int, int]] = field(default_factory=dict)
    refused: list[Copy] = field(default_factory=list)
    evicted: int = 0
    gone: list[int] = field(default_factory=list)
    error: OSError | lmdb.Error | None = None
