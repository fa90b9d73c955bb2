"""
The comparison: starts each scenario's peers, lets them work in turn within each round, and reads what they used.

Processor time of the proxy's whole process tree is taken around each window and divided by what the load counted. One peer works
at a time, for a window, or where a scenario can be paused for a moment in its turn; the others are up but idle. The order turns by
one from round to round, so that nobody is always first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import load, tls_load, usage
from benchmarks.certificates import write_certificates
from benchmarks.load import LoadFailed, Requests
from benchmarks.origins import start_tunnel_origin, start_web_origin
from benchmarks.peers import Peer, Ports, Role
from benchmarks.programs import Cores, DidNotStart, Program
from benchmarks.results import Cell, Series
from benchmarks.scenarios import ORIGIN_REQUEST, Job, Scenario, secure_request, way_of
from benchmarks.tls_load import Way
from benchmarks.turns import in_turns

WARM_SECONDS = 0.5
WARM_CONNECTIONS = 100
# Time for a proxy to finish with the connections of the last window before the next begins.
SETTLE_SECONDS = 0.3
# Idle connections inside TLS are fewer: each costs the peers up to 10 ms to open, and is large enough to be measured.
SECURE_SHARE = 4
#: In the state folder of the run.
CERTIFICATES = "certificates"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What is run and how long.

    @ivar seconds: of one window; whole seconds for wrk.
    @ivar connections: held in the idle scenarios.
    """

    scenarios: Sequence[Scenario]
    peers: Sequence[Peer]
    rounds: int
    seconds: float
    connections: int
    port_base: int
    cores: Cores
    state: Path


@dataclass(frozen=True, slots=True)
class _Contestant:
    peer: Peer
    ports: Ports
    role: Role
    program: Program
    state: Path


def compare(plan: Plan, say: Say) -> dict[str, dict[str, Series]]:
    """
    Run the whole plan.

    A peer that does not start or whose work fails is reported in its series and left out; the others go on.

    @return: series by scenario and peer.
    """
    ports = {
        peer.name: Ports.numbered(plan.port_base, index) for index, peer in enumerate(plan.peers)
    }
    results: dict[str, dict[str, Series]] = {}
    with ExitStack() as stack:
        certificates = None
        if any(scenario.secure for scenario in plan.scenarios):
            certificates = plan.state / CERTIFICATES
            write_certificates(certificates)
        first = next(iter(ports.values()))
        origin = start_web_origin(
            first.web_origin,
            plan.cores.load,
            plan.state / "web-origin",
            tls_port=first.tls_origin,
            certificates=certificates,
        )
        stack.enter_context(origin)
        tunnel_ports = [entry.tunnel_origin for entry in ports.values()]
        stack.enter_context(start_tunnel_origin(tunnel_ports, plan.cores.load, plan.state))
        for scenario in plan.scenarios:
            say(f"{scenario.name}: {scenario.title}")
            row = {peer.name: Series() for peer in plan.peers if scenario.role_of(peer)}
            results[scenario.name] = row
            if scenario.idle:
                _measure_idle(plan, scenario, ports, row, say)
            elif scenario.launch is not None:
                _measure_in_turns(plan, scenario, scenario.launch, ports, row, say)
            else:
                _measure_work(plan, scenario, ports, row, say)
    return results


def _start_all(
    plan: Plan,
    scenario: Scenario,
    ports: dict[str, Ports],
    row: dict[str, Series],
    stack: ExitStack,
    say: Say,
    turn: int = 0,
) -> list[_Contestant]:
    """Start every peer of the scenario that has not failed, all together because some take seconds; C{stack} will kill them."""
    started = []
    for peer in plan.peers:
        role = scenario.role_of(peer)
        if role is not None and not row[peer.name].failure:
            state = plan.state / scenario.name / str(turn) / peer.name
            program = peer.start(
                role,
                ports[peer.name],
                plan.cores,
                state,
                {"CERTIFICATES": str(plan.state / CERTIFICATES)},
            )
            # Nothing that a peer would still write is needed, and some take seconds to end in order.
            stack.callback(program.kill)
            started.append(_Contestant(peer, ports[peer.name], role, program, state))
    ready = []
    for contestant in started:
        try:
            contestant.program.wait_ready(
                contestant.peer.entrance(contestant.role, contestant.ports)
            )
        except DidNotStart as error:
            _fail(row, contestant.peer, error, say)
        else:
            ready.append(contestant)
    return ready


def _measure_work(
    plan: Plan, scenario: Scenario, ports: dict[str, Ports], row: dict[str, Series], say: Say
) -> None:
    with ExitStack() as stack:
        started = _start_all(plan, scenario, ports, row, stack, say)
        contestants = _warmed(plan, scenario, started, row, say)
        for turn in range(plan.rounds):
            shift = turn % len(contestants) if contestants else 0
            for contestant in contestants[shift:] + contestants[:shift]:
                series = row[contestant.peer.name]
                if series.failure:
                    continue
                time.sleep(SETTLE_SECONDS)
                try:
                    cell = _window(plan, scenario, contestant, turn)
                except (LoadFailed, OSError) as error:
                    _fail(row, contestant.peer, error, say)
                    continue
                _take(series, cell, scenario, contestant.peer, say)
        _weigh(contestants, row)


def _measure_in_turns(
    plan: Plan,
    scenario: Scenario,
    launch: Callable[[Peer, Ports, float], Requests],
    ports: dict[str, Ports],
    row: dict[str, Series],
    say: Say,
) -> None:
    # Each round with new processes: two of the same code were seen to differ by up to a tenth, as long as they lived.
    for turn in range(plan.rounds):
        with ExitStack() as stack:
            started = _start_all(plan, scenario, ports, row, stack, say, turn)
            contestants = _warmed(plan, scenario, started, row, say)
            _work_in_turns(plan, scenario, launch, contestants, row, turn, say)
            _weigh(contestants, row)


def _warmed(
    plan: Plan,
    scenario: Scenario,
    started: list[_Contestant],
    row: dict[str, Series],
    say: Say,
) -> list[_Contestant]:
    """Let each work a little; gives those that could."""
    contestants = []
    for contestant in started:
        try:
            _see_certificate(plan, scenario, contestant)
            with _begun(plan, scenario, contestant) as job:
                job(WARM_SECONDS)
        except (LoadFailed, OSError) as error:
            _fail(row, contestant.peer, error, say)
        else:
            contestants.append(contestant)
    return contestants


def _weigh(contestants: list[_Contestant], row: dict[str, Series]) -> None:
    for contestant in contestants:
        row[contestant.peer.name].memory = usage.memory(contestant.program.tree)


def _work_in_turns(
    plan: Plan,
    scenario: Scenario,
    launch: Callable[[Peer, Ports, float], Requests],
    contestants: list[_Contestant],
    row: dict[str, Series],
    turn: int,
    say: Say,
) -> None:
    """Measure one round of all contestants at once, each with as many seconds of its own as the plan gives."""
    time.sleep(SETTLE_SECONDS)
    seconds = plan.seconds * len(contestants)
    core = usage.core_busy_seconds(plan.cores.proxy)
    used = [usage.cpu_seconds(each.program.tree) for each in contestants]
    begun = time.monotonic()
    done = in_turns([partial(launch, each.peer, each.ports, seconds) for each in contestants], turn)
    elapsed = time.monotonic() - begun
    used = [
        usage.cpu_seconds(each.program.tree) - before
        for each, before in zip(contestants, used, strict=True)
    ]
    foreign = usage.core_busy_seconds(plan.cores.proxy) - core - sum(used)
    for each, work, cpu in zip(contestants, done, used, strict=True):
        series = row[each.peer.name]
        if isinstance(work, LoadFailed):
            _fail(row, each.peer, work, say)
            continue
        cell = Cell(
            round=turn,
            cost=cpu * scenario.unit.scale / work.units,
            rate=work.units * len(contestants) / work.seconds,
            errors=work.errors,
            # Of what waited for its turn they would say how long that was.
            p50_ms=None,
            p99_ms=None,
            busy=cpu * len(contestants) / elapsed,
            foreign=max(0.0, foreign / elapsed),
        )
        _take(series, cell, scenario, each.peer, say)


def _take(series: Series, cell: Cell, scenario: Scenario, peer: Peer, say: Say) -> None:
    series.cells.append(cell)
    say(
        f"  round {cell.round + 1} {peer.name:<10} {cell.cost:10.3f} {scenario.unit.cost}"
        f"  {cell.rate:10.1f} {scenario.unit.rate}"
    )


def _window(plan: Plan, scenario: Scenario, contestant: _Contestant, turn: int) -> Cell:
    with _begun(plan, scenario, contestant) as job:
        return _measured(plan, scenario, contestant, turn, job)


def _begun(plan: Plan, scenario: Scenario, contestant: _Contestant) -> AbstractContextManager[Job]:
    """Prepare what is not measured; what comes out works for so many seconds."""
    if scenario.begin is not None:
        return scenario.begin(_way(plan, contestant))
    peer, ports = contestant.peer, contestant.ports
    launch = scenario.launch
    if launch is not None:
        return nullcontext(lambda seconds: launch(peer, ports, seconds).work())
    assert scenario.run is not None
    return nullcontext(partial(scenario.run, peer, ports))


def _way(plan: Plan, contestant: _Contestant) -> Way:
    peer, role = contestant.peer, contestant.role
    return way_of(peer, role, contestant.ports, contestant.state, plan.state / CERTIFICATES)


def _see_certificate(plan: Plan, scenario: Scenario, contestant: _Contestant) -> None:
    """
    See that TLS is really the peer's own, with the certificate that it should have.

    @raise LoadFailed: it is not.
    """
    if scenario.secure:
        way = _way(plan, contestant)
        tls_load.prove(way, secure_request(way))


def _measured(plan: Plan, scenario: Scenario, contestant: _Contestant, turn: int, job: Job) -> Cell:
    core_before = usage.core_busy_seconds(plan.cores.proxy)
    cpu_before = usage.cpu_seconds(contestant.program.tree)
    begun = time.monotonic()
    work = job(plan.seconds)
    elapsed = time.monotonic() - begun
    cpu = usage.cpu_seconds(contestant.program.tree) - cpu_before
    core = usage.core_busy_seconds(plan.cores.proxy) - core_before
    if not work.units or not contestant.program.running:
        raise LoadFailed(f"nothing was done: {contestant.program.last_words(300)}")
    return Cell(
        round=turn,
        cost=cpu * scenario.unit.scale / work.units,
        rate=work.units / work.seconds,
        errors=work.errors,
        p50_ms=work.p50_ms,
        p99_ms=work.p99_ms,
        busy=cpu / elapsed,
        foreign=max(0.0, (core - cpu) / elapsed),
    )


def _measure_idle(
    plan: Plan, scenario: Scenario, ports: dict[str, Ports], row: dict[str, Series], say: Say
) -> None:
    # Memory given back is not seen by a second round in the same process: one round, each peer freshly started.
    with ExitStack() as stack:
        for contestant in _start_all(plan, scenario, ports, row, stack, say):
            series = row[contestant.peer.name]
            try:
                _see_certificate(plan, scenario, contestant)
                series.cells.append(_idle_cell(plan, scenario, contestant))
            except (LoadFailed, OSError) as error:
                _fail(row, contestant.peer, error, say)
                continue
            series.memory = usage.memory(contestant.program.tree)
            say(f"  {contestant.peer.name:<10} {series.cells[0].cost:10.2f} {scenario.unit.cost}")


def _idle_cell(plan: Plan, scenario: Scenario, contestant: _Contestant) -> Cell:
    with _held(plan, scenario, contestant, WARM_CONNECTIONS):
        time.sleep(SETTLE_SECONDS)
    time.sleep(1)
    before = usage.memory(contestant.program.tree)
    held = plan.connections // SECURE_SHARE if scenario.secure else plan.connections
    with _held(plan, scenario, contestant, held):
        time.sleep(1)
        during = usage.memory(contestant.program.tree)
    return Cell(round=0, cost=(during.pss - before.pss) / held * scenario.unit.scale, rate=held)


def _held(
    plan: Plan, scenario: Scenario, contestant: _Contestant, count: int
) -> AbstractContextManager[object]:
    """Hold so many connections, after a first request if the scenario wants one."""
    if scenario.secure:
        way = _way(plan, contestant)
        return tls_load.held(way, count, secure_request(way) if scenario.asks_first else None)
    entrance = contestant.peer.entrance(contestant.role, contestant.ports)
    asked = (
        first_request(contestant.role, contestant.ports.web_origin) if scenario.asks_first else None
    )
    return load.held(entrance, count, asked)


def first_request(role: Role, web_origin: int) -> bytes:
    """Give a short request for the 1 KB answer in the form this role wants."""
    if role is Role.FORWARD:
        return b"GET http://127.0.0.1:%d/1k HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (
            web_origin,
            web_origin,
        )
    return ORIGIN_REQUEST


def _fail(row: dict[str, Series], peer: Peer, error: Exception, say: Say) -> None:
    row[peer.name].failure = str(error) or type(error).__name__
    say(f"  {peer.name}: left out: {row[peer.name].failure}")
