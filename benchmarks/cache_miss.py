"""
What the cache costs a request that it can't answer: the reverse proxy without the plugin and with it, in turn within each round.

Each request is for another URL, of an answer that may not be stored, and of one that is; differences are taken within a round.
nginx and Squid, each without its cache and with it, are beside them to show what the same costs there; no limit is theirs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load
from benchmarks.compare import Plan, compare
from benchmarks.identified import SITE, difference
from benchmarks.load import Work
from benchmarks.origins import SMALL_BYTES
from benchmarks.peers import GATEWAY, PEERS, Peer, Ports, Role
from benchmarks.programs import Cores
from benchmarks.results import Series, costs, write
from benchmarks.scenarios import PER_REQUEST, Scenario

#: What a miss may cost more than the same request without the plugin.
LIMIT_US = 25.0
WITHOUT = "without"


@dataclass(frozen=True, slots=True)
class Way:
    """
    A gateway.

    @ivar enabled: whether it has the plugin.
    @ivar settings: more lines for the plugin's table.
    """

    name: str
    enabled: bool = True
    settings: str = ""


WAYS: tuple[Way, ...] = (
    Way(WITHOUT, enabled=False),
    Way("not for the site", settings=f'sites = [{{ host = ["{SITE}"], enabled = false }}]\n'),
    Way("with"),
)
#: Name, title, the path that a number is put behind.
MISSES: tuple[tuple[str, str, str], ...] = (
    ("cache-miss-unstored", "Misses whose answers may not be stored, 1 KB", "/unstored/"),
    ("cache-miss-stored", "Misses whose answers are stored, 1 KB", "/stored/1k/"),
)


@dataclass(frozen=True, slots=True)
class Rival:
    """
    A proxy with a cache of its own.

    @ivar file: where that is configured.
    @ivar lines: what the lines begin with that turn the cache on; taken away where it is to be without.
    @ivar more: a line that is put behind them instead.
    """

    name: str
    file: str
    lines: tuple[str, ...] = ()
    more: str = ""

    @property
    def without(self) -> str:
        """What it is called without its cache."""
        return f"{self.name}-{WITHOUT}"


RIVALS: tuple[Rival, ...] = (
    Rival("nginx", "nginx-cache.conf", lines=("proxy_cache ", "proxy_cache_lock ")),
    Rival("squid", "squid-cache.conf", more="cache deny all"),
)


def cache_miss(
    state: Path,
    cores: Cores,
    port_base: int,
    rounds: int,
    seconds: float,
    out: Path,
    say: Callable[[str], None],
) -> int:
    """Measure and report; the exit code is 0 if no miss costs more than L{LIMIT_US} above the same without the plugin."""
    plan = Plan(
        scenarios=[_scenario(*miss) for miss in MISSES],
        peers=[*(_peer(way) for way in WAYS), *(one for rival in RIVALS for one in _both(rival))],
        rounds=rounds,
        seconds=seconds,
        connections=0,
        port_base=port_base,
        cores=cores,
        state=state,
    )
    results = compare(plan, say)
    good = True
    for name, title, _ in MISSES:
        say(f"\n{title}")
        good = report(results[name], say) and good
    told = {name: costs(row) for name, row in results.items()}
    write(out, "cache-miss", {"limit_us": LIMIT_US, "us_per_request": told})
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def report(row: Mapping[str, Series], say: Callable[[str], None]) -> bool:
    """Print a table; tell whether all ways were measured, without errors, and none is too dear."""
    good = True
    say(f"{'plugin':<20}{'us/request':>11}{'errors':>8}   more than without")
    ours = [name for name in row if not any(name in (one.name, one.without) for one in RIVALS)]
    for name in ours:
        series = row[name]
        if series.failure or series.cost is None:
            say(f"{name:<20}{series.failure or 'not measured'}")
            good = False
            continue
        more = difference(series, row[WITHOUT])
        within = name == WITHOUT or (more.us is not None and more.us <= LIMIT_US)
        good = good and within and not series.errors
        say(
            f"{name:<20}{series.cost:>11.1f}{series.errors:>8}   {more!s:<27}"
            f"{'' if within else f' more than {LIMIT_US:g}'}"
        )
    for rival in RIVALS:
        theirs, bare = row.get(rival.name), row.get(rival.without)
        if theirs is not None and bare is not None and theirs.cost is not None:
            say(
                f"{rival.name:<20}{theirs.cost:>11.1f}{theirs.errors:>8}   {difference(theirs, bare)!s}"
            )
    return good


def configured(way: Way, state: Path) -> None:
    """Change the files that a gateway with a cache has been given: without the plugin, or with more settings."""
    file = state / "gateway-cache.toml"
    if way.enabled:
        file.write_text(file.read_text() + way.settings)
    else:
        file.unlink()


def uncached(rival: Rival, text: str) -> str:
    """Give a rival's configuration without its cache."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith(rival.lines)]
    return "\n".join([*kept, rival.more, ""])


def _both(rival: Rival) -> tuple[Peer, Peer]:
    """Give a rival without its cache, and with it."""
    peer = next(one for one in PEERS if one.name == rival.name)

    def command(path: str, state: Path, role: Role) -> list[str]:
        file = state / rival.file
        file.write_text(uncached(rival, file.read_text()))
        return peer.command(path, state, role)

    return dataclasses.replace(peer, name=rival.without, command=command), peer


def _peer(way: Way) -> Peer:
    def command(path: str, state: Path, role: Role) -> list[str]:
        configured(way, state)
        return GATEWAY.command(path, state, role)

    return dataclasses.replace(GATEWAY, name=way.name, command=command)


def _scenario(name: str, title: str, before: str) -> Scenario:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        # The script counts from the same number each time.
        target = f"{before}{time.monotonic_ns()}-@N@"
        entrance = peer.entrance(Role.CACHE, ports)
        return load.requests(
            entrance, "lines", [target, f"Host: {SITE}"], seconds, SMALL_BYTES
        ).work()

    return Scenario(name, title, (Role.CACHE,), PER_REQUEST, run)
