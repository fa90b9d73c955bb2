"""
The work that is compared, and the ratios that are asked for.

A scenario says what the load does and in which unit its cost is told; it knows neither processes nor reports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import load
from benchmarks.load import Work
from benchmarks.origins import LARGE_BYTES, SMALL_BYTES
from benchmarks.peers import Peer, Ports, Role

ORIGIN_REQUEST = b"GET /1k HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a cost is told: seconds of processor time times C{scale} make C{cost}; C{rate} is work per second."""

    cost: str
    rate: str
    scale: float


PER_REQUEST = Unit("us/request", "requests/s", 1e6)
PER_TUNNEL = Unit("us/tunnel", "tunnels/s", 1e6)
PER_MIB = Unit("ms/MiB", "MiB/s", 1e3)
PER_CONNECTION = Unit("KiB/connection", "connections", 1 / 1024)


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One kind of work.

    @ivar roles: the role a peer plays in it, the first of these that it has.
    @ivar run: does the work once for so many seconds; None in the scenarios that hold idle connections.
    @ivar asks_first: in an idle scenario, whether each connection makes one request before it falls silent.
    """

    name: str
    title: str
    roles: tuple[Role, ...]
    unit: Unit
    run: Callable[[Peer, Ports, float], Work] | None = None
    asks_first: bool = False

    def role_of(self, peer: Peer) -> Role | None:
        """Give the role the peer plays here, None if it cannot take part."""
        return next((role for role in self.roles if role in peer.roles), None)


def _reverse(path: str, min_bytes: int) -> Callable[[Peer, Ports, float], Work]:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        return load.requests(
            peer.entrance(Role.REVERSE, ports), "plain", [path], seconds, min_bytes
        )

    return run


def _forward(script: str, *arguments: str) -> Callable[[Peer, Ports, float], Work]:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        origin = f"127.0.0.1:{ports.web_origin}"
        return load.requests(
            peer.entrance(Role.FORWARD, ports), script, [origin, *arguments], seconds, SMALL_BYTES
        )

    return run


def _destination(peer: Peer, ports: Ports) -> int | None:
    return None if peer.bare_relay else ports.tunnel_origin


def _bulk(peer: Peer, ports: Ports, seconds: float) -> Work:
    return load.bulk(peer.entrance(Role.CONNECT, ports), _destination(peer, ports), seconds)


def _new_tunnels(peer: Peer, ports: Ports, seconds: float) -> Work:
    return load.new_tunnels(peer.entrance(Role.CONNECT, ports), _destination(peer, ports), seconds)


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
)
