"""The picture in the docs: how fast each program moves one file, with its spread. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

US = "lanspread"

WIDTH = 760
_LEFT = 170
_RIGHT = 90
_TOP = 44
_BAR = 20
_STEP = 32

# Readable on a light page and on a dark one.
_STYLE = """
text { font: 14px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.us { fill: #0969da } .other { fill: #8c959f } .spread { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #8d96a0 }
  .us { fill: #4493f8 } .other { fill: #6e7681 } .spread { stroke: #e6edf3 }
}
"""


def chart(document: Mapping[str, Any]) -> str:
    """An SVG of the runs of one row, the fastest first; they must be in one unit."""
    runs = sorted(document["runs"], key=lambda run: -run["median"])
    if not runs:
        raise ValueError("a chart needs runs")
    [unit] = {run["unit"] for run in runs}
    most = max(run["high"] for run in runs)
    height = _TOP + _STEP * len(runs) + 28
    title = f"One file from one PC to another, {unit}: more is better"
    below = f"Medians and spread, {document['date']}, {document['machine']['cpu']}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="10" y="24">{escape(title)}</text>',
            *_bars(runs, most),
            f'<text class="small" x="10" y="{height - 10}">{escape(below)}</text>',
            "</svg>\n",
        ]
    )


def _bars(runs: Sequence[Mapping[str, Any]], most: float) -> list[str]:
    per_unit = (WIDTH - _LEFT - _RIGHT) / most
    lines: list[str] = []
    for number, run in enumerate(runs):
        top = _TOP + _STEP * number
        middle, text = top + _BAR / 2, top + _BAR / 2 + 5
        low, high = (_LEFT + run[key] * per_unit for key in ("low", "high"))
        kind = "us" if run["name"] == US else "other"
        lines += [
            f'<text x="{_LEFT - 10}" y="{text:g}" text-anchor="end">{escape(run["name"])}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top}" height="{_BAR}" rx="3" '
            f'width="{run["median"] * per_unit:.1f}"/>',
            f'<path class="spread" d="M{low:.1f} {middle:g}H{high:.1f}"/>',
            f'<text x="{high + 10:.1f}" y="{text:g}">{run["median"]:.0f}</text>',
        ]
    return lines
