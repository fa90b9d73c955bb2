"""
Source ports of outgoing connections: out of a range, and none of the excluded ones.

Where the range lies inside the system's own, the kernel chooses (IP_LOCAL_PORT_RANGE, Linux 6.3, ip(7)): it shares a
port among destinations and knows which are free. It ignores bounds outside of the system's range, so any other range is
bound port by port, each the longest unused.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
from array import array
from bisect import bisect_right
from itertools import accumulate
from typing import Protocol

from gateway.config.ports import PortSet

#: C{include/uapi/linux/in.h}; Python has no name for it yet.
_IP_LOCAL_PORT_RANGE = 51

_SYSTEM_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


class SourcePorts(Protocol):
    """
    A way to choose source ports.

    @ivar retries: how many more sockets are worth a try when a connect fails with C{EADDRNOTAVAIL}: the port chosen
        may be in use for just this destination.
    """

    retries: int

    def prepare(self, unconnected: socket.socket, family: int) -> None:
        """
        Choose the port of a fresh socket.

        @raise OSError: with C{EADDRNOTAVAIL} when none is free.
        """


def source_ports(
    wanted: PortSet,
    excluded: PortSet,
    *,
    system: tuple[int, int] | None = None,
) -> SourcePorts | None:
    """
    Choose the cheapest way to keep to some ports.

    @param wanted: empty for the system's range.
    @param excluded: taken out of that.
    @param system: the system's range; C{None} asks the system.
    @return: C{None} when the system's own choice will do.
    @raise ValueError: C{excluded} leaves no port.
    """
    if not len(wanted) and not len(excluded):
        return None
    own = PortSet([system or system_range()])
    ports = (wanted if len(wanted) else own).without(excluded)
    if not len(ports):
        raise ValueError("no source port is left")
    if ports == own:
        return None
    if not len(ports.without(own)) and _kernel_knows_ranges():
        return KernelPorts(ports)
    return BoundPorts(ports)


def system_range() -> tuple[int, int]:
    """Read the system's first and last ephemeral port; where it doesn't say, the range of RFC 6335 section 6."""
    try:
        with open(_SYSTEM_RANGE, encoding="ascii") as file:
            first, last = map(int, file.read().split())
    except (OSError, ValueError):
        return 49152, 65535
    return first, last


class KernelPorts:
    """The kernel chooses out of one of the runs of a set, long runs more often than short ones."""

    def __init__(self, ports: PortSet) -> None:
        """Take the ports, all of them within the system's range."""
        self._options = [_option(first, last) for first, last in ports.ranges]
        self._ends = list(accumulate(last - first + 1 for first, last in ports.ranges))
        # A full run is told from a full set by trying others.
        self.retries = 0 if len(self._options) == 1 else 4 * len(self._options)

    def prepare(self, unconnected: socket.socket, family: int) -> None:
        """Tell the kernel from which run to choose when the socket connects."""
        run = 0
        if len(self._ends) > 1:
            run = bisect_right(self._ends, random.randrange(self._ends[-1]))  # noqa: S311
        unconnected.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, self._options[run])


class BoundPorts:
    """Each connection is bound to the port that was chosen the longest time ago."""

    #: Ports tried for one socket before the set counts as exhausted: a bind that fails costs about 1 us.
    _TRIES = 2048

    def __init__(self, ports: PortSet) -> None:
        """Take the ports."""
        self._ports = array("H", ports)
        # Two processes with one configuration should not run after each other.
        self._next = random.randrange(len(self._ports))  # noqa: S311
        self.retries = min(64, len(self._ports) - 1)

    def prepare(self, unconnected: socket.socket, family: int) -> None:
        """Bind a fresh socket."""
        # Connections to different destinations may share a port; the connect tells when this one may not.
        unconnected.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        anywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - a client socket
        ports = self._ports
        for _ in range(min(len(ports), self._TRIES)):
            self._next = at = (self._next + 1) % len(ports)
            try:
                unconnected.bind((anywhere, ports[at]))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                return
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def _option(first: int, last: int) -> bytes:
    return struct.pack("=I", last << 16 | first)


def _kernel_knows_ranges() -> bool:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, _option(32768, 60999))
    except OSError:
        return False
    return True
