"""
What a plugin is asked with when it is checked: one plain transaction of each sort, whole at the moment of the hook, and
configurations that it may find itself in.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gateway.api.answers import ClientHello, Server
from gateway.api.content import ScanJob, Side
from gateway.api.events import Event, Severity
from gateway.api.messages import Request, Response
from gateway.api.review import Listener, Surroundings
from gateway.api.transaction import (
    Client,
    ClientTls,
    Delivered,
    Intercepted,
    Phase,
    Timings,
    Transaction,
    Tunnelled,
)
from gateway.message.fields import Fields

_CONTENT = b"<html>hello</html>"

_PROXY = Listener("192.0.2.1:8080")
_SITE = Listener("192.0.2.1:443", "reverse", has_tls=True, hosts=("*", "www.example.com"))

#: Surroundings for C{Plugin.review}, each with a word for people.
SURROUNDINGS = (
    ("no listener", Surroundings()),
    ("a forward proxy", Surroundings("none", (_PROXY,), ("192.0.2.5/32", "2001:db8::/32"))),
    ("a forward proxy that decrypts by rules", Surroundings("rules", (_PROXY,))),
    ("a forward proxy that decrypts all", Surroundings("all", (_PROXY, _SITE))),
    ("a site", Surroundings("none", (_SITE, Listener("unix:/run/site", "reverse", "unix")))),
)


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
        made.outcome = Tunnelled() if tunnel else Delivered()
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


def _ended(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield from _transactions(hook)
    txn = transaction("CONNECT", Phase.ENDED)
    txn.client.tls = ClientTls(
        server_name="www.example.com",
        version="TLSv1.3",
        cipher="TLS_AES_128_GCM_SHA256",
        alpn="http/1.1",
        decision="intercept",
        why="decrypt_all",
        upstream_version="TLSv1.3",
        upstream_cipher="TLS_AES_128_GCM_SHA256",
    )
    txn.outcome = Intercepted()
    yield "an intercepted CONNECT", (txn,)


def _hello(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    # What a browser, a program for one server and an old program say.
    browser = ClientHello(
        "www.example.com",
        ("h2", "http/1.1"),
        (0x0304, 0x0303),
        (0x1301, 0x1302, 0x1303, 0xC02F),
        (0, 10, 13, 16, 43, 51),
        (29, 23),
        (0x0403, 0x0804),
        has_ech=True,
    )
    yield "a browser", (client(), browser)
    yield "a client that names no host", (client(), ClientHello("", (), (0x0304,), (0x1301,)))
    old = ClientHello("old.example.com", (), (0x0303,), (0xC02F,), has_ticket=True)
    yield "a client without ALPN", (client(), old)


def _upstream(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for method, (txn,) in _transactions(hook):
        yield method, (txn, Server("www.example.com", "198.51.100.1", 80))


def _need(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "POST", (transaction("POST", Phase.ADMITTED), Side.REQUEST)
    yield "GET", (transaction("GET", Phase.JUDGED), Side.RESPONSE)


def _scan(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "a page", (ScanJob.of(_CONTENT, media_type="text/html"),)
    yield "no content", (ScanJob.of(b""),)
    if hook == "scan_content":
        member = ScanJob.of(_CONTENT)
        yield "a member of an archive", (replace(member, member="a.zip/a.html", depth=1),)
    else:
        yield "an archive", (ScanJob.of(_archive(), media_type="application/zip"),)


def _archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.html", _CONTENT)
        archive.writestr("folder/empty", b"")
    return made.getvalue()


def _page(hook: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    for name in ("blocked", "plugin_error", "no_such_page"):
        yield f"page {name}", (transaction("GET"), name)


_ARGUMENTS: Mapping[str, Callable[[str], Iterator[tuple[str, tuple[object, ...]]]]] = {
    "client_connected": lambda hook: iter([("a client", (client(),))]),
    "client_hello": _hello,
    "upstream_connected": _upstream,
    "content_need": _need,
    "scan_content": _scan,
    "scan_patterns": lambda hook: iter([("what it scans with", ())]),
    "unpack_content": _scan,
    "page": _page,
    "transaction_complete": _ended,
    "event": lambda hook: iter(
        [("an event", (Event("sample", Severity.INFO, "A sample of an event."),))]
    ),
    "order": lambda hook: iter([("an order of nobody's", ("sample.order", {"name": "anna"}))]),
    "admin_pages": lambda hook: iter([("the console", ())]),
    "counters": lambda hook: iter([("the metrics", ())]),
    "not_ready": lambda hook: iter([("a load balancer's question", ())]),
}
