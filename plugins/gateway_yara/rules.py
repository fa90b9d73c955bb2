"""
Compiled rules and the processes that scan with them; all of it blocks, and is done in threads.

The processes of one set of rules belong to it: who swaps the set for another closes it, and each process ends when it has
answered what it was asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from gateway_yara.child import BY_ADDRESS
from gateway_yara.folder import Fault, Sources

#: How long thousands of rules may take.
COMPILE_SECONDS = 300.0
_LOAD_SECONDS = 60.0
#: How much longer than its own time a process may take to say that it is over.
_GRACE_SECONDS = 3.0


class Asks(Protocol):
    """A process that can be asked: L{gateway_yara.process.Process}."""

    def ask(
        self, words: Mapping[str, Any], data: bytes = b"", file: int = -1, *, seconds: float
    ) -> tuple[dict[str, Any], int]:
        """Ask it."""

    def kill(self) -> None:
        """End it now."""

    def close(self) -> None:
        """End it, and see that it is gone."""


Start = Callable[[], Asks]


class Rules:
    """
    One set of rules, compiled.

    @ivar digest: of the sources.
    @ivar files: how many files it is made of.
    @ivar variables: what it may be told beside the content.
    @ivar by_address: what it says may depend on the address of the content.
    """

    def __init__(
        self, start: Start, stored: int, digest: str, files: int, variables: Sequence[str]
    ) -> None:
        """
        Begin without a process.

        @param stored: a descriptor of the compiled rules; closed with this object.
        """
        self.digest = digest
        self.files = files
        self.variables = tuple(variables)
        self.by_address = any(name in BY_ADDRESS for name in variables)
        self._start = start
        self._stored = stored
        self._lock = threading.Lock()
        self._free: list[Asks] = []
        self._all: set[Asks] = set()
        self._closed = False

    def warm(self) -> None:
        """
        Have a process ready for the first scan.

        @raise gateway_yara.process.ChildFailed: the rules can't be loaded.
        """
        self._give_back(self._take())

    def scan(
        self, variables: Mapping[str, str], data: bytes, file: int, seconds: int
    ) -> Mapping[str, Any]:
        """
        Scan content.

        @param file: a descriptor in place of C{data}; stays the caller's.
        @return: C{found}, or C{failed} and C{why}.
        @raise gateway_yara.process.ChildFailed: the process has ended, and is replaced by another next time.
        """
        process = self._take()
        known = {name: value for name, value in variables.items() if name in self.variables}
        words = {"ask": "scan", "variables": known, "seconds": seconds}
        try:
            answer, _ = process.ask(words, data, file, seconds=seconds + _GRACE_SECONDS)
        except BaseException:
            self._drop(process)
            raise
        self._give_back(process)
        return answer

    def kill(self) -> None:
        """End all processes now, whatever they do; never waits. L{close} has still to be called."""
        with self._lock:
            self._closed = True
            for process in self._all:
                process.kill()

    def close(self) -> None:
        """Take no more; harmless twice."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
            stored, self._stored = self._stored, -1
        for process in free:
            self._drop(process)
        if stored >= 0:
            os.close(stored)

    def _take(self) -> Asks:
        with self._lock:
            if self._free:
                return self._free.pop()
            # Its own: the set may be closed meanwhile.
            stored = os.dup(self._stored) if self._stored >= 0 else -1
        try:
            process = self._start()
            with self._lock:
                self._all.add(process)
            try:
                process.ask({"ask": "load"}, file=stored, seconds=_LOAD_SECONDS)
            except BaseException:
                self._drop(process)
                raise
        finally:
            if stored >= 0:
                os.close(stored)
        return process

    def _give_back(self, process: Asks) -> None:
        with self._lock:
            if not self._closed:
                self._free.append(process)
                return
        self._drop(process)

    def _drop(self, process: Asks) -> None:
        with self._lock:
            self._all.discard(process)
        process.close()


def compile_rules(start: Start, sources: Sources) -> tuple[Rules | None, tuple[Fault, ...]]:
    """
    Compile rules in a process of its own.

    @return: the rules of all files without a fault, C{None} if there are none; and the faults.
    @raise gateway_yara.process.ChildFailed: it does not come to an end.
    """
    process = start()
    try:
        files = [(name, len(content)) for name, content in sources.files]
        data = b"".join(content for _, content in sources.files)
        words = {"ask": "compile", "files": files}
        told, stored = process.ask(words, data, seconds=COMPILE_SECONDS)
    finally:
        process.close()
    faults = tuple(Fault(one["file"], one["line"], one["what"]) for one in told["faults"])
    if not told["files"]:
        with suppress(OSError):
            os.close(stored)
        return None, faults
    return Rules(start, stored, sources.digest, told["files"], told["variables"]), faults
