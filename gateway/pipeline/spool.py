"""
Where held content waits: memory first, then a file without a name, and never more than the configuration allows.

All held content of the process draws on one L{TempBudget}, what is in memory included, so neither memory nor the
temporary folder can be filled by however many messages at once. Nothing here knows of messages, plugins or verdicts.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.api.catalogue.resource import TEMP_SPACE_FREE, TEMP_SPACE_SHORT
from gateway.api.events import Event, EventType
from gateway.api.services import Clock
from gateway.pipeline.fingerprint import fingerprint

#: What one piece of content may take in memory before it goes to a file.
MEMORY_BYTES = 1 << 20
#: How long content waits for room.
WAIT_SECONDS = 10.0

_OBJECT_BYTES = 512 << 20
_ALARM = 0.8
_CALM = 0.7


@dataclass(slots=True)
class _Use:
    """
    What is in use, over all snapshots of the configuration.

    @ivar last: who may use the last quarter.
    """

    bytes: int = 0
    last: SpooledContent | None = None
    alarmed: bool = False
    waiting: deque[Wait] = field(default_factory=deque)


class TempBudget:
    """
    How much room held content may take.

    Content that grows as it comes could fill all the room with pieces of which none can be finished. So the last quarter
    is for one at a time, with what that one has already: who gets there first, or waits longest, until it is closed. As
    nothing may take more than a quarter, that one can be finished, and then the next.

    @ivar limit: for all of it together, bytes.
    @ivar per_object: for one piece of content: a quarter of that, 512 MiB at the most.
    """

    def __init__(
        self,
        limit: int,
        clock: Clock,
        tell: Callable[[Event], None] = lambda event: None,
        *,
        before: TempBudget | None = None,
    ) -> None:
        """
        Begin with nothing in use.

        @param tell: is told when the room becomes short, and when it no longer is.
        @param before: a budget with another limit; what is in use of it is in use of this one.
        """
        self.limit = limit
        self.per_object = min(limit // 4, _OBJECT_BYTES)
        self._clock = clock
        self._tell = tell
        self._use: _Use = _Use() if before is None else before._use

    @property
    def used(self) -> int:
        """How many bytes are in use."""
        return self._use.bytes

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return len(self._use.waiting)

    def fits(self, count: int, owner: SpooledContent | None = None) -> bool:
        """Tell whether there is room now."""
        use = self._use
        after = use.bytes + count
        if after > self.limit:
            return False
        last = use.last
        if owner is None or last is None or last is owner:
            return True
        return after - last.taken <= self.limit - self.limit // 4

    def take(self, count: int, owner: SpooledContent | None = None) -> bool:
        """
        Take room, all or nothing; tells whether there was enough.

        @param owner: what takes more as it grows; C{None}: this is all that is wanted.
        """
        if not self.fits(count, owner):
            return False
        use = self._use
        use.bytes += count
        if use.last is None and owner is not None and use.bytes > self.limit - self.limit // 4:
            use.last = owner
        if not use.alarmed and use.bytes >= self.limit * _ALARM:
            use.alarmed = True
            self._say(TEMP_SPACE_SHORT, "content may soon have to be refused")
        return True

    def give(self, count: int) -> None:
        """Give room back; who waits for it is called later, not from here."""
        use = self._use
        use.bytes -= count
        assert use.bytes >= 0
        if use.alarmed and use.bytes < self.limit * _CALM:
            use.alarmed = False
            self._say(TEMP_SPACE_FREE, "there is room again")
        if use.waiting:
            self._clock.callLater(0, self._serve)

    def leave(self, owner: SpooledContent) -> None:
        """It takes no more; somebody else may have the last quarter."""
        use = self._use
        if use.last is owner:
            use.last = None
            if use.waiting:
                self._clock.callLater(0, self._serve)

    def wait(
        self, count: int, answer: Callable[[bool], None], owner: SpooledContent | None = None
    ) -> Wait:
        """
        Wait until there may be room, in turn.

        @param owner: as with L{take}.
        @param answer: called once: C{True}: try L{take} now; C{False}: there was none for L{WAIT_SECONDS}.
        """
        wait = Wait(self, count, answer, owner)
        self._use.waiting.append(wait)
        wait.call = self._clock.callLater(WAIT_SECONDS, wait.end, False)
        return wait

    def _serve(self) -> None:
        use = self._use
        waiting = use.waiting
        while waiting:
            # Whoever has the last quarter goes first: everybody else waits for it to end.
            last = use.last
            mine = (
                None if last is None else next((one for one in waiting if one.owner is last), None)
            )
            first = waiting[0] if mine is None or not mine.fits() else mine
            if not first.fits():
                return
            first.end(True)

    def _say(self, kind: EventType, what: str) -> None:
        used = self._use.bytes
        text = f"{used * 100 // self.limit} % of scan.temp_limit are in use: {what}"
        self._tell(kind(text, "scan", used=str(used)))


class Wait:
    """
    One wait for room.

    @ivar budget: whose.
    @ivar count: how many bytes.
    @ivar owner: what they are for.
    """

    __slots__ = ("_answer", "budget", "call", "count", "owner")

    def __init__(
        self,
        budget: TempBudget,
        count: int,
        answer: Callable[[bool], None],
        owner: SpooledContent | None = None,
    ) -> None:
        self.budget = budget
        self.count = count
        self.owner = owner
        self.call: object = None
        self._answer: Callable[[bool], None] | None = answer

    def fits(self) -> bool:
        """Tell whether there is room for it now."""
        return self.budget.fits(self.count, self.owner)

    def cancel(self) -> None:
        """Wait no longer; nobody is called."""
        self._answer = None
        self._leave()

    def end(self, has_room: bool) -> None:
        """Say how it ended. For L{TempBudget} only."""
        answer, self._answer = self._answer, None
        self._leave()
        if answer is not None:
            answer(has_room)

    def _leave(self) -> None:
        waiting = self.budget._use.waiting
        if self in waiting:
            waiting.remove(self)
        call: object = self.call
        if call is not None and call.active():  # type: ignore[attr-defined]
            call.cancel()  # type: ignore[attr-defined]


class TempFile:
    """
    A file without a name, which is gone with the last reference to this object, in whichever thread that is.

    @ivar path: opens it once more, from this process only.
    """

    __slots__ = ("_fd", "path")

    def __init__(self, folder: str) -> None:
        """
        Make one.

        @param folder: empty for the system's own.
        @raise OSError: it can't be made there.
        """
        self._fd = -1
        self._fd = _unnamed(folder or tempfile.gettempdir())
        self.path = Path(f"/proc/self/fd/{self._fd}")

    def write(self, data: bytes) -> None:
        """
        Append.

        @raise OSError: the disk is full or broken.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def read(self, count: int, offset: int) -> bytes:
        """
        Read from a place.

        @raise OSError: the disk is broken.
        """
        return os.pread(self._fd, count, offset)

    def __del__(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)


class SpooledContent:
    """
    One piece of content: written to its end, looked at, read once.

    @ivar size: bytes written.
    @ivar taken: what it has taken of the room.
    """

    __slots__ = ("_budget", "_digest", "_file", "_folder", "_offset", "_parts", "taken", "size")

    def __init__(self, budget: TempBudget, folder: str = "") -> None:
        """
        Begin empty.

        @param folder: for what is too large for memory; empty for the system's own.
        """
        self.size = 0
        self._budget = budget
        self._folder = folder
        self._parts: list[bytes] = []
        self._file: TempFile | None = None
        # Begun when content leaves memory: what is looked up there is known by its fingerprint.
        self._digest: Any = None
        self._offset = 0
        self.taken = 0

    def write(self, data: bytes) -> bool:
        """
        Append, if there is room; else nothing is changed.

        @raise OSError: it can't be written to the disk, and no more can.
        """
        count = len(data)
        if not self._budget.take(count, self):
            return False
        self.taken += count
        file = self._file
        if file is None and self.size + count > MEMORY_BYTES:
            file = TempFile(self._folder)
            for part in self._parts:
                file.write(part)
            self._begin_digest()
            self._file = file
            self._parts = []
        digest = self._digest
        if file is not None:
            file.write(data)
        elif data:
            self._parts.append(data)
        self.size += count
        if digest is not None:
            digest.update(data)
        return True

    def wait(self, count: int, answer: Callable[[bool], None]) -> Wait:
        """Wait for room; see L{TempBudget.wait}."""
        return self._budget.wait(count, answer, self)

    @property
    def sha256(self) -> str:
        """Of what was written, in hexadecimal."""
        shown: str
        if self._digest is not None:
            shown = self._digest.hexdigest()
        else:
            shown = hashlib.sha256(self.content).hexdigest()
        return shown

    @property
    def mark(self) -> bytes:
        """By what it is known again: the fingerprint of what is in memory and was not read, else the SHA-256."""
        if self._digest is None:
            return fingerprint(self.content)
        mark: bytes = self._digest.digest()
        return mark

    def _begin_digest(self) -> None:
        """Hash what is in memory, before it is forgotten there."""
        if self._digest is None:
            self._digest = hashlib.sha256()
            for part in self._parts:
                self._digest.update(part)

    @property
    def file(self) -> TempFile | None:
        """Where it is; C{None} if it is in memory. To keep this object is to keep the file."""
        return self._file

    @property
    def content(self) -> bytes:
        """All of it, if it is in memory and was not read; else nothing."""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def read(self, count: int) -> bytes:
        """
        Give what comes next, and forget it; nothing at the end.

        @param count: at most so many bytes, of a file.
        @raise OSError: the disk is broken.
        """
        if self._file is None:
            return self._parts.pop(0) if self._parts else b""
        data = self._file.read(count, self._offset)
        self._offset += len(data)
        if not data and self._offset < self.size:
            raise OSError("held content is gone from its file")
        return data

    def peek(self, offset: int, count: int) -> bytes:
        """
        Give some of it without forgetting it; only before anything was read.

        @param count: at most so many bytes.
        @raise OSError: the disk is broken.
        """
        if self._file is None:
            return self.content[offset : offset + count]
        return self._file.read(count, offset)

    def close(self) -> None:
        """Give everything back; more than once is harmless."""
        self._parts = []
        self._file = None
        self._offset = self.size
        self._budget.leave(self)
        taken, self.taken = self.taken, 0
        if taken:
            self._budget.give(taken)


def _unnamed(folder: str) -> int:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError:
        pass
    # A file system that has no files without names.
    fd, path = tempfile.mkstemp(prefix="gateway-", dir=folder)
    os.unlink(path)
    return fd
