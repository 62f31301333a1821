"""The measurements of a scenario, and their presentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Counts = Counter[tuple[str, str, str]]
"""Requests by service, method and kind."""
MB = 1e6


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for a figure, or for its ratio to the floor (`of_floor`)."""

    bound: float
    of_floor: bool = False
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_number(self.bound)}{' x' if self.of_floor else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, and the same of the bare program of the same run, if there is one."""

    what: str
    value: float
    unit: str = ""
    floor: float | None = None
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """The value in floors."""
        return self.value / self.floor if self.floor else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        measured = self.ratio if self.target.of_floor else self.value
        if measured is None:
            return None
        return measured >= self.target.bound if self.target.at_least else measured <= self.target.bound


@dataclass(frozen=True, slots=True)
class Result:
    """A scenario's figures, the circumstances in words, and the requests of the run and of its floor."""

    scenario: str
    circumstances: str
    figures: Sequence[Figure]
    requests: Counts = field(default_factory=Counter)
    floor_requests: Counts = field(default_factory=Counter)

    def figure(self, what: str) -> Figure:
        """The figure of that name. Raises KeyError."""
        for figure in self.figures:
            if figure.what == what:
                return figure
        raise KeyError(what)

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {
            "scenario": self.scenario,
            "circumstances": self.circumstances,
            "figures": [
                {
                    **asdict(figure),
                    "ratio": figure.ratio,
                    "target": str(figure.target) if figure.target else None,
                    "met": figure.is_met,
                }
                for figure in self.figures
            ],
            "requests": _listed(self.requests),
            "floor_requests": _listed(self.floor_requests),
        }


def shown(results: Iterable[Result]) -> str:
    """The tables, in Markdown that reads well as it is."""
    parts = []
    for result in results:
        rows = [_cells(figure) for figure in result.figures]
        parts.append(f"{result.scenario}: {result.circumstances}\n\n" + _table(_HEADINGS, rows))
        if result.requests:
            parts.append(_table(("requests", "measured", "floor"), _request_rows(result)))
    return "\n\n".join(parts)


_HEADINGS = ("figure", "measured", "floor", "ratio", "target", "met")
_MET = {True: "yes", False: "no", None: ""}


def _cells(figure: Figure) -> tuple[str, ...]:
    unit = f" {figure.unit}" if figure.unit else ""
    return (
        figure.what,
        _number(figure.value) + unit,
        "" if figure.floor is None else _number(figure.floor) + unit,
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        str(figure.target or ""),
        _MET[figure.is_met],
    )


def _request_rows(result: Result) -> list[tuple[str, ...]]:
    kinds = sorted({*result.requests, *result.floor_requests})
    return [
        (f"{service} {method} {kind}", str(result.requests[key]), str(result.floor_requests[key]))
        for key in kinds
        for service, method, kind in [key]
    ]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"


def _listed(counts: Mapping[tuple[str, str, str], int]) -> list[dict[str, Any]]:
    return [
        {"service": service, "method": method, "kind": kind, "count": count}
        for (service, method, kind), count in sorted(counts.items())
    ]
