"""
Sweeping: what killed processes have left is removed, and what they were purging, by whoever is there; one sweep at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lmdb
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.api import Overloaded, Services
from gateway_cache.calls import Calls
from gateway_cache.opening import Folder
from gateway_cache.purging import carry_out_rest

#: How often to look for what killed processes left, seconds.
SWEEP_SECONDS = 5.0


class Sweeping:
    """The sweeps of one store."""

    def __init__(self, services: Services, calls: Calls, counts: dict[str, int]) -> None:
        """
        Make it.

        @param counts: of the store; C{swept} is counted.
        """
        self._services = services
        self._calls = calls
        self._counts = counts
        self._under_way: Deferred[Any] | None = None

    def sweep(self, folder: Folder, *, everything: bool) -> None:
        """
        Sweep in a thread, unless one is under way.

        @param everything: also what no process left lately, and purges that are not carried out.
        """
        if self._under_way is not None or self._calls.stopping:
            return
        self._under_way = self._calls.run(_sweep, folder, everything, self._calls.is_stopping)

        def swept(result: int | Failure) -> None:
            self._under_way = None
            if isinstance(result, int):
                self._counts["swept"] += result
            elif not result.check(Overloaded, OSError, lmdb.Error):
                self._services.log.warn(
                    "the cache could not be swept: {why}", why=result.getErrorMessage()
                )

        self._under_way.addBoth(swept)


def _sweep(folder: Folder, everything: bool, is_stopping: Callable[[], bool]) -> int:
    if everything:
        carry_out_rest(folder, is_stopping)
    return folder.sweep(everything=everything)
