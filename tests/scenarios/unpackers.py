"""A plugin that unpacks what the test says, and what it gives out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.api import Clean, Coverage, Infected, ScanJob, Unpacked, Unscannable, hookimpl
from tests.scenarios.plugins import Base
from tests.scenarios.scanners import BAD, FOUND, Scanner


def member(name: str, content: bytes = b"member") -> ScanJob:
    """Make a member."""
    return replace(ScanJob.of(content), member=name, depth=1)


def shallow(job: ScanJob) -> Clean | Infected:
    """Find what is bad in content as it stands; what may be packed in it is for others to look at."""
    with job.open() as file:
        return FOUND if BAD in file.read() else Clean("test", "1", Coverage(job.size, False))


class Shallow(Scanner):
    """
    A scanner that looks at content as it stands only.

    @ivar patterns: what it scans with.
    """

    def __init__(self, says: Callable[..., Any] = shallow, patterns: str = "test 1") -> None:
        super().__init__(says)
        self.patterns = patterns

    @hookimpl()
    def scan_patterns(self) -> str:
        """Say what the test says."""
        return self.patterns


class Batches:
    """
    Members in batches.

    @ivar log: what was called, in order.
    """

    def __init__(self, *batches: Sequence[ScanJob | Unscannable] | Deferred[Any] | Exception):
        self.log: list[str] = []
        self._batches = list(batches)

    def more(self) -> Deferred[Any]:
        """
        Give the next batch.

        @raise Exception: that is what is next.
        """
        self.log.append("more")
        batch = self._batches.pop(0) if self._batches else []
        if isinstance(batch, Exception):
            raise batch
        return batch if isinstance(batch, Deferred) else succeed(batch)

    def close(self) -> None:
        """Note it."""
        self.log.append("close")


class Unpacker(Base):
    """Unpacks: C{unpack_content}."""

    name = "unpacker"

    def __init__(self, says: Any = None, patterns: str = "unpacker 1") -> None:
        super().__init__(says if callable(says) else lambda job: says)
        self.patterns = patterns

    @hookimpl()
    def unpack_content(self, job: ScanJob) -> Any:
        """Ask the test."""
        self.asked.append(job)
        return self.says(job)

    @hookimpl()
    def scan_patterns(self) -> str:
        """Say what the test says."""
        return self.patterns


def zipped(*batches: Any, covers: bool = False) -> tuple[Batches, Unpacked]:
    """Make something packed."""
    members = Batches(*batches)
    return members, Unpacked("zip", members, covers)
