"""
Names from files in the format of hosts(5), looked up before any name server is asked.

The files are read again when they change. They are small and local: reading them is the one look at a disk that the
resolver does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.net.faults import NameInvalid
from gateway.net.host_names import canonical, literal

#: Seconds between looks at the files' state.
_LOOK_EVERY = 1.0

#: What tells one state of a file from another; C{None}: there is none.
_Mark: TypeAlias = tuple[int, ...] | None


class Hosts:
    """
    The names of some files; a name that is in several is taken from the first of them.

    A file that is not there is empty; one that can't be read keeps the names it had.
    """

    _log = Logger()

    def __init__(self, paths: Sequence[str], clock: IReactorTime) -> None:
        self._clock = clock
        self._paths = tuple(path for path in dict.fromkeys(paths) if path)
        self._marks: dict[str, _Mark] = dict.fromkeys(self._paths)
        self._tables: dict[str, dict[str, tuple[str, ...]]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._next_look = float("-inf")

    def lookup(self, name: str) -> tuple[str, ...] | None:
        """
        Give a name's addresses in the order of the file, C{None} if no file has it.

        @param name: in its canonical form.
        """
        now = self._clock.seconds()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._look()
        return self._names.get(name)

    def _look(self) -> None:
        changed = False
        for path in self._paths:
            try:
                mark = _mark(path)
                if mark == self._marks[path]:
                    continue
                self._tables[path] = {} if mark is None else _read(path)
            except (OSError, ValueError) as error:
                self._log.warn("{path} can't be read: {error}", path=path, error=error)
                # The same state is not tried, nor complained of, again.
                mark = _mark_of_unreadable(path)
            self._marks[path] = mark
            changed = True
        if changed:
            merged: dict[str, tuple[str, ...]] = {}
            for path in reversed(self._paths):
                merged.update(self._tables.get(path, {}))
            self._names = merged


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """
    Read the format of hosts(5): an address, then its names; C{#} starts a comment.

    A name on several lines has all their addresses. A line whose address is none is left out, and so is what can't be
    a host name.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        address = literal(words[0])
        if address is None:
            continue
        for word in words[1:]:
            try:
                addresses = found.setdefault(canonical(word), [])
            except NameInvalid:
                continue
            if address not in addresses:
                addresses.append(address)
    return {name: tuple(addresses) for name, addresses in found.items()}


def _mark(path: str) -> _Mark:
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return None
    # The change time sees what the modification time does not: new rights, a file moved into its place.
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino


def _mark_of_unreadable(path: str) -> _Mark:
    try:
        return _mark(path)
    except OSError:
        return ()


def _read(path: str) -> dict[str, tuple[str, ...]]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse_hosts(file.read())
