"""
What a comparison prints and writes: tables for people, JSON for programs.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.compare import Plan
from benchmarks.peers import Peer
from benchmarks.results import GATEWAY_NAME, Results, Series, judge, ratio
from benchmarks.scenarios import PER_CONNECTION, SCENARIOS, Scenario

MIB = 1 << 20
# Above this share of the proxy's core used by others, a window says little.
NOISE = 0.10


def tables(results: Results) -> str:
    """Give one table for each scenario that was run."""
    return "\n\n".join(
        _table(scenario, results[scenario.name])
        for scenario in SCENARIOS
        if scenario.name in results
    )


def _table(scenario: Scenario, row: Mapping[str, Series]) -> str:
    ours = row.get(GATEWAY_NAME)
    if scenario.unit is PER_CONNECTION:
        head = ["", scenario.unit.cost, "gateway/peer", scenario.unit.rate, "RSS MiB", "PSS MiB"]
    else:
        head = [
            "",
            f"CPU {scenario.unit.cost}",
            "+-",
            "gateway/peer",
            scenario.unit.rate,
            "p50 ms",
            "p99 ms",
        ]
        head += ["core", "others", "errors", "RSS MiB", "PSS MiB"]
    lines = [head]
    for name, series in row.items():
        if not series.cells:
            lines.append(
                [
                    name,
                    f"left out: {series.failure.splitlines()[0] if series.failure else 'not run'}",
                ]
            )
            continue
        # An idle scenario has one window, so this is then just the quotient.
        compared = "1" if name == GATEWAY_NAME else _number(ratio(ours, series), 2)
        used = series.memory
        memory = [
            _number(used.rss / MIB if used else None, 1),
            _number(used.pss / MIB if used else None, 1),
        ]
        if scenario.unit is PER_CONNECTION:
            lines.append([name, _number(series.cost, 1), compared, f"{series.rate:.0f}", *memory])
            continue
        lines.append(
            [
                name,
                _number(series.cost, 3 if scenario.unit.scale < 1e6 else 1),
                f"{series.spread:.0%}",
                compared,
                f"{series.rate:,.0f}",
                _number(series.latency("p50_ms"), 2),
                _number(series.latency("p99_ms"), 2),
                f"{series.busy:.0%}",
                f"{series.foreign:.0%}" + ("!" if series.foreign > NOISE else ""),
                str(series.errors),
                *memory,
            ]
        )
    return f"{scenario.name}: {scenario.title}\n{_columns(lines)}"


def targets(results: Results) -> str:
    """Give the table of what is asked of the gateway."""
    lines = [["target", "limit", "measured", ""]]
    for judgement in judge(results):
        target = judgement.target
        unit = next(scenario.unit for scenario in SCENARIOS if scenario.name == target.scenario)
        what = (
            f"{target.scenario}, {unit.cost}"
            if target.peer is None
            else f"{target.scenario} / {target.peer}"
        )
        verdict = {None: "not measured", True: "met", False: "NOT MET"}[judgement.met]
        lines.append([what, f"<= {target.limit:g}", _number(judgement.measured, 2), verdict])
    return "targets (our cost divided by the peer's, in the same round)\n" + _columns(lines)


def missing(peers: Sequence[Peer]) -> str:
    """Say how to get the peers that are not installed."""
    return "\n".join(
        f"not installed: {peer.name}: {peer.install}" for peer in peers if peer.path() is None
    )


def write_json(path: Path, plan: Plan, results: Results) -> None:
    """Write every window, the medians, the machine and the peers' versions."""
    document = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(),
        "method": {
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "idle_connections": plan.connections,
            "proxy_cores": sorted(plan.cores.proxy),
            "load_cores": sorted(plan.cores.load),
        },
        "versions": {peer.name: peer.describe_version() for peer in plan.peers},
        "scenarios": {
            scenario.name: {
                "title": scenario.title,
                "unit": scenario.unit.cost,
                "peers": {
                    name: {
                        "cost": series.cost,
                        "spread": series.spread,
                        "ratio": ratio(results[scenario.name].get(GATEWAY_NAME), series),
                        "memory": series.memory and asdict(series.memory),
                        "failure": series.failure,
                        "windows": [asdict(cell) for cell in series.cells],
                    }
                    for name, series in results[scenario.name].items()
                },
            }
            for scenario in SCENARIOS
            if scenario.name in results
        },
        "targets": [
            {**asdict(judgement.target), "measured": judgement.measured, "met": judgement.met}
            for judgement in judge(results)
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def machine() -> dict[str, str]:
    """Describe the machine."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": f"{os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"Python {platform.python_version()}",
    }


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _columns(lines: Sequence[Sequence[str]]) -> str:
    full = [line for line in lines if len(line) == len(lines[0])]
    widths = [max(len(line[index]) for line in full) for index in range(len(lines[0]))]
    names = max(len(line[0]) for line in lines)
    widths[0] = names
    text = []
    for line in lines:
        first = line[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=False)]
        text.append("  ".join([first, *rest]).rstrip())
    return "\n".join(text)
