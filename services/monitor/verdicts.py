"""What does a reader's recent past say: is it well, losing, stalled, stopped or rewound? Pure rules over readings.

Rules look at offsets as they were every few seconds, so they hold for any group, however it commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

WINDOW_S: Final = 60.0  # how much of the past is looked at
STILL_S: Final = 10.0  # a commit that has not moved for this long, with records waiting, is not at work
REWIND_HELD_S: Final = 30.0
LOSING_SHARE: Final = 0.05  # of the input rate
LOSING_POINTS: Final = 4
LOSING_SPAN_S: Final = 14.0


class Verdict(StrEnum):
    """OK; LOSING: works, but slower than records come; STALL: has consumers and does not move; STOP: nobody reads;
    REWIND: the commit went back."""

    OK = "OK"
    LOSING = "LOSING"
    STALL = "STALL"
    STOP = "STOP"
    REWIND = "REWIND"


@dataclass(frozen=True, slots=True)
class Point:
    """One reading: epoch seconds, offsets, age in seconds of the oldest waiting record (None: unknown)."""

    at: float
    committed: int
    end: int
    age_s: float | None = None

    @property
    def lag(self) -> int:
        return max(0, self.end - self.committed)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its evidence in words, and the seconds until the backlog is gone (None: not at this rate)."""

    verdict: Verdict
    why: str
    drain_s: float | None = None


def judge(points: Sequence[Point], *, members: int | None = None, patience_s: float = 0.0) -> Judgement:
    """Judge the points of the last `WINDOW_S` seconds, oldest first, at least one.

    `members` 0 says that the group has no consumer. `patience_s` is how old a record may be here by design: a retry
    tier holds each for a fixed time.
    """
    last = points[-1]
    since = _after_rewind(points)
    if since[0] is not points[0] and last.at - since[0].at < REWIND_HELD_S:
        before = points[len(points) - len(since) - 1].committed
        return Judgement(Verdict.REWIND, f"the commit went back by {before - since[0].committed} records")
    drain = _drain_s(since)
    if not last.lag:
        return Judgement(Verdict.OK, "caught up", 0.0)
    if last.age_s is not None and last.age_s <= patience_s:
        return Judgement(Verdict.OK, f"records wait up to {patience_s:g} s here by design", drain)
    still = _still_s(since)
    if still >= STILL_S:
        if members == 0:
            return Judgement(Verdict.STOP, f"{last.lag} records wait and the group has no consumer")
        return Judgement(Verdict.STALL, f"{last.lag} records wait and the commit has not moved for {still:.0f} s")
    if losing := _losing(since):
        return Judgement(Verdict.LOSING, losing, drain)
    return Judgement(Verdict.OK, f"{last.lag} records behind, at work", drain)


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """The median slope over all pairs of (x, y): one dip or one burst does not move it. 0 without two x."""
    slopes = [
        (y2 - y1) / (x2 - x1) for number, (x1, y1) in enumerate(points) for x2, y2 in points[number + 1 :] if x2 > x1
    ]
    return median(slopes) if slopes else 0.0


def _after_rewind(points: Sequence[Point]) -> Sequence[Point]:
    """The points since the last rewind: its step would read as a growing backlog."""
    start = 0
    for number, (before, after) in enumerate(pairwise(points), start=1):
        if after.committed < before.committed:
            start = number
    return points[start:]


def _still_s(points: Sequence[Point]) -> float:
    """Seconds for which records have waited and the commit has not moved."""
    last = points[-1]
    began = last.at
    for point in reversed(points):
        if point.committed != last.committed or not point.lag:
            break
        began = point.at
    return last.at - began


def _losing(points: Sequence[Point]) -> str:
    """The evidence that the backlog grows, or an empty text."""
    span = points[-1].at - points[0].at
    if len(points) < LOSING_POINTS or span < LOSING_SPAN_S:
        return ""
    coming = (points[-1].end - points[0].end) / span
    growing = theil_sen([(point.at, float(point.lag)) for point in points])
    if growing <= LOSING_SHARE * coming or growing <= 0:
        return ""
    return f"the backlog grows by {growing:.1f} records/s while {coming:.1f} records/s come in"


def _drain_s(points: Sequence[Point]) -> float | None:
    first, last = points[0], points[-1]
    if not last.lag:
        return 0.0
    if last.at <= first.at:
        return None
    gaining = ((last.committed - first.committed) - (last.end - first.end)) / (last.at - first.at)
    return round(last.lag / gaining, 1) if gaining > 0 else None
