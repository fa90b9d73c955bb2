"""
The work that is compared, and the ratios that are asked for.

A scenario says what the load does and in which unit its cost is told; it knows neither processes nor reports.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import load, tls_load
from benchmarks.certificates import ORIGIN_HOST, SITE_HOST, TRUST_FILE
from benchmarks.load import Requests, Work
from benchmarks.origins import LARGE_BYTES, SMALL_BYTES
from benchmarks.peers import Peer, Ports, Role
from benchmarks.tls_load import Way

Job = Callable[[float], Work]

ORIGIN_REQUEST = b"GET /1k HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a cost is told: seconds of processor time times C{scale} make C{cost}; C{rate} is work per second."""

    cost: str
    rate: str
    scale: float


PER_REQUEST = Unit("us/request", "requests/s", 1e6)
PER_TUNNEL = Unit("us/tunnel", "tunnels/s", 1e6)
PER_NEW = Unit("us/connection", "connections/s", 1e6)
PER_MIB = Unit("ms/MiB", "MiB/s", 1e3)
PER_CONNECTION = Unit("KiB/connection", "connections", 1 / 1024)


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One kind of work.

    @ivar roles: the role a peer plays in it, the first of these that it has.
    @ivar run: does the work once for so many seconds.
    @ivar begin: instead, inside TLS: opens connections, which is not measured, and gives what does the work.
    @ivar launch: instead, starts what can be paused: then all peers work within one window, L{in turns<benchmarks.turns>}, and are started anew for
        each round, so that their costs can be compared more closely. With none of the three the scenario holds
        idle connections.
    @ivar asks_first: in an idle scenario, whether each connection makes one request before it falls silent.
    """

    name: str
    title: str
    roles: tuple[Role, ...]
    unit: Unit
    run: Callable[[Peer, Ports, float], Work] | None = None
    begin: Callable[[Way], AbstractContextManager[Job]] | None = None
    asks_first: bool = False
    launch: Callable[[Peer, Ports, float], Requests] | None = None

    @property
    def secure(self) -> bool:
        """Tell whether clients speak TLS with the proxy; then the certificate is judged before anything is measured."""
        return Role.TERMINATE in self.roles or Role.INTERCEPT in self.roles

    @property
    def idle(self) -> bool:
        """Tell whether connections are held and nothing is done."""
        return self.run is None and self.begin is None and self.launch is None

    def role_of(self, peer: Peer) -> Role | None:
        """Give the role the peer plays here, None if it cannot take part."""
        return next((role for role in self.roles if role in peer.roles), None)


def _reverse(path: str, min_bytes: int) -> Callable[[Peer, Ports, float], Work]:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        return load.requests(
            peer.entrance(Role.REVERSE, ports), "plain", [path], seconds, min_bytes
        ).work()

    return run


def _hits(path: str, min_bytes: int) -> Callable[[Peer, Ports, float], Work]:
    """
    Ask for something that the cache has.

    The origin marks each answer with another X-Made, so the same one before and after shows that it was not asked meanwhile.
    """
    wanted = f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\n\r\n".encode()

    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        entrance = peer.entrance(Role.CACHE, ports)
        before = load.made(entrance, wanted, settle=True)
        work = load.requests(entrance, "plain", [path], seconds, min_bytes).work()
        if load.made(entrance, wanted) != before:
            raise load.LoadFailed("the origin was asked again: these were not all hits")
        return work

    return run


def _forward(script: str, *arguments: str) -> Callable[[Peer, Ports, float], Work]:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        origin = f"127.0.0.1:{ports.web_origin}"
        return load.requests(
            peer.entrance(Role.FORWARD, ports), script, [origin, *arguments], seconds, SMALL_BYTES
        ).work()

    return run


def _destination(peer: Peer, ports: Ports) -> int | None:
    return None if peer.bare_relay else ports.tunnel_origin


def _bulk(peer: Peer, ports: Ports, seconds: float) -> Work:
    return load.bulk(peer.entrance(Role.CONNECT, ports), _destination(peer, ports), seconds)


def _new_tunnels(peer: Peer, ports: Ports, seconds: float) -> Work:
    return load.new_tunnels(peer.entrance(Role.CONNECT, ports), _destination(peer, ports), seconds)


def _terminated(path: str, min_bytes: int) -> Callable[[Peer, Ports, float], Work]:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        entrance = peer.entrance(Role.TERMINATE, ports)
        return load.requests(entrance, "plain", [path], seconds, min_bytes, scheme="https").work()

    return run


def way_of(peer: Peer, role: Role, ports: Ports, state: Path, certificates: Path) -> Way:
    """
    Give how clients of TLS reach the origin through a peer.

    @param state: the folder of the peer, with the CA that it signs with if it intercepts.
    @raise LoadFailed: there is no CA.
    """
    entrance = peer.entrance(role, ports)
    if role is Role.TERMINATE:
        return Way(entrance, SITE_HOST, None, certificates / TRUST_FILE)
    authority = next(iter(sorted(state.glob(peer.authority))), None)
    if authority is None:
        raise load.LoadFailed(f"{peer.name} has made no CA")
    return Way(entrance, ORIGIN_HOST, ports.tls_origin, authority)


def secure_request(way: Way, path: str = "/1k") -> bytes:
    """Give what a client asks for inside TLS: with the fields of a browser from a forward proxy, short otherwise."""
    if way.destination is None:
        return f"GET {path} HTTP/1.1\r\nHost: {way.host}\r\n\r\n".encode()
    host = f"{way.host}:{way.destination}"
    fields = "".join(f"{name}: {value}\r\n" for name, value in _BROWSER)
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


# As in wrk/browser.lua.
_BROWSER = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://localhost/some/page.html"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
    ("Connection", "keep-alive"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache"),
)


def _new_secure(way: Way) -> AbstractContextManager[Job]:
    return nullcontext(partial(tls_load.new, way, secure_request(way)))


def _kept_secure(way: Way) -> AbstractContextManager[Job]:
    return tls_load.kept_alive(way, secure_request(way), SMALL_BYTES)


def _bulk_secure(way: Way) -> AbstractContextManager[Job]:
    return tls_load.bulk(way, secure_request(way, "/bulk"))


_ANY = (Role.FORWARD, Role.REVERSE)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "reverse-1k",
        "Reverse proxy, 1 KB answers",
        (Role.REVERSE,),
        PER_REQUEST,
        _reverse("/1k", SMALL_BYTES),
    ),
    Scenario(
        "reverse-100k",
        "Reverse proxy, 100 KB answers",
        (Role.REVERSE,),
        PER_REQUEST,
        _reverse("/100k", LARGE_BYTES),
    ),
    Scenario(
        "forward-1k",
        "Forward proxy, 1 KB answers, 14 request fields",
        (Role.FORWARD,),
        PER_REQUEST,
        _forward("browser", "/1k"),
    ),
    Scenario(
        "forward-1k-varied",
        "The same, path, Referer and Cookie different in each request",
        (Role.FORWARD,),
        PER_REQUEST,
        _forward("varied"),
    ),
    Scenario("connect-bulk", "CONNECT, bulk download", (Role.CONNECT,), PER_MIB, _bulk),
    Scenario("connect-new", "CONNECT, new tunnels", (Role.CONNECT,), PER_TUNNEL, _new_tunnels),
    Scenario("idle", "Idle connections, nothing sent yet", _ANY, PER_CONNECTION),
    Scenario(
        "idle-kept",
        "Idle connections, kept alive after one request",
        (Role.REVERSE, Role.FORWARD),
        PER_CONNECTION,
        asks_first=True,
    ),
    Scenario(
        "terminate-1k",
        "Reverse proxy that terminates TLS, 1 KB answers",
        (Role.TERMINATE,),
        PER_REQUEST,
        _terminated("/1k", SMALL_BYTES),
    ),
    Scenario(
        "terminate-new",
        "The same, new connections, one request each",
        (Role.TERMINATE,),
        PER_NEW,
        begin=_new_secure,
    ),
    Scenario(
        "intercept-1k",
        "Interception of TLS, 1 KB answers, 14 request fields",
        (Role.INTERCEPT,),
        PER_REQUEST,
        begin=_kept_secure,
    ),
    Scenario(
        "intercept-new",
        "Interception, new connections, one request each",
        (Role.INTERCEPT,),
        PER_NEW,
        begin=_new_secure,
    ),
    Scenario(
        "intercept-bulk",
        "Interception, bulk download",
        (Role.INTERCEPT,),
        PER_MIB,
        begin=_bulk_secure,
    ),
    Scenario(
        "intercept-idle",
        "Intercepted connections, idle after one request",
        (Role.INTERCEPT,),
        PER_CONNECTION,
        asks_first=True,
    ),
    Scenario(
        "cache-hit-1k",
        "Reverse proxy with a cache, 1 KB answers from it",
        (Role.CACHE,),
        PER_REQUEST,
        _hits("/stored/1k", SMALL_BYTES),
    ),
    Scenario(
        "cache-hit-100k",
        "Reverse proxy with a cache, 100 KB answers from it",
        (Role.CACHE,),
        PER_REQUEST,
        _hits("/stored/100k", LARGE_BYTES),
    ),
)


@dataclass(frozen=True, slots=True)
class Target:
    """
    What is asked of the gateway in one scenario.

    @ivar peer: the cost is divided by this peer's; None: the cost itself is what C{limit} bounds.
    """

    scenario: str
    peer: str | None
    limit: float


TARGETS: tuple[Target, ...] = (
    Target("reverse-1k", "haproxy", 2.0),
    Target("reverse-1k", "squid", 0.6),
    Target("reverse-100k", "haproxy", 1.5),
    Target("forward-1k", "squid", 0.7),
    Target("forward-1k", "proxy.py", 0.5),
    Target("forward-1k-varied", "squid", 0.7),
    Target("forward-1k-varied", "proxy.py", 0.5),
    Target("connect-bulk", "squid", 0.5),
    Target("connect-new", "squid", 1.0),
    Target("idle", None, 4.0),
    Target("idle-kept", None, 4.0),
    Target("terminate-1k", "nginx", 1.8),
    Target("terminate-new", "nginx", 1.3),
    Target("intercept-1k", "squid", 0.8),
    Target("intercept-1k", "mitmproxy", 0.05),
    Target("intercept-new", "squid", 0.4),
    Target("intercept-bulk", "squid", 0.4),
    Target("intercept-idle", None, 30.0),
    Target("cache-hit-1k", "squid", 0.8),
    Target("cache-hit-1k", "nginx", 1.1),
    Target("cache-hit-100k", "squid", 0.2),
    Target("cache-hit-100k", "nginx", 1.3),
)
