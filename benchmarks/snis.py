"""
Interception of very many different names: memory is bounded by the cache of leaves, and handshakes get no dearer.

Each connection asks for a tunnel to a name of its own, shakes hands for it, makes one request and closes. The origin has one certificate with a
wildcard, so every name needs a leaf and no two of them share one.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
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

#: The last three steps may cost so much more than the first three, in processor time of the gateway.
LIMIT_DEARER = 1.2
#: What RSS may grow by: for each leaf that is kept, and beside them, whatever their number, for sessions with origins, buffers,
#: and what the allocator scatters.
LEAF_KIB = 8.0
BESIDE_MIB = 80.0
STEPS = 10
WARM_NAMES = 500
#: Connections to origins are not what is looked at here, and each name has one of its own: they are given up early.
UPSTREAM_IDLE = "1s"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """
    What some handshakes did.

    @ivar cpu_us: processor time of the gateway for each.
    @ivar rss: bytes, afterwards.
    @ivar leaves: kept, afterwards.
    @ivar evicted: leaves that gave way, since the start.
    @ivar upstreams: connections to origins that are kept, afterwards.
    """

    names: int
    errors: int
    rate: float
    cpu_us: float
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
            settings = {"CERTIFICATES": str(certificates), "UPSTREAM_IDLE": UPSTREAM_IDLE}
            with GATEWAY.start(Role.INTERCEPT, ports, cores, folder, settings) as gateway:
                gateway.wait_ready(ports.forward, ports.health)
                way = way_of(GATEWAY, Role.INTERCEPT, ports, folder, certificates)
                good = _holds(gateway, way, count, ports.health, say) and good
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def _holds(gateway: Program, way: Way, count: int, health: int, say: Callable[[str], None]) -> bool:
    tls_load.prove(way, secure_request(way))
    warm = _step(gateway, way, 0, WARM_NAMES, health)
    say(f"{count} names: before them {warm.names} others, RSS {warm.rss / 2**20:.1f} MiB")
    steps = []
    for number in range(STEPS):
        first, last = (WARM_NAMES + count * (number + more) // STEPS for more in (0, 1))
        step = _step(gateway, way, first, last, health)
        steps.append(step)
        say(
            f"  {last - WARM_NAMES:7} names  {step.rate:5.0f} handshakes/s  {step.cpu_us:5.0f} us each"
            f"  RSS {step.rss / 2**20:6.1f} MiB  {step.leaves} leaves kept, {step.evicted} gave way,"
            f" {step.upstreams} connections to origins  {step.errors} errors"
        )
    errors = sum(step.errors for step in steps)
    dearer = median(step.cpu_us for step in steps[-3:]) / median(step.cpu_us for step in steps[:3])
    grown = (max(step.rss for step in steps) - warm.rss) / 2**20
    allowed = steps[-1].leaves * LEAF_KIB / 1024 + BESIDE_MIB
    say(
        f"  {count} names: at the end {dearer:.2f} of the beginning (limit {LIMIT_DEARER:g});"
        f" RSS {grown:+.1f} MiB (limit {allowed:.0f}); {errors} errors"
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


def _step(gateway: Program, way: Way, first: int, last: int, health: int) -> Step:
    """Make a connection for each of the names with these numbers."""
    context = way.context()
    errors = 0
    cpu_before = usage.cpu_seconds(gateway.tree)
    begun = time.monotonic()
    for start in range(first, last, TUNNEL_BATCH):
        numbers = range(start, min(start + TUNNEL_BATCH, last))
        ways = [dataclasses.replace(way, host=f"host-{number}.{NAMES_BELOW}") for number in numbers]
        clients = tls_load.shaken(ways, context)
        clients = tls_load.each(_request, clients)
        clients = tls_load.each(Client.answer, clients)
        for client in clients:
            client.close()
        errors += len(numbers) - len(clients)
    elapsed = time.monotonic() - begun
    cpu = usage.cpu_seconds(gateway.tree) - cpu_before
    told = _metrics(health)
    return Step(
        last - first,
        errors,
        (last - first) / elapsed,
        cpu / (last - first) * 1e6,
        usage.rss_bytes(gateway.tree),
        int(told["gateway_tls_leaves"]),
        int(told["gateway_tls_leaves_evicted_total"]),
        int(told['gateway_upstream_connections{pool="all",state="idle"}']),
    )
