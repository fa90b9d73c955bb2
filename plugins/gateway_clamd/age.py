"""
Which signatures a clamd uses: told when they change, and when they are too old.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.api import Event
from gateway.api.catalogue.scanning import PATTERNS_CURRENT, PATTERNS_STALE, PATTERNS_UPDATED
from gateway_clamd.trials import Version

_DAY = 86400.0


class Age:
    """Follows the signatures of one clamd."""

    def __init__(
        self,
        address: str,
        stale: float,
        tell: Callable[[Event], None],
        wall: Callable[[], float],
    ) -> None:
        """
        Know nothing yet.

        @param stale: from which age on they are too old, in seconds; 0: never.
        @param wall: seconds since 1970.
        """
        self._address = address
        self._stale = stale
        self._tell = tell
        self._wall = wall
        self._before = ""
        self._is_stale = False

    def look(self, said: Version) -> None:
        """Look at what it says of itself; nothing is known where it does not say it."""
        version = f"ClamAV {said.text}"
        if said.text and said.text != self._before:
            before, self._before = self._before, said.text
            if before:
                text = f"clamd at {self._address} uses {version} in place of {before}"
                self._tell(
                    PATTERNS_UPDATED(
                        text,
                        self._address,
                        engine="clamd",
                        version=version,
                        before=f"ClamAV {before}",
                    )
                )
        if said.made is None or not self._stale:
            return
        age = self._wall() - said.made
        if self._is_stale is (age > self._stale):
            return
        self._is_stale = not self._is_stale
        if not self._is_stale:
            text = f"clamd at {self._address} uses newer signatures: {said.text}"
            self._tell(PATTERNS_CURRENT(text, self._address, engine="clamd", version=version))
            return
        date = datetime.fromtimestamp(said.made, UTC).date().isoformat()
        days = f"{age / _DAY:.0f}"
        text = f"the signatures of clamd at {self._address} are of {date}, {days} days old: {said.text}"
        self._tell(
            PATTERNS_STALE(
                text, self._address, engine="clamd", version=version, days=days, date=date
            )
        )
