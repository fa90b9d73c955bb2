"""
What hooks are asked with when a plugin is checked: one plain transaction of each sort, whole at the moment of the hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from gateway.api.answers import ClientHello, Server
from gateway.api.content import ScanJob, Side
from gateway.api.events import Event, Severity
from gateway.api.transaction import (
    Client,
    Delivered,
    Phase,
    Request,
    Response,
    Timings,
    Transaction,
)
from gateway.message.fields import Fields

_CONTENT = b"<html>hello</html>"


def asked(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Give what a hook is asked with, one after the other, each with a word for people."""
    make = _ARGUMENTS.get(hook, _transactions)
    yield from make(hook)


def transaction(method: str, phase: Phase = Phase.RECEIVED) -> Transaction:
    """Make a transaction of some client with C{www.example.com}."""
    tunnel = method == "CONNECT"
    request = Request(
        method.encode("ascii"),
        "" if tunnel else "http",
        "www.example.com",
        443 if tunnel else 80,
        b"www.example.com:443" if tunnel else b"/path?query=1",
        1,
        Fields.of([("User-Agent", "sample/1.0"), ("Accept", "*/*")]),
        len(_CONTENT) if method == "POST" else 0,
    )
    made = Transaction("sample-1", request, client(), Timings(0.0, 0.0))
    made.phase = phase
    if phase >= Phase.ANSWERED:
        made.response = Response(
            200, Fields.of([("Content-Type", "text/html")]), length=len(_CONTENT)
        )
    if phase == Phase.ENDED:
        made.status = 200
        made.outcome = Delivered()
    return made


def client() -> Client:
    """Make a client."""
    return Client("192.0.2.7", 40000, mode="forward")


_PHASES: Mapping[str, Phase] = {
    "authenticate": Phase.RECEIVED,
    "request_headers": Phase.IDENTIFIED,
    "request_filters": Phase.ADMITTED,
    "cache_lookup": Phase.ADMITTED,
    "select_upstream": Phase.ADMITTED,
    "upstream_connected": Phase.ADMITTED,
    "response_headers": Phase.ANSWERED,
    "response_filters": Phase.JUDGED,
    "cache_store": Phase.JUDGED,
    "transaction_complete": Phase.ENDED,
}

_NOT_FOR_TUNNELS = frozenset(
    ("request_filters", "cache_lookup", "response_headers", "response_filters", "cache_store")
)


def _transactions(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for method in ("GET", "POST", "CONNECT"):
        if method == "CONNECT" and hook in _NOT_FOR_TUNNELS:
            continue
        yield method, (transaction(method, _PHASES.get(hook, Phase.RECEIVED)),)


def _upstream(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for method, (txn,) in _transactions(hook):
        yield method, (txn, Server("www.example.com", "198.51.100.1", 80))


def _need(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "POST", (transaction("POST", Phase.ADMITTED), Side.REQUEST)
    yield "GET", (transaction("GET", Phase.JUDGED), Side.RESPONSE)


def _scan(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "a page", (ScanJob.of(_CONTENT, media_type="text/html"),)
    yield "no content", (ScanJob.of(b""),)


def _page(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for name in ("blocked", "plugin_error", "no_such_page"):
        yield f"page {name}", (transaction("GET"), name)


_ARGUMENTS: Mapping[str, Callable[[str], Iterator[tuple[str, tuple[object, ...]]]]] = {
    "client_connected": lambda hook: iter([("a client", (client(),))]),
    "client_hello": lambda hook: iter(
        [("a client", (client(), ClientHello("www.example.com", ("h2", "http/1.1"))))]
    ),
    "upstream_connected": _upstream,
    "content_need": _need,
    "scan_content": _scan,
    "page": _page,
    "event": lambda hook: iter(
        [("an event", (Event("sample", Severity.INFO, "A sample of an event."),))]
    ),
    "admin_pages": lambda hook: iter([("the console", ())]),
    "counters": lambda hook: iter([("the metrics", ())]),
}
