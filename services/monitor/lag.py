"""How far behind is a reader, in records and in seconds? Arithmetic only; the numbers come from the broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from services.monitor.verdicts import Judgement, Point, Verdict

NO_COMMIT: Final = "the group has committed no offset here"
NO_PARTITION: Final = "the partition is gone; the group's commit outlived it"
BEYOND: Final = "the commit lies beyond the end: the topic was made anew"
OVERTAKEN: Final = "retention has deleted records that were never read"


class Place(NamedTuple):
    """One group on one partition; names without the cluster's prefix."""

    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What the broker said of one place in one reading.

    `committed` is the next offset to be read, None without a commit. `end` is read after it, None for a partition
    that does not exist. `oldest_ms` is the timestamp (epoch ms) of the oldest record not yet processed, None when
    there is none or when it could not be read; `overtaken` says that older ones were deleted unread. `members` counts
    the group's consumers, None where nobody knows. `ours` is False for a group that is not one of this system's.
    """

    place: Place
    committed: int | None
    end: int | None
    oldest_ms: int | None = None
    overtaken: bool = False
    members: int | None = None
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """All places at one moment; `at` is when the reading was finished, aware UTC."""

    at: datetime
    places: tuple[Observed, ...]


@dataclass(frozen=True, slots=True)
class LagRow:
    """One row of `GET /v1/ops/lag` (interfaces, "Operations"). `lag` in records, `age_s` and `drain_s` in seconds.

    Unknown is null, never a guess: no commit means no lag, no age and no verdict, and `why` says so. `drain_s` is
    null also when the backlog does not shrink.
    """

    group: str
    topic: str
    partition: int
    committed: int | None
    end: int | None
    lag: int | None
    age_s: float | None
    verdict: Verdict | None
    why: str
    drain_s: float | None


def lag_of(committed: int | None, end: int | None) -> int | None:
    """Records between commit and end; never negative, None where either is unknown."""
    return None if committed is None or end is None else max(0, end - committed)


def age_of(observed: Observed, now: datetime) -> float | None:
    """Seconds since the oldest unprocessed record was written: 0 when caught up, None when unknown."""
    lag = lag_of(observed.committed, observed.end)
    if not lag:
        return None if lag is None else 0.0
    if observed.oldest_ms is None:
        return None
    return max(0.0, round((now - datetime.fromtimestamp(observed.oldest_ms / 1000, UTC)).total_seconds(), 3))


def point_of(observed: Observed, at: datetime) -> Point | None:
    """The observation as verdicts want it, or None where there is nothing to judge."""
    lag = lag_of(observed.committed, observed.end)
    if lag is None or observed.committed is None or observed.end is None:
        return None
    return Point(at.timestamp(), observed.committed, observed.end, age_of(observed, at))


def rows(reading: Reading, judgements: Mapping[Place, Judgement], now: datetime) -> list[LagRow]:
    """Return the table as of `now`, worst first: a lag that nobody works off keeps ageing between two readings."""
    table = [_row(observed, judgements.get(observed.place), now) for observed in reading.places]
    return sorted(table, key=_worst_first)


def _row(observed: Observed, judged: Judgement | None, now: datetime) -> LagRow:
    return LagRow(
        *observed.place,
        committed=observed.committed,
        end=observed.end,
        lag=lag_of(observed.committed, observed.end),
        age_s=age_of(observed, now),
        verdict=judged.verdict if judged else None,
        why="; ".join(_why(observed, judged)),
        drain_s=judged.drain_s if judged else None,
    )


def _why(observed: Observed, judged: Judgement | None) -> Sequence[str]:
    if observed.committed is None:
        return (NO_COMMIT,)
    if observed.end is None:
        return (NO_PARTITION,)
    told = [judged.why] if judged else []
    if observed.committed > observed.end:
        told.append(BEYOND)
    if observed.overtaken:
        told.append(OVERTAKEN)
    return told


def _worst_first(row: LagRow) -> tuple[bool, float, int, str, str, int]:
    fine = row.verdict in (None, Verdict.OK)
    return (fine, -(row.age_s or 0.0), -(row.lag or 0), row.group, row.topic, row.partition)
