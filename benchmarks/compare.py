"""
The comparison: starts each scenario's peers, lets them work in turn within each round, and reads what they used.

Processor time of the proxy's whole process tree is taken around each window and divided by what the load counted. One peer works
at a time; the others are up but idle. The order turns by one from round to round, so that nobody is always first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, usage
from benchmarks.load import LoadFailed
from benchmarks.origins import start_tunnel_origin, start_web_origin
from benchmarks.peers import Peer, Ports, Role
from benchmarks.programs import Cores, DidNotStart, Program
from benchmarks.results import Cell, Series
from benchmarks.scenarios import ORIGIN_REQUEST, Scenario

WARM_SECONDS = 0.5
WARM_CONNECTIONS = 100
# Time for a proxy to finish with the connections of the last window before the next begins.
SETTLE_SECONDS = 0.3

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
        web_port = next(iter(ports.values())).web_origin
        stack.enter_context(start_web_origin(web_port, plan.cores.load, plan.state / "web-origin"))
        tunnel_ports = [entry.tunnel_origin for entry in ports.values()]
        stack.enter_context(start_tunnel_origin(tunnel_ports, plan.cores.load, plan.state))
        for scenario in plan.scenarios:
            say(f"{scenario.name}: {scenario.title}")
            row = {peer.name: Series() for peer in plan.peers if scenario.role_of(peer)}
            results[scenario.name] = row
            if scenario.run is None:
                _measure_idle(plan, scenario, ports, row, say)
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
) -> list[_Contestant]:
    """Start every peer of the scenario, all together because some take seconds; C{stack} will kill them."""
    started = []
    for peer in plan.peers:
        role = scenario.role_of(peer)
        if role is not None:
            program = peer.start(
                role, ports[peer.name], plan.cores, plan.state / scenario.name / peer.name
            )
            # Nothing that a peer would still write is needed, and some take seconds to end in order.
            stack.callback(program.kill)
            started.append(_Contestant(peer, ports[peer.name], role, program))
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
    assert scenario.run is not None
    with ExitStack() as stack:
        contestants = []
        for contestant in _start_all(plan, scenario, ports, row, stack, say):
            try:
                scenario.run(contestant.peer, contestant.ports, WARM_SECONDS)
            except (LoadFailed, OSError) as error:
                _fail(row, contestant.peer, error, say)
            else:
                contestants.append(contestant)
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
                series.cells.append(cell)
                say(
                    f"  round {turn + 1} {contestant.peer.name:<10} {cell.cost:10.3f} {scenario.unit.cost}"
                    f"  {cell.rate:10.1f} {scenario.unit.rate}"
                )
        for contestant in contestants:
            row[contestant.peer.name].memory = usage.memory(contestant.program.tree)


def _window(plan: Plan, scenario: Scenario, contestant: _Contestant, turn: int) -> Cell:
    assert scenario.run is not None
    core_before = usage.core_busy_seconds(plan.cores.proxy)
    cpu_before = usage.cpu_seconds(contestant.program.tree)
    begun = time.monotonic()
    work = scenario.run(contestant.peer, contestant.ports, plan.seconds)
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
                series.cells.append(_idle_cell(plan, scenario, contestant))
            except (LoadFailed, OSError) as error:
                _fail(row, contestant.peer, error, say)
                continue
            series.memory = usage.memory(contestant.program.tree)
            say(f"  {contestant.peer.name:<10} {series.cells[0].cost:10.2f} {scenario.unit.cost}")


def _idle_cell(plan: Plan, scenario: Scenario, contestant: _Contestant) -> Cell:
    entrance = contestant.peer.entrance(contestant.role, contestant.ports)
    asked = (
        first_request(contestant.role, contestant.ports.web_origin) if scenario.asks_first else None
    )
    with load.held(entrance, WARM_CONNECTIONS, asked):
        time.sleep(SETTLE_SECONDS)
    time.sleep(1)
    before = usage.memory(contestant.program.tree)
    with load.held(entrance, plan.connections, asked) as clients:
        time.sleep(1)
        during = usage.memory(contestant.program.tree)
        held = len(clients)
    return Cell(round=0, cost=(during.pss - before.pss) / held * scenario.unit.scale, rate=held)


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
