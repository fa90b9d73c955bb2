"""
Whether a hit costs more when very much is stored, how soon there are hits again after a restart, and what memory that takes.

A store is filled through the proxy for each number of objects, as clients would, and looked at with C{only-if-cached}. Then one
gateway for each store works in turn within each round, on a thousand of its objects that lie evenly among the others, and on all of
them at random, so that most are not in memory. At last the fullest store is opened again, after an orderly end and after a kill.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, usage
from benchmarks.compare import Plan, compare
from benchmarks.load import LoadFailed, Work
from benchmarks.origins import SMALL_BYTES, start_web_origin
from benchmarks.peers import GATEWAY, Peer, Ports, Role
from benchmarks.programs import Cores, Program
from benchmarks.results import Series, costs, ratio, write
from benchmarks.scenarios import PER_REQUEST, Scenario

#: What a hit may cost with the most objects, measured by the fewest.
LIMIT = 1.2
#: From the start of the program to its first hit.
RESTART_SECONDS = 2.0
#: So much of what was asked for has to be stored before anything is measured.
STORED = 0.999
HOT = 1000
SAMPLE = 1000
FEW = 100
FILL_SECONDS = 10.0
#: The store is filled again from the beginning so often at most.
PASSES = 3
_PREFIX = "/stored/1k/"
#: All numbers have as many digits.
_FIRST = 10_000_000
#: Room for a million of 1 KB and their fields, twice over; and the default of what is in memory.
_ROOM = {"CACHE_SIZE": "16384", "CACHE_MEMORY": "128"}


@dataclass(frozen=True, slots=True)
class Restart:
    """
    A gateway that was started with a full store.

    @ivar seconds: from its start to the first hit.
    @ivar pss: of the process then, bytes; pages of the store that it looked at are among them.
    @ivar anonymous: what of it is no file.
    """

    after: str
    seconds: float
    pss: int
    anonymous: int


def cache_objects(
    state: Path,
    cores: Cores,
    port_base: int,
    counts: Sequence[int],
    rounds: int,
    seconds: float,
    out: Path,
    say: Callable[[str], None],
) -> int:
    """Measure and report; the exit code is 0 if all holds."""
    ports = Ports.numbered(port_base, 0)
    counts = sorted(set(counts))
    stores = {count: state / f"store-{count}" for count in counts}
    with start_web_origin(ports.web_origin, cores.load, state / "fill-origin"):
        for count, store in stores.items():
            _fill(count, store, ports, cores, state / f"fill-{count}", say)
    plan = Plan(
        scenarios=[
            _scenario("cache-hot", "Hits on a thousand objects", HOT),
            _scenario("cache-any", "Hits on all objects", 0),
        ],
        peers=[_peer(count, store) for count, store in stores.items()],
        rounds=rounds,
        seconds=seconds,
        connections=0,
        port_base=port_base,
        cores=cores,
        state=state,
    )
    results = compare(plan, say)
    good = True
    for scenario in plan.scenarios:
        say(f"\n{scenario.title}")
        good = report(results[scenario.name], say) and good
    most = counts[-1]
    restarts = _restart(most, stores[most], ports, cores, state)
    say("")
    for restart in restarts:
        within = restart.seconds <= RESTART_SECONDS
        good = good and within
        say(
            f"{most} objects, {restart.after}: first hit after {restart.seconds:.2f} s"
            f" ({'met' if within else f'NOT MET: {RESTART_SECONDS:g} s'});"
            f" PSS {restart.pss / 2**20:.1f} MiB, of it anonymous {restart.anonymous / 2**20:.1f} MiB"
        )
    write(
        out,
        "cache-objects",
        {
            "limit": LIMIT,
            "us_per_request": {name: costs(row) for name, row in results.items()},
            "memory": {
                name: {
                    peer: series.memory and dataclasses.asdict(series.memory)
                    for peer, series in row.items()
                }
                for name, row in results.items()
            },
            "restarts": [dataclasses.asdict(restart) for restart in restarts],
        },
    )
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def report(row: Mapping[str, Series], say: Callable[[str], None]) -> bool:
    """Print a table, the fewest objects first; tell whether all were measured, without errors, and none is too dear."""
    good = True
    fewest = next(iter(row.values()))
    say(f"{'':<20}{'us/hit':>10}{'by fewest':>11}{'errors':>8}{'PSS MiB':>10}")
    for name, series in row.items():
        if series.failure or series.cost is None:
            say(f"{name:<20}{series.failure or 'not measured'}")
            good = False
            continue
        found = ratio(series, fewest)
        within = found is not None and found <= LIMIT
        good = good and within and not series.errors
        memory = f"{series.memory.pss / 2**20:.1f}" if series.memory else "-"
        say(
            f"{name:<20}{series.cost:>10.1f}{found or 0:>11.2f}{series.errors:>8}{memory:>10}"
            f"{'' if within else f'  more than {LIMIT:g}'}"
        )
    return good


def targets(count: int, some: int) -> list[str]:
    """
    Give what C{wrk/spread.lua} needs for objects of a store.

    @param some: so many of them that lie evenly among the others; 0: all.
    """
    step = max(1, count // some) if some else 1
    return [_PREFIX, str(_FIRST), str(min(count, some) if some else count), str(step), "random"]


def _name(count: int) -> str:
    return f"{count:,} objects"


def _peer(count: int, store: Path) -> Peer:
    """Give the gateway with a store that is elsewhere than its other files."""

    def command(path: str, state: Path, role: Role) -> list[str]:
        file = state / "gateway-cache.toml"
        file.write_text(
            file.read_text()
            .replace(f'path = "{state}/cache"', f'path = "{store}"')
            .replace('size = "1024MiB"', f'size = "{_ROOM["CACHE_SIZE"]}MiB"')
            .replace('memory = "256MiB"', f'memory = "{_ROOM["CACHE_MEMORY"]}MiB"')
        )
        return GATEWAY.command(path, state, role)

    return dataclasses.replace(GATEWAY, name=_name(count), command=command)


def _scenario(name: str, title: str, some: int) -> Scenario:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        count = int(peer.name.split()[0].replace(",", ""))
        entrance = peer.entrance(Role.CACHE, ports)
        work = load.requests(entrance, "spread", targets(count, some), seconds, SMALL_BYTES).work()
        # Some of them again, now forbidden to be fetched, and few enough not to count: what was measured must have been hits.
        if (there := _present(entrance, count, FEW)) < 1 - 2 / FEW:
            raise LoadFailed(f"only {there:.2%} of the objects are stored")
        return work

    return Scenario(name, title, (Role.CACHE,), PER_REQUEST, run)


def _fill(
    count: int, store: Path, ports: Ports, cores: Cores, state: Path, say: Callable[[str], None]
) -> None:
    """
    Ask for each object once; again, if too many were not stored.

    @raise LoadFailed: the cache does not keep them.
    """
    peer = _peer(count, store)
    begun = time.monotonic()
    with peer.start(Role.CACHE, ports, cores, state) as program:
        entrance = peer.entrance(Role.CACHE, ports)
        program.wait_ready(entrance)
        there = 0.0
        for _ in range(PASSES):
            done = 0
            while done < count:
                asked = [_PREFIX, str(_FIRST + done), str(count - done), "1", "once"]
                work = load.requests(
                    entrance, "spread", asked, min(FILL_SECONDS, 1 + count / 5000), SMALL_BYTES
                ).work()
                # The last ones were cut off in the middle.
                done += max(1, int(work.units) - load.CONNECTIONS)
            # Until the last are written.
            time.sleep(1)
            if (there := _present(entrance, count)) >= STORED:
                break
        else:
            raise LoadFailed(f"only {there:.2%} of {count} objects are stored")
        program.stop(10)
    say(f"{_name(count)} stored in {time.monotonic() - begun:.0f} s, {there:.2%} found")


def _present(port: int, count: int, sample: int = SAMPLE) -> float:
    """Give the share of a sample of the objects that the cache has."""
    step = max(1, count // sample)
    numbers = range(_FIRST, _FIRST + count, step)
    with contextlib.closing(_connect(port)) as client:
        found = sum(_stored(client, number) for number in numbers)
    return found / len(numbers)


def _connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 15)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _stored(client: socket.socket, number: int) -> bool:
    """Ask for an object that may not be fetched; a cache that has it not answers 504 (RFC 9111 section 5.2.1.7)."""
    client.sendall(
        f"GET {_PREFIX}{number} HTTP/1.1\r\nHost: www.example.com\r\n"
        "Cache-Control: only-if-cached\r\n\r\n".encode()
    )
    status, _, length, content = load.read_any_head(client)
    load.discard(client, length - len(content))
    return status == 200


def _restart(count: int, store: Path, ports: Ports, cores: Cores, state: Path) -> list[Restart]:
    peer = _peer(count, store)
    told = []
    for index, after in enumerate(("first start", "after an orderly end", "after kill -9")):
        begun = time.monotonic()
        program = peer.start(Role.CACHE, ports, cores, state / f"restart-{index}")
        try:
            _first_hit(peer.entrance(Role.CACHE, ports), count, program)
            told.append(
                Restart(
                    after,
                    time.monotonic() - begun,
                    usage.memory(program.tree).pss,
                    usage.anonymous_bytes(program.tree),
                )
            )
            if index == 0:
                program.stop(10)
        finally:
            program.kill()
    return told


def _first_hit(port: int, count: int, program: Program) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and program.running:
        with contextlib.suppress(OSError), contextlib.closing(_connect(port)) as client:
            if _stored(client, _FIRST + count // 2):
                return
        time.sleep(0.01)
    raise LoadFailed(f"no hit within a minute: {program.last_words(300)}")
