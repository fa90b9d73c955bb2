"""Ended transactions to record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.api.messages import Request, Response
from gateway.api.transaction import Client, Delivered, Identity, Outcome, Timings, Transaction
from gateway.message.fields import Fields

#: 2026-11-21T22:14:24.488Z
WALL = 1795299264.488


def ended(
    *,
    method: bytes = b"GET",
    scheme: str = "http",
    host: str = "www.example.com",
    port: int = 80,
    target: bytes = b"/a.html",
    fields: tuple[bytes, ...] = (),
    mode: str = "forward",
    address: str = "192.0.2.7",
    status: int = 200,
    response: tuple[bytes, ...] | None = (b"Content-Type: text/html; charset=utf-8",),
    outcome: Outcome | None = Delivered(),  # noqa: B008 - it is frozen
    user: str | None = None,
    upstream: str = "203.0.113.5:80",
    route: str = "direct",
    seconds: float = 0.0075,
) -> Transaction:
    """Give a transaction at its end; by default a page that was fetched and delivered."""
    timings = Timings(WALL, 1000.0)
    timings.resolved = 1000.0 + seconds / 8
    timings.connected = 1000.0 + seconds / 4
    timings.first_byte = 1000.0 + seconds / 2
    timings.ended = 1000.0 + seconds
    request = Request(method, scheme, host, port, target, 1, Fields(list(fields)), 0)
    client = Client(address, 40001, mode=mode, listener="127.0.0.1:8080")
    txn = Transaction("7f3a00000001", request, client, timings)
    txn.outcome = outcome
    txn.status = status
    if response is not None:
        txn.response = Response(status, Fields(list(response)))
    txn.identity = None if user is None else Identity(user)
    txn.upstream = upstream
    txn.route = route if upstream or route == "store" else "none"
    txn.bytes_in = 3
    txn.bytes_out = 1292
    txn.head_out = 268
    return txn


@dataclass(frozen=True)
class Use:
    """What one plugin did in one hook."""

    plugin: str
    hook: str
    calls: int = 0
    errors: int = 0
    slow: int = 0
    seconds: float = 0.0
    waits: int = 0
    wait_seconds: float = 0.0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    unhealthy: bool = False


USE = Use("guard", "request_headers", 16, 6, 2, 0.5, 3, 1.25, {"block": 4, "allow": 1}, True)
