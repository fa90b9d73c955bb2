"""
How much each cache answers by itself, of the same requests and with the same room.

Popularity falls as in Zipf's law, sizes are mixed and say nothing of popularity, and some requests are for what nobody asks for
again, as crawlers do. All caches get the same sequence, one request after the other, and have room for a small part of it on disk.
What they really occupy is looked at meanwhile: nginx makes room once in ten seconds only and holds more than it should until then.
A rival that does so is compared with a gateway that has as much room as it took.

The origin marks each answer that it makes: a request counts as a hit if it is answered with the mark that was seen last for its
URL, whatever the cache says of itself.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import usage
from benchmarks.load import LoadFailed, discard, read_head
from benchmarks.origins import start_web_origin
from benchmarks.peers import GATEWAY, PEERS, Peer, Ports, Role
from benchmarks.programs import Cores, DidNotStart
from benchmarks.results import write

#: Sizes of contents in KiB, each as frequent as it stands here.
SIZES = (1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 64, 64, 128, 256, 512, 1024)
OBJECTS = 20_000
EXPONENT = 0.8
#: The share of requests that come once only.
ONCE = 0.1
#: The share of requests at the beginning that fill the caches and are not counted.
WARMING = 1 / 3
SEED = 20261122
MEMORY_MIB = 8
#: Whose hit ratio is to be reached.
RIVALS = ("squid", "nginx")
#: Who takes so much more than its room gets a match of its own.
EXCESS = 1.05
#: How often it is looked at what a cache occupies, in requests.
LOOKED_AT = 2000

Wanted = tuple[int, int]


@dataclass(slots=True)
class Tally:
    """
    What one cache did.

    @ivar room: what it may occupy, MiB; 0: not said.
    @ivar bytes: of contents asked for, those in C{hit_bytes} from the cache.
    @ivar disk: what it occupies on average, bytes.
    @ivar cost: processor time, us/request.
    """

    requests: int = 0
    hits: int = 0
    bytes: int = 0
    hit_bytes: int = 0
    disk: int = 0
    cost: float = 0.0
    room: int = 0

    @property
    def ratio(self) -> float:
        """Give the share of requests that were hits."""
        return self.hits / self.requests if self.requests else 0.0

    @property
    def excessive(self) -> bool:
        """Tell whether it takes more than its room."""
        return self.room > 0 and self.disk > self.room * EXCESS * 2**20

    @property
    def byte_ratio(self) -> float:
        """Give the share of bytes that came from the cache."""
        return self.hit_bytes / self.bytes if self.bytes else 0.0


def cache_zipf(
    state: Path,
    cores: Cores,
    port_base: int,
    requests: int,
    size_mib: int,
    names: Sequence[str] | None,
    out: Path,
    say: Callable[[str], None],
) -> int:
    """
    Measure and report; the exit code is 0 if the gateway has at least the hits of the L{RIVALS}.

    @param names: of the peers; C{None}: all that have a cache.
    """
    asked = list(itertools.islice(sequence(), requests))
    population = sum(kib for _, kib in set(asked))
    say(
        f"{requests} requests for {len(set(asked))} objects of {population >> 10} MiB; room for {size_mib} MiB"
    )
    tallies: dict[str, Tally] = {}
    matches: dict[str, Tally] = {}
    folder = state / "web-origin"
    with start_web_origin(Ports.numbered(port_base, 0).web_origin, cores.load, folder):
        for kib in set(SIZES):
            (folder / f"sized-{kib}.bin").write_bytes(bytes(kib << 10))
        for index, peer in enumerate(PEERS):
            if Role.CACHE not in peer.roles or (names and peer.name not in names):
                continue
            if peer.path() is None:
                say(f"not installed: {peer.name}: {peer.install}")
                continue
            ports = Ports.numbered(port_base, index)
            try:
                tally = _measure(peer, ports, cores, state / peer.name, asked, size_mib)
            except (LoadFailed, DidNotStart, OSError) as error:
                say(f"{peer.name}: left out: {error}")
                continue
            tallies[peer.name] = tally
            say(_line(peer.name, tally))
        for rival in RIVALS:
            if GATEWAY.name in tallies and rival in tallies and tallies[rival].excessive:
                ports = Ports.numbered(port_base, 0)
                taken = tallies[rival].disk >> 20
                place = state / f"match-{rival}"
                matches[rival] = _measure(GATEWAY, ports, cores, place, asked, taken)
                say(_line(f"gateway/{rival}", matches[rival]))
    write(
        out,
        "cache-zipf",
        {
            "size_mib": size_mib,
            "requests": requests,
            "caches": {
                name: {**asdict(tally), "ratio": tally.ratio} for name, tally in tallies.items()
            },
            "gateway_with_as_much_as": {
                name: {**asdict(tally), "ratio": tally.ratio} for name, tally in matches.items()
            },
        },
    )
    good = verdict(tallies, matches, say)
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def verdict(
    tallies: Mapping[str, Tally], matches: Mapping[str, Tally], say: Callable[[str], None]
) -> bool:
    """
    Tell whether the gateway keeps to its room and has at least the hit ratio of each rival that was measured.

    @param matches: the gateway once more, with as much room as a rival took.
    """
    gateway = tallies.get(GATEWAY.name)
    if gateway is None:
        return False
    good = not any(tally.excessive for tally in (gateway, *matches.values()))
    if not good:
        say("the gateway takes more than its room: NOT MET")
    for rival in RIVALS:
        theirs = tallies.get(rival)
        if theirs is None:
            say(f"not measured: {rival}")
            continue
        ours = matches.get(rival, gateway)
        reached = ours.ratio >= theirs.ratio
        good = good and reached
        say(f"{ours.ratio:.1%} of {rival}'s {theirs.ratio:.1%}: {'met' if reached else 'NOT MET'}")
    return good


def sequence(seed: int = SEED, objects: int = OBJECTS) -> Iterator[Wanted]:
    """Give without end what is asked for next: number and size in KiB, always the same ones for a seed."""
    source = random.Random(seed)
    sizes = [source.choice(SIZES) for _ in range(objects)]
    weights = list(itertools.accumulate((rank + 1) ** -EXPONENT for rank in range(objects)))
    numbers = range(objects)
    once = objects
    while True:
        if source.random() < ONCE:
            yield once, source.choice(SIZES)
            once += 1
        else:
            (number,) = source.choices(numbers, cum_weights=weights)
            yield number, sizes[number]


def ask_all(port: int, asked: Sequence[Wanted], tally: Tally, warming: int, folder: Path) -> None:
    """
    Ask for one after the other on a kept-alive connection, and count.

    @param warming: so many at the beginning are not counted.
    @param folder: what the cache stores lies there.
    @raise LoadFailed: an answer is none, or not the right one.
    """
    marks: dict[Wanted, bytes] = {}
    looks = []
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index, wanted in enumerate(asked):
            number, kib = wanted
            client.sendall(
                b"GET /stored/sized/%d/%d HTTP/1.1\r\nHost: www.example.com\r\n\r\n" % (kib, number)
            )
            head, length, come = read_head(client)
            mark = head.get(b"x-made")
            if length != kib << 10 or mark is None:
                raise LoadFailed(f"not the right answer: {length} bytes, mark {mark!r}")
            discard(client, length - len(come))
            if index >= warming:
                if not index % LOOKED_AT:
                    looks.append(occupied(folder))
                tally.requests += 1
                tally.bytes += length
                if marks.get(wanted) == mark:
                    tally.hits += 1
                    tally.hit_bytes += length
            marks[wanted] = mark
    tally.disk = sum(looks) // len(looks) if looks else occupied(folder)


def occupied(folder: Path) -> int:
    """Give the bytes that files below a folder take on disk; holes take none."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.stat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _measure(
    peer: Peer, ports: Ports, cores: Cores, state: Path, asked: Sequence[Wanted], size_mib: int
) -> Tally:
    words = {"CACHE_SIZE": str(size_mib), "CACHE_MEMORY": str(MEMORY_MIB)}
    tally = Tally(room=size_mib)
    with peer.start(Role.CACHE, ports, cores, state, words) as program:
        entrance = peer.entrance(Role.CACHE, ports)
        program.wait_ready(entrance)
        before = usage.cpu_seconds(program.tree)
        ask_all(entrance, asked, tally, int(len(asked) * WARMING), state / "cache")
        tally.cost = (usage.cpu_seconds(program.tree) - before) * 1e6 / len(asked)
    return tally


def _line(name: str, tally: Tally) -> str:
    return (
        f"{name:<15} hits {tally.ratio:6.1%}  bytes {tally.byte_ratio:6.1%}"
        f"  on disk {tally.disk / 2**20:7.1f} MiB  CPU {tally.cost:7.1f} us/request"
    )
