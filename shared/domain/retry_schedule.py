"""When is a failing delivery tried again? One schedule: what the sender works by, and what owners are shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final


class Tier(Enum):
    """A retry topic, by the fixed time it holds a record; the topic is `wire.delivery.retry.<label>.v1`."""

    TEN_SECONDS = ("10s", timedelta(seconds=10))
    ONE_MINUTE = ("1m", timedelta(minutes=1))
    TEN_MINUTES = ("10m", timedelta(minutes=10))
    ONE_HOUR = ("1h", timedelta(hours=1))
    SIX_HOURS = ("6h", timedelta(hours=6))

    def __init__(self, label: str, delay: timedelta) -> None:
        self.label = label
        self.delay = delay


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a failing delivery is kept alive.

    `waits` follow the first, second, … failure and the last repeats; nothing is tried later than `horizon`
    after the first failure. Jitter lengthens a wait by at most `jitter_share` of it and `jitter_cap` (below
    the smallest tier, so that a scheduled wait costs one retry record). `retry_after_cap` bounds what a
    receiver may ask for.
    """

    waits: tuple[timedelta, ...] = tuple(tier.delay for tier in Tier)
    horizon: timedelta = timedelta(hours=72)
    jitter_share: float = 0.1
    jitter_cap: timedelta = timedelta(seconds=9)
    retry_after_cap: timedelta = timedelta(hours=24)

    def wait_after(self, attempts: int, jitter: float = 0.0) -> timedelta:
        """Return the wait after the `attempts`-th failure (from 1); `jitter` is drawn from [0, 1)."""
        wait = self.waits[min(attempts, len(self.waits)) - 1]
        return wait + jitter * min(wait * self.jitter_share, self.jitter_cap)

    def table(self) -> Iterator[tuple[int, timedelta, timedelta]]:
        """Yield (attempt, wait before it, time since the first failure), as the documentation prints it."""
        attempt, passed = 1, timedelta()
        while passed < self.horizon:
            wait = min(self.wait_after(attempt), self.horizon - passed)
            attempt, passed = attempt + 1, passed + wait
            yield attempt, wait, passed


STANDARD: Final = Schedule()
