"""
Word to systemd: readiness, stopping and the watchdog (sd_notify(3)), over the socket it names in the environment.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """
    Speaks to the service manager, if there is one.

    @ivar watchdog_seconds: how often L{tell} wants C{WATCHDOG=1}; 0.0 without a watchdog.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for an abstract socket.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_seconds = 0.0
        usec = environ.get("WATCHDOG_USEC", "")
        if (
            self._address
            and usec.isdigit()
            and environ.get("WATCHDOG_PID", "") in ("", str(pid or os.getpid()))
        ):
            # Twice as often as asked (sd_watchdog_enabled(3)).
            self.watchdog_seconds = int(usec) / 2e6

    def tell(self, *states: str) -> None:
        """Send assignments such as C{READY=1}; a manager that can't be reached changes nothing here."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.setblocking(False)
                to.sendto("\n".join(states).encode(), self._address)
        except OSError:
            pass

    def tell_reloading(self) -> None:
        """Say that a reload begins; C{READY=1} ends it (systemd.service(5), C{Type=notify-reload})."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}")


def passed_descriptors(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> range:
    """Give the descriptors of socket activation (sd_listen_fds(3)); empty if none are meant for this process."""
    if environ.get("LISTEN_PID", "") != str(pid or os.getpid()):
        return range(0)
    count = environ.get("LISTEN_FDS", "")
    return range(3, 3 + int(count)) if count.isdigit() else range(0)
