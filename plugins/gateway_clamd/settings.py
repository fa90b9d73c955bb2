"""
C{[plugins.clamd]}: where clamd is, and what it is given how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    Help,
    OneOrMoreKind,
    SizeKind,
    WholeKind,
)

MIB = 1 << 20

#: The most that a clamd can be made to look at: it takes no file of more than 2 GiB.
MOST_BYTES = (2 << 30) - 1

_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a clamd listens.

    @ivar path: of its unix socket; empty: it is by TCP.
    @ivar host: a name or an IP address.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Write it as it is written in the configuration."""
        if self.path:
            return f"unix:{self.path}"
        return (
            f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"
        )


def address(text: str) -> Address:
    """
    Read an address.

    @raise BadValue: it is none.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest.startswith("/") and "\0" not in rest:
        if len(rest.encode()) > _PATH_BYTES:
            raise BadValue(f"the path of a unix socket has {_PATH_BYTES} bytes at the most")
        return Address(rest)
    host, _, port = rest.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if kind == "tcp" and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return Address(host=host, port=int(port))
    raise BadValue(
        f'"{text}" is no address of a clamd',
        '"unix:/run/clamav/clamd.ctl" or "tcp:127.0.0.1:3310"',
    )


_Addresses = Annotated[
    tuple[Address, ...], OneOrMoreKind("unix:/path or tcp:host:port, or an array of them", address)
]


@dataclass(frozen=True, slots=True)
class ClamdSettings:
    """C{[plugins.clamd]}."""

    address: Annotated[
        _Addresses,
        Help(
            "Where clamd listens. Of several the first that works is asked, and the next ones when it does "
            "not or has no connection free.",
            '["unix:/run/clamav/clamd.ctl", "tcp:10.0.0.7:3310"]',
        ),
    ] = (Address("/run/clamav/clamd.ctl"),)
    max_size: Annotated[
        int,
        SizeKind(),
        Help(
            "What is longer is not given to clamd: scan.on.too_large says what follows. If clamd takes less "
            "(StreamMaxLength, where it gets no descriptors), that holds."
        ),
    ] = 512 * MIB
    connections: Annotated[
        int,
        WholeKind(1, 100),
        Help("Scans at the same time, for each clamd; not more than its MaxThreads."),
    ] = 8
    queue: Annotated[
        int,
        WholeKind(0, 10_000),
        Help("How many scans may wait for a connection; for more the result is capacity."),
    ] = 100
    wait: Annotated[
        Duration, Help("How long a scan waits for a connection; then the result is capacity.")
    ] = 10.0
    timeout: Annotated[
        Duration,
        Help(
            "Time for one scan, with its wait; then the result is engine_timeout. Less than scan.timeout, "
            "and than the ReadTimeout of clamd."
        ),
    ] = 55.0
    timeout_memory: Annotated[
        Duration,
        Help(
            "For so long content whose scan took too long is not scanned again, so that retries do not "
            "pile up: the result is engine_timeout at once."
        ),
    ] = 300.0
    connect_timeout: Annotated[
        Duration, Help("Time for a connection, and for the answer to a ping.")
    ] = 5.0
    idle: Annotated[
        Duration,
        Help(
            "A connection that has nothing to do for so long is closed. Less than the ReadTimeout of clamd."
        ),
    ] = 20.0
    health: Annotated[
        Duration, Help("How often clamd is pinged, also while it is taken to be out of order.")
    ] = 5.0
    failures: Annotated[
        int,
        WholeKind(1, 1000),
        Help(
            "After so many failures in a row clamd is taken to be out of order: the result is engine_error at "
            "once, until it answers a ping again and finds what it has to find."
        ),
    ] = 3
    version: Annotated[
        Duration,
        Help("How often it is looked whether clamd has new signatures."),
    ] = 60.0
    stale: Annotated[
        float,
        DurationKind(zero="never"),
        Help(
            "Signatures that are older make the event patterns_stale, until there are newer ones. ClamAV makes some "
            "each day."
        ),
    ] = 3 * 86400.0
    canary: Annotated[
        bool,
        Help(
            "Give clamd the harmless EICAR test file, at the start, each hour and when it has new signatures. While "
            "it does not find it, the result of every scan is engine_error."
        ),
    ] = True
    descriptors: Annotated[
        bool,
        Help(
            "Pass content over a unix socket as an open file, which is quicker than to send it, where clamd can read "
            "it. If it can't, as AppArmor forbids it, content is sent."
        ),
    ] = True
    required: Annotated[
        bool,
        Help(
            "While no clamd can be used /readyz says so, and load balancers look elsewhere. Say false where content "
            "passes then by scan.on.engine_error, or where all gateways ask the same clamd and their pages are wanted."
        ),
    ] = True
    engine_max_file: Annotated[
        int,
        SizeKind(zero="measured"),
        Help(
            "For a clamd without AlertExceedsMax only, which says OK to what is over its limits: what is longer than "
            "this is too_large. It is found out with padded test files; set it, to the lower of MaxFileSize and "
            "MaxScanSize, if that is not wanted."
        ),
    ] = 0

    def __post_init__(self) -> None:
        """
        Look at what must go together.

        @raise ValueError: it does not.
        """
        if not self.address:
            raise ValueError("address: it names no clamd")
        if self.max_size > MOST_BYTES:
            raise ValueError("max_size: clamd looks at no more than 2 GiB")
        if self.wait >= self.timeout:
            raise ValueError("wait: it has to be less than timeout")
