"""
The time of day by the gateway's clock, for what other nodes and later processes have to understand.

The gateway's clock only measures differences, and a test moves it as it likes; the time of day is asked for once and then
goes on with that clock. A reload asks anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class _Clock(Protocol):
    def seconds(self) -> float: ...


def wall_time(clock: _Clock, time_of_day: Callable[[], float] = time.time) -> Callable[[], float]:
    """Give a function for the time of day, in seconds since the epoch."""
    offset = time_of_day() - clock.seconds()

    def now() -> float:
        return offset + clock.seconds()

    return now
