"""What a row measured, and whether that is enough. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.statistic import Series


@dataclass(frozen=True, slots=True)
class Check:
    """One figure and its target."""

    what: str
    figure: float
    target: float
    unit: str
    at_least: bool

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        return self.figure >= self.target if self.at_least else self.figure <= self.target


def at_least(what: str, figure: float, target: float, unit: str) -> Check:
    """A figure that should be large."""
    return Check(what, figure, target, unit, at_least=True)


def at_most(what: str, figure: float, target: float, unit: str) -> Check:
    """A figure that should be small."""
    return Check(what, figure, target, unit, at_least=False)


@dataclass(frozen=True, slots=True)
class Result:
    """One row: its first check is its figure, the others are measured in the same runs.

    `missing` says by name what could not be measured, and why; without any check, the whole row.
    """

    row: str
    checks: Sequence[Check]
    runs: Sequence[Series] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    ahead_of: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything was measured that the row promises, and all targets are met."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The result as plain values; a row that could not be measured has no figure."""
        first = self.checks[0] if self.checks else None
        return {
            "row": self.row,
            "figure": _rounded(first.figure) if first else None,
            "target": first.target if first else None,
            "unit": first.unit if first else None,
            "ok": self.ok,
            "checks": [
                {
                    "what": each.what,
                    "figure": _rounded(each.figure),
                    "target": each.target,
                    "unit": each.unit,
                    "at_least": each.at_least,
                    "ok": each.ok,
                }
                for each in self.checks
            ],
            "ahead_of": {name: _rounded(ratio) for name, ratio in self.ahead_of.items()},
            "runs": [
                {
                    "name": each.name,
                    "unit": each.unit,
                    "median": _rounded(each.median),
                    "low": _rounded(each.low),
                    "high": _rounded(each.high),
                    "values": [_rounded(value) for value in each.values],
                    "terms": each.terms,
                }
                for each in self.runs
            ],
            "missing": dict(self.missing),
            "facts": dict(self.facts),
        }


def not_measured(row: str, why: str) -> Result:
    """The result of a row that cannot be measured here."""
    return Result(row, (), missing={row: why})


def _rounded(value: float) -> float:
    """Four digits: more would only look exact."""
    return float(f"{value:.4g}")
