"""What the scenarios of large downloads share: a scanner that takes its time, and content of any size."""

from __future__ import annotations

import hashlib
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import NONE, Need, ScanJob, Side, Transaction, Whole, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin
from tests.scenarios.plugins import Base
from tests.scenarios.scanners import (
    MIB,
    ContentTestCase,
    Scanner,
    clean,
)

#: How much is never sent before the verdict.
END = 65536
#: From nothing to a few MiB, around every bound there is.
SIZES = (
    1,
    2,
    100,
    4096,
    16384,
    65535,
    65536,
    65537,
    65600,
    81920,
    100_000,
    131_072,
    200_000,
    400_000,
    655_360,
    700_000,
    MIB,
    MIB + 1,
    3_000_000,
    6 * MIB,
)


def content_of(size: int) -> bytes:
    """Give content of which every piece is another one."""
    return hashlib.shake_128(b"content").digest(size)


class Slow(Scanner):
    """
    A scanner that says what it says when the test says.

    @ivar answer: of the scan under way.
    """

    def __init__(self) -> None:
        super().__init__(self._scan)
        self.answer: Deferred[Any] = Deferred()
        self.job: ScanJob | None = None

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want what clients get."""
        return Whole(self.max_bytes) if side is Side.RESPONSE else NONE

    def _scan(self, job: ScanJob) -> Deferred[Any]:
        self.job = job
        self.answer = Deferred()
        return self.answer

    def passes(self) -> None:
        """Say that nothing was found."""
        assert self.job is not None
        self.answer.callback(clean(self.job))


class TrickleTestCase(ContentTestCase):
    """Gateways that trickle."""

    def trickling(
        self, scanner: Base, more: dict[str, Any] | None = None, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """Start one for which everything is large."""
        said = {"over": 0, "after": "5s", "mode": "trickle", **settings}
        return self.started(scanner, more, settings={"scan.large_file": said})

    def content(self, client: ScriptedClient) -> bytes:
        """Give the content that came so far."""
        (found,) = client.responses()
        return found.content
