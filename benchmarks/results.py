"""
Figures of a comparison: what one window gave, medians over rounds, ratios within a round, targets met or not.

Plain arithmetic on values, and how they are written down; measures and prints nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

from benchmarks.scenarios import TARGETS, Target
from benchmarks.usage import Memory

K = TypeVar("K")

GATEWAY_NAME = "gateway"


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One peer in one window.

    @ivar cost: in the scenario's unit.
    @ivar rate: units of work per second.
    @ivar busy: the proxy's share of its core in the window, 0 to 1.
    @ivar foreign: the share of the same core that others used: the noise.
    """

    round: int
    cost: float
    rate: float
    errors: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    busy: float = 0.0
    foreign: float = 0.0


@dataclass(slots=True)
class Series:
    """All windows of one peer in one scenario, its memory after them, and why it failed if it did."""

    cells: list[Cell] = field(default_factory=list)
    memory: Memory | None = None
    failure: str = ""

    @property
    def cost(self) -> float | None:
        """Give the median cost, None if there is no window."""
        return median(cell.cost for cell in self.cells) if self.cells else None

    @property
    def spread(self) -> float:
        """Give half the distance of dearest and cheapest window, as a share of the median."""
        cost = self.cost
        if not cost:
            return 0.0
        costs = [cell.cost for cell in self.cells]
        return (max(costs) - min(costs)) / 2 / cost

    @property
    def rate(self) -> float:
        """Give the median rate."""
        return median(cell.rate for cell in self.cells)

    @property
    def errors(self) -> int:
        """Give the failed units of all windows."""
        return sum(cell.errors for cell in self.cells)

    @property
    def busy(self) -> float:
        """Give the median share of its core."""
        return median(cell.busy for cell in self.cells)

    @property
    def foreign(self) -> float:
        """Give the worst share others took of the proxy's core."""
        return max(cell.foreign for cell in self.cells)

    def latency(self, name: str) -> float | None:
        """Give the median over rounds of C{p50_ms} or C{p99_ms}, None where units are not timed."""
        values = [value for cell in self.cells if (value := getattr(cell, name)) is not None]
        return median(values) if values else None


Results = Mapping[str, Mapping[str, Series]]


def ratio(ours: Series | None, theirs: Series | None) -> float | None:
    """
    Give the median over rounds of our cost divided by theirs in the same round.

    Pairs of one round saw the same minute of the machine; medians of different minutes would not compare.
    """
    if ours is None or theirs is None:
        return None
    other = {cell.round: cell.cost for cell in theirs.cells}
    ratios = [cell.cost / other[cell.round] for cell in ours.cells if other.get(cell.round)]
    return median(ratios) if ratios else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A target and what was measured for it; C{measured} is None if the run cannot say."""

    target: Target
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Tell whether the target holds, None if it was not measured."""
        return None if self.measured is None else self.measured <= self.target.limit


def judge(results: Results, targets: Iterable[Target] = TARGETS) -> list[Judgement]:
    """Hold each target against what was measured; those of scenarios that were not run are left out."""
    judgements = []
    for target in targets:
        row = results.get(target.scenario)
        if row is None:
            continue
        ours = row.get(GATEWAY_NAME)
        if target.peer is None:
            measured = ours.cost if ours else None
        else:
            measured = ratio(ours, row.get(target.peer))
        judgements.append(Judgement(target, measured))
    return judgements


def costs(row: Mapping[K, Series]) -> dict[K, list[float]]:
    """Give what each round of each peer cost, for a file."""
    return {name: [cell.cost for cell in series.cells] for name, series in row.items()}


def write(out: Path, name: str, figures: object) -> Path:
    """
    Write figures as JSON.

    @param out: the folder, made if it is not there.
    @return: the file.
    """
    out.mkdir(exist_ok=True)
    file = out / f"{name}.json"
    file.write_text(json.dumps(figures, indent=1) + "\n")
    return file
