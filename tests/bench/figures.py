"""What do measured times say: percentiles, and the table that shows them?"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of durations in milliseconds, nearest rank."""

    count: int
    p50: float
    p95: float
    p99: float
    most: float


def spread(milliseconds: Sequence[float]) -> Spread | None:
    """Return the spread of some durations; None for none."""
    if not milliseconds:
        return None
    ordered = sorted(milliseconds)
    p50, p95, p99 = (ordered[math.ceil(len(ordered) * percentile / 100) - 1] for percentile in PERCENTILES)
    return Spread(len(ordered), p50, p95, p99, ordered[-1])


def median(runs: Sequence[T], of: Callable[[T], float]) -> float:
    """The median of something over the runs."""
    return statistics.median(map(of, runs))


def median_spread(runs: Sequence[Sequence[float]]) -> Spread | None:
    """The median of each percentile over the runs; None when a run has no value."""
    found = [spread(run) for run in runs]
    told = [one for one in found if one is not None]
    if not told or len(told) < len(found):
        return None

    def middle(of: Callable[[Spread], float]) -> float:
        return statistics.median(map(of, told))

    return Spread(
        count=sum(one.count for one in told),
        p50=middle(lambda one: one.p50),
        p95=middle(lambda one: one.p95),
        p99=middle(lambda one: one.p99),
        most=max(one.most for one in told),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table with columns of one width; all but the first are set to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join((first, *rest)) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(head), line(rule), *map(line, rows)]
