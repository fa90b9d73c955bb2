"""
How busy the gateway is between two looks, for the notification C{gwPerformance}.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass

from gateway_snmp.reader import Samples, fetch
from gateway_snmp.settings import Address

_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """
    What was seen at one time.

    @ivar at: on a clock that does not jump.
    @ivar disk_percent: how full the disk with the folder for temporary files was.
    """

    at: float
    samples: Samples
    disk_percent: int


def look(where: Address, at: float) -> Look:
    """
    Look; this waits, so it is for a thread.

    @raise NoNumbers: there are none.
    """
    samples = fetch(where, _PATIENCE_SECONDS)
    disk = shutil.disk_usage(tempfile.gettempdir())
    return Look(at, samples, round(100 * (1 - disk.free / disk.total)) if disk.total else 0)


def between(before: Look | None, after: Look) -> dict[str, int]:
    """
    Give the numbers by the names of the MIB's objects; what takes two looks is missing after the first one.

    @param before: C{None}: there was none.
    """
    now = after.samples
    found = {
        "gwMemoryUsed": (now.total("gateway_resident_memory_bytes") or 0) / 1024,
        "gwDiskPercent": after.disk_percent,
        "gwOpenConnections": now.total("gateway_client_connections_open") or 0,
    }
    seconds = 0.0 if before is None else after.at - before.at
    if before is not None and seconds > 0:
        then = before.samples

        def rate(*names: str) -> float:
            grown = sum((now.total(name) or 0) - (then.total(name) or 0) for name in names)
            return max(0.0, grown) / seconds

        traffic = rate("gateway_client_received_bytes_total", "gateway_client_sent_bytes_total")
        found |= {
            "gwCpuPercent": 100 * rate("gateway_cpu_seconds_total"),
            "gwThroughput": traffic * 8 / 1000,
            "gwRequestRate": 60 * rate("gateway_requests_total"),
        }
    return {name: int(value) for name, value in found.items()}
