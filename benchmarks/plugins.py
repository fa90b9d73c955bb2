"""
What a plugin costs that has nothing to say: the reverse proxy with 0, 1, 5 and 20 of them, in turn within each round.

The plugins are installed for this run only, as a package with entry points in a folder of its own; each implements
C{request_headers} and C{response_headers} and answers neither. The cost of one is the slope of a straight line through the
costs of a request, fitted within each round, so that a round in which the machine was busy shifts its line and tilts it little.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks.compare import Plan, compare
from benchmarks.peers import GATEWAY, REPOSITORY, Peer, Role
from benchmarks.programs import Cores
from benchmarks.results import Series, costs, write
from benchmarks.scenarios import SCENARIOS
from benchmarks.soak import fit_slope

COUNTS = (0, 1, 5, 20)
LIMIT_US = 1.5
SCENARIO = "reverse-1k"
PLUGIN = '''
class NoOp{number}(Plugin):
    """Looks at nothing."""

    name = "noop_{number}"

    @hookimpl()
    def request_headers(self, txn):
        """Have no opinion."""
        return None

    @hookimpl()
    def response_headers(self, txn):
        """Have no opinion."""
        return None
'''


def plugins(
    state: Path,
    cores: Cores,
    port_base: int,
    rounds: int,
    seconds: float,
    out: Path,
    say: Callable[[str], None],
) -> int:
    """Measure and report; the exit code is 0 if one plugin costs no more than L{LIMIT_US} a request."""
    packages = state / "packages"
    install(packages, max(COUNTS))
    peers = {count: _with(count, packages) for count in COUNTS}
    plan = Plan(
        scenarios=[entry for entry in SCENARIOS if entry.name == SCENARIO],
        peers=list(peers.values()),
        rounds=rounds,
        seconds=seconds,
        connections=0,
        port_base=port_base,
        cores=cores,
        state=state,
    )
    row = compare(plan, say)[SCENARIO]
    series = {count: row[peer.name] for count, peer in peers.items()}
    for count, found in series.items():
        if found.failure or not found.cells:
            say(f"{count} plugins: {found.failure or 'not measured'}")
            return 1
        say(
            f"{count:3} plugins  {found.cost:8.2f} us/request (median of {len(found.cells)}, +-{found.spread:.1%},"
            f" {found.errors} errors)"
        )
    slopes = slopes_of(series)
    cost = median(slopes)
    met = cost <= LIMIT_US
    say(
        f"one plugin: {cost:.2f} us a request (rounds: {', '.join(f'{slope:.2f}' for slope in slopes)});"
        f" at most {LIMIT_US}: {'met' if met else 'NOT MET'}"
    )
    write(
        out,
        "plugins",
        {
            "us_per_plugin_and_request": cost,
            "slopes": slopes,
            "us_per_request": costs(series),
        },
    )
    return 0 if met else 1


def install(folder: Path, count: int) -> None:
    """Write a module with so many plugins and what an installer would write beside it."""
    folder.mkdir(parents=True)
    head = '"""Plugins without an opinion."""\n\nfrom gateway.api import Plugin, hookimpl\n'
    module = head + "".join(PLUGIN.format(number=number) for number in range(count))
    (folder / "gateway_benchmark_noops.py").write_text(module)
    described = folder / "gateway_benchmark_noops-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gateway-benchmark-noops\nVersion: 1.0\n"
    )
    points = "".join(
        f"noop_{number} = gateway_benchmark_noops:NoOp{number}\n" for number in range(count)
    )
    (described / "entry_points.txt").write_text(f"[gateway.plugins]\n{points}")


def slopes_of(series: Mapping[int, Series]) -> list[float]:
    """Give, for each round that all took part in, what one plugin more costs."""
    rounds: dict[int, dict[int, float]] = {}
    for count, found in series.items():
        for cell in found.cells:
            rounds.setdefault(cell.round, {})[count] = cell.cost
    return [
        fit_slope(sorted(costs.items()))
        for _, costs in sorted(rounds.items())
        if len(costs) == len(series)
    ]


def _with(count: int, packages: Path) -> Peer:
    """Give the gateway with so many plugins, and none beside."""
    names = json.dumps([f"noop_{number}" for number in range(count)])

    def command(path: str, state: Path, role: Role) -> list[str]:
        file = state / "gateway.toml"
        before, _, after = file.read_text().partition("[plugins]\n")
        rest = after.partition("\n")[2]
        file.write_text(f"{before}[plugins]\nenabled = {names}\n{rest}")
        return GATEWAY.command(path, state, role)

    return dataclasses.replace(
        GATEWAY,
        name=f"{count} plugins",
        command=command,
        environment={"PYTHONPATH": f"{packages}:{REPOSITORY}:{REPOSITORY / 'plugins'}"},
    )
