"""
The picture of a comparison: one panel of horizontal bars for each scenario, as SVG written by hand.

Shorter is better everywhere. A bar too long for its panel is cut and says so with a slanted end; the figure beside it is always whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from benchmarks.results import GATEWAY_NAME, Results, Series, ratio
from benchmarks.scenarios import SCENARIOS, Scenario

WIDTH = 920
BAR = 20
GAP = 6
LEFT = 110
FULL = 540
# How many times the cheapest bar the longest whole bar may be.
LONGEST = 8
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d2733}.title{font-weight:600;font-size:15px}"
    ".note{fill:#5b6875;font-size:12px}.ours{fill:#0b6e99}.peer{fill:#b9c4cf}"
)


def draw(results: Results, machine: Mapping[str, str]) -> str:
    """Give the SVG document."""
    parts: list[str] = []
    top = 58
    for scenario in SCENARIOS:
        row = results.get(scenario.name)
        if row and any(series.cells for series in row.values()):
            panel, height = _panel(scenario, row, top)
            parts += panel
            top += height
    caption = escape(", ".join(f"{value}" for value in machine.values() if value))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 8}" viewBox="0 0 {WIDTH} {top + 8}" role="img">',
            "<title>Cost of the gateway and its peers</title>",
            f"<style>{_STYLE}</style>",
            f'<rect width="{WIDTH}" height="{top + 8}" fill="#ffffff"/>',
            '<text x="16" y="26" class="title">What the same work costs: processor time or memory, shorter is better</text>',
            f'<text x="16" y="44" class="note">one process each, access log on, medians; {caption}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(scenario: Scenario, row: Mapping[str, Series], top: int) -> tuple[list[str], int]:
    costs = {name: series.cost for name, series in row.items() if series.cost is not None}
    positive = [cost for cost in costs.values() if cost > 0]
    reference = costs.get(GATEWAY_NAME) or (min(positive) if positive else 1.0)
    whole = [cost for cost in positive if cost <= LONGEST * reference]
    scale = FULL / max([*whole, reference])
    parts = [
        f'<text x="16" y="{top + 14}" class="title">{escape(scenario.title)} ({escape(scenario.unit.cost)})</text>'
    ]
    y = top + 24
    for name, cost in sorted(costs.items(), key=lambda entry: entry[1]):
        length = max(1.0, cost * scale)
        kind = "ours" if name == GATEWAY_NAME else "peer"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        if length > FULL:
            length = FULL
            points = f"{LEFT},{y} {LEFT + FULL},{y} {LEFT + FULL - 12},{y + BAR} {LEFT},{y + BAR}"
            parts.append(f'<polygon points="{points}" class="{kind}"/>')
        else:
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" class="{kind}"/>'
            )
        parts.append(
            f'<text x="{LEFT + length + 8:.1f}" y="{y + 15}">{_label(name, cost, row)}</text>'
        )
        y += BAR + GAP
    return parts, y - top + 14


def _label(name: str, cost: float, row: Mapping[str, Series]) -> str:
    figure = f"{cost:,.0f}" if cost >= 100 else f"{cost:.2f}" if cost < 10 else f"{cost:.1f}"
    if name == GATEWAY_NAME:
        return figure
    quotient = ratio(row.get(GATEWAY_NAME), row[name])
    return f"{figure}  (gateway: {quotient:.2f} of it)" if quotient is not None else figure
