"""When is a delivery tried again, when is it given up, and which retry topics carry it there?

Pure arithmetic over one schedule (`shared.domain.retry_schedule`). A retry topic ("tier") holds every record for one
fixed time, so that its append order is its due order; any other wait is a chain of tiers, its last seconds spent in
memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from services.distribution.outcome import Failure, Refused
from shared.domain.retry_schedule import STANDARD, Schedule, Tier

_LONGEST_FIRST: Final = tuple(sorted(Tier, key=lambda tier: tier.delay, reverse=True))
SMALLEST_TIER: Final = _LONGEST_FIRST[-1].delay

# A tier may hold this much of its delay past the due time: 22 s of 6 h. Without it one late millisecond turns
# the last six hours of a day's wait into 23 records in shorter tiers.
SLACK: Final = 0.001


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `at`, never earlier; `tier` carries the delivery first (None: it waits in memory)."""

    at: datetime
    tier: Tier | None


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Give this delivery up: it is expired, and its owner may replay it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Disable:
    """The receiver says it is gone for good (410): give up, and stop sending to this endpoint."""

    reason: str


AfterFailure: TypeAlias = RetryAt | Exhausted | Disable


def after_failure(
    failure: Failure,
    attempts: int,
    first_failed_at: datetime,
    now: datetime,
    jitter: float = 0.0,
    schedule: Schedule = STANDARD,
) -> AfterFailure:
    """Decide what follows the `attempts`-th failed attempt (counted from 1) of one delivery.

    `Retry-After` can only lengthen a wait. A scheduled wait that would pass the horizon ends at it, so the
    last attempt falls on the horizon; a receiver that asks to be left alone beyond it is not tried again.
    """
    if isinstance(failure, Refused) and failure.status == 410:
        return Disable("the receiver answered 410 Gone")
    last_at = first_failed_at + schedule.horizon
    if now >= last_at:
        return Exhausted(f"{attempts} attempts failed within {_in_hours(schedule.horizon)}")
    asked = failure.retry_after if isinstance(failure, Refused) else None
    ready_at = now + min(asked or timedelta(), schedule.retry_after_cap)
    if ready_at > last_at:
        return Exhausted(f"the receiver asks to wait beyond {_in_hours(schedule.horizon)} after the first failure")
    at = max(ready_at, min(now + schedule.wait_after(attempts, jitter), last_at))
    return RetryAt(at, next_tier(at, now))


def next_tier(due: datetime, now: datetime) -> Tier | None:
    """Return the largest tier that does not hold past `due` (by more than `SLACK`); None if all of them do.

    Asked again whenever a tier hands a delivery back, so lateness on the way shortens the rest. A chain ends
    in memory, never before `due`, and after it by at most one hop's lateness and that slack.
    """
    left = due - now
    return next((tier for tier in _LONGEST_FIRST if tier.delay * (1 - SLACK) <= left), None)


def chain(due: datetime, now: datetime) -> Sequence[Tier]:
    """Return the tiers a delivery passes on its way from `now` to `due` when no hop is late."""
    tiers: list[Tier] = []
    while (tier := next_tier(due, now)) is not None:
        tiers.append(tier)
        now += tier.delay
    return tiers


def _in_hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g} h"
