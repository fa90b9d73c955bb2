"""
What the cache has done so far, for the metrics and C{gateway cache stats}.
"""

from __future__ import annotations


class Counts:
    """
    Numbers of one plugin object; each only grows.

    @ivar hits: requests answered with something fresh.
    @ivar stale: with something past its time.
    @ivar validated: with something stored that the origin has confirmed.
    @ivar errors_hidden: with something stored, in place of an error.
    @ivar misses: requests that went to the origin.
    @ivar bypassed: requests that no cache can answer.
    @ivar refused: C{only-if-cached}, and nothing is.
    @ivar stored: responses that were stored.
    @ivar not_stored: responses that could have been, and were not: too large, no room, broken off.
    @ivar invalidated: keys that unsafe requests have made void.
    """

    __slots__ = (
        "bypassed",
        "errors_hidden",
        "hits",
        "invalidated",
        "misses",
        "not_stored",
        "refused",
        "stale",
        "stored",
        "validated",
    )

    def __init__(self) -> None:
        self.hits = 0
        self.stale = 0
        self.validated = 0
        self.errors_hidden = 0
        self.misses = 0
        self.bypassed = 0
        self.refused = 0
        self.stored = 0
        self.not_stored = 0
        self.invalidated = 0

    def numbers(self) -> dict[str, float]:
        """Give all of them, by the names of the metrics."""
        return {f"{name}_total": float(getattr(self, name)) for name in self.__slots__}
