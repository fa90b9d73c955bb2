"""What the tests of held content share: a scanner that says what the test says, and a store of responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.api import (
    NONE,
    Clean,
    ContentSink,
    Coverage,
    Infected,
    Need,
    ScanJob,
    Side,
    Transaction,
    Whole,
    hookimpl,
)
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin
from tests.scenarios.plugins import Base
from tests.scenarios.support import ScenarioTestCase

BAD = b"X5O!P%@AP"
FOUND = Infected("EICAR", "test")
CHUNKED = b"Transfer-Encoding: chunked"
MIB = 1 << 20


def clean(job: ScanJob, *, nested: bool = True) -> Clean:
    """Say that all of it was looked at."""
    return Clean("test", "1", Coverage(job.size, nested))


def verdict(job: ScanJob) -> Clean | Infected:
    """Find what is bad."""
    with job.open() as file:
        return FOUND if BAD in file.read() else clean(job)


class Scanner(Base):
    """
    Wants everything whole, and says of it what the test says.

    @ivar asked: the jobs.
    @ivar sides: whose content it was asked about.
    @ivar max_bytes: what it wants at most.
    """

    def __init__(self, says: Callable[..., Any] = verdict, max_bytes: int = 8 * MIB) -> None:
        super().__init__(says)
        self.max_bytes = max_bytes
        self.sides: list[Side] = []

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want it, unless the test wants nothing."""
        self.sides.append(side)
        return Whole(self.max_bytes) if self.max_bytes else NONE

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Any:
        """Ask the test."""
        self.asked.append(job)
        return self.says(job)


class Threaded(Scanner):
    """The same in a thread."""

    @hookimpl(thread="scan")
    def scan_content(self, job: ScanJob) -> Any:
        """Ask the test."""
        self.asked.append(job)
        return self.says(job)


class Copies(Base):
    """
    Stores responses.

    @ivar told: what its sink was told, in order.
    @ivar broken: the call in which it raises.
    """

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.told: list[Any] = []
        self.broken = broken

    @hookimpl()
    def cache_store(self, txn: Transaction) -> ContentSink | None:
        """Take it."""
        self.asked.append(txn.request.url)
        return self

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        self._told(chunk, "write")

    def finish(self) -> None:
        """Take the end."""
        self._told("finish", "finish")

    def abort(self) -> None:
        """Take the failure."""
        self._told("abort", "abort")

    @property
    def content(self) -> bytes:
        """All that was written."""
        return b"".join(one for one in self.told if isinstance(one, bytes))

    @property
    def ends(self) -> list[str]:
        """How it was ended."""
        return [one for one in self.told if isinstance(one, str)]

    def _told(self, what: Any, call: str) -> None:
        self.told.append(what)
        if call == self.broken:
            raise ZeroDivisionError(call)


class ContentTestCase(ScenarioTestCase):
    """Tests with a scanner."""

    def started(
        self,
        plugin: Base,
        more: dict[str, Base] | None = None,
        *,
        reverse: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """Start a gateway with a scanner, an origin and a client."""
        plugins: dict[str, object] = {"test": plugin}
        for name, other in (more or {}).items():
            other.name = name  # type: ignore[misc]
            plugins[name] = other
        gateway = (
            self.reverse(settings=settings, plugins=plugins)
            if reverse
            else self.forward(settings, plugins=plugins)
        )
        return gateway, gateway.origin(), gateway.client()

    def assertGivenBack(self, gateway: Harness) -> None:
        """No room is in use any more."""
        budget = gateway.service.pipeline.scanning.budget  # type: ignore[attr-defined]
        self.assertEqual((budget.used, budget.waiting), (0, 0))
