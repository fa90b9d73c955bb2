"""
What the kernel and the reactor tell about this process and its machine.

Read when somebody asks, but for the reactor's lag, which only a timer can measure. Each reading says C{None} where the
machine does not offer it, so a container without a full F{/proc} loses a number and nothing else.
"""

from __future__ import annotations

import os
import resource
from collections import deque
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Seconds between two measurements of the lag.
LAG_SECONDS = 0.5
#: The worst lag is that of so many seconds.
LAG_WINDOW_SECONDS = 60.0


class Host:
    """
    The machine, seen through F{/proc}.

    Listen overflows, C{requirements S02}: connections that the kernel refused since the queue of a listener was full.
    Steal, C{S08}: time in which the hypervisor ran somebody else.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._ticks = float(os.sysconf("SC_CLK_TCK"))
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def listen_queue(self) -> tuple[int, int] | None:
        """Give overflows and drops of all listeners in this network namespace since it was made."""
        lines = self._read("net/netstat").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            if names.startswith("TcpExt:"):
                found = dict(zip(names.split(), values.split(), strict=False))
                return int(found.get("ListenOverflows", 0)), int(found.get("ListenDrops", 0))
        return None

    def steal_seconds(self) -> float | None:
        """Give stolen time of all processors since the machine started."""
        columns = self._read("stat").partition("\n")[0].split()
        if len(columns) < 9 or columns[0] != "cpu":
            return None
        return int(columns[8]) / self._ticks

    def cpu_times(self) -> tuple[float, float] | None:
        """Give stolen and all time of all processors since the machine started, idle time included."""
        columns = self._read("stat").partition("\n")[0].split()
        if len(columns) < 9 or columns[0] != "cpu":
            return None
        # Guests' time, behind the eighth, is a part of user time.
        times = [int(column) / self._ticks for column in columns[1:9]]
        return times[7], sum(times)

    def resident_bytes(self) -> int | None:
        """Give the memory this process holds."""
        columns = self._read("self/statm").split()
        return int(columns[1]) * self._page_bytes if len(columns) > 1 else None

    def open_descriptors(self) -> int | None:
        """Give how many file descriptors are open."""
        folder = self._proc / "self/fd"
        try:
            # Linux 6.2 and later tell the number as the size; listing 20,000 names takes milliseconds.
            return folder.stat().st_size or len(os.listdir(folder))
        except OSError:
            return None

    def most_descriptors(self) -> int:
        """Give how many may be open."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def cpu_seconds(self) -> tuple[float, float]:
        """Give the user and the system time of this process."""
        times = os.times()
        return times.user, times.system

    def _read(self, name: str) -> str:
        try:
            # Decoded like this it needs no module of codecs, which may be out of reach once the user has changed.
            return (self._proc / name).read_bytes().decode("ascii", "replace")
        except OSError:
            return ""


class ReactorLag:
    """
    How late the reactor comes to its timers: the time that a callback kept everybody else waiting.

    @ivar last: seconds at the last measurement.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.last = 0.0
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self._recent: deque[float] = deque(maxlen=int(LAG_WINDOW_SECONDS / LAG_SECONDS))
        self._peak = 0.0

    @property
    def worst(self) -> float:
        """The worst of the last minute, or what the timer is late by now if that is more."""
        late = self._clock.seconds() - self._due if self._call is not None else 0.0
        return max(late, max(self._recent, default=0.0))

    def take_peak(self) -> float:
        """Give the worst since this was asked last; for one who asks."""
        peak, self._peak = self._peak, 0.0
        return peak

    def start(self) -> None:
        """Begin to measure."""
        self._wait()

    def stop(self) -> None:
        """End it."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _wait(self) -> None:
        self._due = self._clock.seconds() + LAG_SECONDS
        self._call = self._clock.callLater(LAG_SECONDS, self._measure)

    def _measure(self) -> None:
        # The reactor's clock follows the wall clock, which may be set back.
        self.last = max(0.0, self._clock.seconds() - self._due)
        self._recent.append(self.last)
        self._peak = max(self._peak, self.last)
        self._wait()
