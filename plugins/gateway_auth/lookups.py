"""What was looked up of users: bounded, for a time, and forgettable."""

from __future__ import annotations

from collections import OrderedDict

from gateway.api import Clock
from gateway_auth.verifier import Verified


class Lookups:
    """Users with their groups, by a key in any case of letters."""

    def __init__(self, clock: Clock, seconds: float, size: int) -> None:
        """
        Make it empty.

        @param seconds: an entry is good for so long from when it was laid down.
        @param size: the most entries; who was not looked up for the longest time gives way.
        """
        self._clock = clock
        self._seconds = seconds
        self._size = size
        self._kept: OrderedDict[str, tuple[float, Verified]] = OrderedDict()

    def __len__(self) -> int:
        """Count the entries, old ones included."""
        return len(self._kept)

    def get(self, key: str) -> Verified | None:
        """Give what is known."""
        key = key.lower()
        found = self._kept.get(key)
        if found is None:
            return None
        if self._clock.seconds() >= found[0]:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: str, verified: Verified) -> None:
        """Keep what was found."""
        key = key.lower()
        self._kept[key] = (self._clock.seconds() + self._seconds, verified)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def forget(self, user: str) -> None:
        """Drop all of one user, in any case of letters."""
        user = user.casefold()
        for key in [key for key, (_, one) in self._kept.items() if one.user.casefold() == user]:
            del self._kept[key]
