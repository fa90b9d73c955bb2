"""
Interception of very many different names: memory is bounded by the cache of leaves, and handshakes get no dearer.

Each connection asks for a tunnel to a name of its own, shakes hands for it, makes one request and closes. The origin has one certificate with a
wildcard, so every name needs a leaf and no two of them share one.

A run of minutes outlives the moods of a shared machine, whose processor may be a quarter slower at its end. So a second gateway runs beside it,
which has begun with each step anew, and in turns with the first one is asked for a few names: what a handshake costs where nothing has grown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from benchmarks import tls_load, usage
from benchmarks.certificates import NAMES_BELOW, write_certificates
from benchmarks.compare import CERTIFICATES
from benchmarks.load import TUNNEL_BATCH
from benchmarks.origins import start_web_origin
from benchmarks.peers import GATEWAY, Ports, Role
from benchmarks.programs import Cores, Program
from benchmarks.scenarios import secure_request, way_of
from benchmarks.tls_load import Client, Way

#: In the last three steps a handshake may cost so much more than at a gateway that has just begun, in processor time of each.
LIMIT_DEARER = 1.2
#: What RSS may grow by: for each leaf that is kept, and beside them, whatever their number, for sessions with origins, buffers,
#: and what the allocator scatters.
LEAF_KIB = 8.0
BESIDE_MIB = 80.0
STEPS = 10
WARM_NAMES = 500
#: Names that the gateway beside it is asked for in each step, and into how many parts a step is divided to take turns.
FRESH_NAMES, TURNS = 640, 5
#: Connections to origins are not what is looked at here, and each name has one of its own: they are given up early, after so many
#: seconds; by then the last of them are closed, which is work as well.
UPSTREAM_IDLE, SETTLED_SECONDS = "1s", 1.5


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """
    What some handshakes did.

    @ivar cpu_us: processor time of the gateway for each; C{fresh_us}: of one that has just begun, in turns with it.
    @ivar rss: bytes, afterwards.
    @ivar leaves: kept, afterwards.
    @ivar evicted: leaves that gave way, since the start.
    @ivar upstreams: connections to origins that are kept, afterwards.
    """

    names: int
    errors: int
    rate: float
    cpu_us: float
    fresh_us: float
    rss: int
    leaves: int
    evicted: int
    upstreams: int


def snis(
    state: Path,
    cores: Cores,
    port_base: int,
    names: list[int],
    say: Callable[[str], None],
) -> int:
    """Run with each number of names, a new gateway each time; the exit code is 0 if the limits hold for all."""
    ports = Ports.numbered(port_base, 0)
    certificates = state / CERTIFICATES
    write_certificates(certificates)
    good = True
    origin = start_web_origin(
        ports.web_origin,
        cores.load,
        state / "web-origin",
        tls_port=ports.tls_origin,
        certificates=certificates,
    )
    with origin:
        for count in names:
            folder = state / str(count)
            with Gateway.started(folder, ports, cores, certificates) as gateway:
                good = _holds(gateway, count, port_base, cores, say) and good
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


@dataclasses.dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway, and the way to the origin through it."""

    program: Program
    way: Way
    health: int
    certificates: Path

    @classmethod
    @contextlib.contextmanager
    def started(
        cls, folder: Path, ports: Ports, cores: Cores, certificates: Path
    ) -> Iterator[Gateway]:
        """Start one, and see that it works; it ends with the context."""
        settings = {"CERTIFICATES": str(certificates), "UPSTREAM_IDLE": UPSTREAM_IDLE}
        with GATEWAY.start(Role.INTERCEPT, ports, cores, folder, settings) as program:
            program.wait_ready(ports.forward, ports.health)
            way = way_of(GATEWAY, Role.INTERCEPT, ports, folder, certificates)
            tls_load.prove(way, secure_request(way))
            yield cls(program, way, ports.health, certificates)

    def ask(self, names: range) -> Asked:
        """Make a connection for each of the names with these numbers."""
        context = self.way.context()
        errors = 0
        begun = time.monotonic()
        for start in range(names.start, names.stop, TUNNEL_BATCH):
            batch = range(start, min(start + TUNNEL_BATCH, names.stop))
            ways = [dataclasses.replace(self.way, host=f"host-{n}.{NAMES_BELOW}") for n in batch]
            clients = tls_load.shaken(ways, context)
            clients = tls_load.each(_request, clients)
            clients = tls_load.each(Client.answer, clients)
            for client in clients:
                client.close()
            errors += len(batch) - len(clients)
        return Asked(errors, time.monotonic() - begun)

    def used(self) -> float:
        """Give the seconds of processor time that it has used."""
        return usage.cpu_seconds(self.program.tree)


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What some handshakes took, in seconds."""

    errors: int
    seconds: float


def _holds(
    gateway: Gateway, count: int, port_base: int, cores: Cores, say: Callable[[str], None]
) -> bool:
    gateway.ask(range(WARM_NAMES))
    warm = usage.rss_bytes(gateway.program.tree)
    say(f"{count} names: before them {WARM_NAMES} others, RSS {warm / 2**20:.1f} MiB")
    steps = []
    for number in range(STEPS):
        first, last = (WARM_NAMES + count * (number + more) // STEPS for more in (0, 1))
        step = _step(gateway, range(first, last), port_base, cores)
        steps.append(step)
        say(
            f"  {last - WARM_NAMES:7} names  {step.rate:5.0f} handshakes/s  {step.cpu_us:5.0f} us each, of one that has just begun"
            f" {step.fresh_us:5.0f}  RSS {step.rss / 2**20:6.1f} MiB  {step.leaves} leaves kept, {step.evicted} gave way,"
            f" {step.upstreams} connections to origins  {step.errors} errors"
        )
    errors = sum(step.errors for step in steps)
    dearer = median(step.cpu_us / step.fresh_us for step in steps[-3:])
    at_first = median(step.cpu_us / step.fresh_us for step in steps[:3])
    grown = (max(step.rss for step in steps) - warm) / 2**20
    allowed = steps[-1].leaves * LEAF_KIB / 1024 + BESIDE_MIB
    say(
        f"  {count} names: at the end a handshake costs {dearer:.2f} of what it costs a gateway that has just begun (limit {LIMIT_DEARER:g}),"
        f" at the beginning {at_first:.2f}; RSS {grown:+.1f} MiB (limit {allowed:.0f}); {errors} errors"
    )
    return not errors and dearer <= LIMIT_DEARER and grown <= allowed


def _metrics(health: int) -> dict[str, float]:
    """Read the gateway's own counts."""
    with urlopen(f"http://127.0.0.1:{health}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
    }


def _request(client: Client) -> None:
    client.request(secure_request(client.way))


def _step(gateway: Gateway, names: range, port_base: int, cores: Cores) -> Step:
    """Ask for some names, in turns with a gateway that begins with them."""
    asked: list[Asked] = []
    asked_fresh: list[Asked] = []
    with tempfile.TemporaryDirectory() as folder:
        # With an origin in common.
        ports = Ports.numbered(port_base, 1)
        beside = Gateway.started(Path(folder, "fresh"), ports, cores, gateway.certificates)
        with beside as fresh:
            fresh.ask(range(WARM_NAMES))
            time.sleep(SETTLED_SECONDS)
            before = gateway.used(), fresh.used()
            for turn in range(TURNS):
                asked.append(gateway.ask(_part(names, turn)))
                few = range(WARM_NAMES, WARM_NAMES + FRESH_NAMES)
                asked_fresh.append(fresh.ask(_part(few, turn)))
            time.sleep(SETTLED_SECONDS)
            cpu, fresh_cpu = gateway.used() - before[0], fresh.used() - before[1]
    told = _metrics(gateway.health)
    return Step(
        len(names),
        sum(one.errors for one in asked + asked_fresh),
        len(names) / sum(one.seconds for one in asked),
        cpu / len(names) * 1e6,
        fresh_cpu / FRESH_NAMES * 1e6,
        usage.rss_bytes(gateway.program.tree),
        int(told["gateway_tls_leaves"]),
        int(told["gateway_tls_leaves_evicted_total"]),
        int(told['gateway_upstream_connections{pool="all",state="idle"}']),
    )


def _part(names: range, turn: int) -> range:
    """Give the names of one turn."""
    return range(
        names.start + len(names) * turn // TURNS, names.start + len(names) * (turn + 1) // TURNS
    )
