"""
How faults are told: as reasons that the core knows, and not a thousand times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway_archive.faults import Broken, Fault, TooMuch
from gateway_archive.found import Refused

_MOST_TOLD = 3


class Encrypted(Fault):
    """It takes a password."""

    def __init__(self) -> None:
        super().__init__("encrypted", "it is encrypted")


class Telling:
    """Tells the faults of the members of one archive, a few of each kind."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()

    def of(self, fault: Fault, path: str) -> Iterator[Refused]:
        """Tell a fault, unless the like was told often enough."""
        self._told[fault.which] += 1
        if self._told[fault.which] <= _MOST_TOLD:
            yield refused(fault, path)

    def told(self, which: str) -> bool:
        """Say whether such a fault was told."""
        return which in self._told


def refused(fault: Fault, path: str) -> Refused:
    """
    Give what the core is told of a fault.

    @param path: the way to what could not be unpacked.
    """
    if isinstance(fault, Encrypted):
        reason = "encrypted"
    elif isinstance(fault, TooMuch):
        reason = "extract_failed" if fault.which == "window" else f"limit:{fault.which}"
    elif isinstance(fault, Broken):
        reason = "malformed"
    else:
        reason = "extract_failed"
    return Refused(reason, fault.why, path)
