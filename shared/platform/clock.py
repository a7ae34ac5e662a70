"""What time is it: this machine's, the broker's, or the one a test says?"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

WINDOW = 64  # samples kept: the quickest of them is the best witness
SAMPLE_LIFE_S = 60.0  # an older sample says little about a clock that drifts
STEP_S = 0.005  # a sample that contradicts the estimate by more: the clock was set


class Clock(Protocol):
    """Who is asked for the time; the answer is aware UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that moves only when told to; for tests."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> datetime:
        """Move on by that much and say the new time."""
        self._at += by
        return self._at

    def set(self, at: datetime) -> None:
        """Jump to that time, forward or back."""
        self._at = at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Bounds for (broker's epoch − our monotonic clock), seconds; `received` dates the sample."""

    least: float
    most: float
    received: float

    @property
    def middle(self) -> float:
        return (self.least + self.most) / 2

    @property
    def width(self) -> float:
        return self.most - self.least


class BrokerClock:
    """The broker's clock, read off the append times in its answers to our own sends.

    An append time lies between sending and receiving, so each answer bounds the difference of the clocks; the
    quickest answer of the last minute bounds it best. Before the first answer this is the system clock.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._samples: deque[_Sample] = deque(maxlen=WINDOW)
        self._best: _Sample | None = None

    def observe(self, server_ms: int, sent: float, received: float) -> None:
        """Take one answer: append time in epoch ms, and our monotonic clock before sending and on receipt."""
        # The broker cuts to whole milliseconds, so its true time is up to 1 ms later.
        sample = _Sample(server_ms / 1000 - received, (server_ms + 1) / 1000 - sent, received)
        if self._best is not None and _contradicts(sample, self._best):
            self._samples.clear()
        self._samples.append(sample)
        while self._samples[0].received < received - SAMPLE_LIFE_S:
            self._samples.popleft()
        self._best = min(self._samples, key=lambda one: one.width)

    def now(self) -> datetime:
        """The broker's time as well as it is known, aware UTC."""
        if self._best is None:
            return datetime.fromtimestamp(self._wall(), UTC)
        return datetime.fromtimestamp(self._monotonic() + self._best.middle, UTC)

    @property
    def measured(self) -> bool:
        """Whether the broker has answered at least once."""
        return self._best is not None

    @property
    def offset(self) -> timedelta:
        """What is to be added to this machine's clock to get the broker's; zero before the first answer."""
        if self._best is None:
            return timedelta()
        return timedelta(seconds=self._monotonic() + self._best.middle - self._wall())

    @property
    def skew_s(self) -> float:
        """How far this machine's clock is from the broker's, in seconds, whichever is ahead."""
        return abs(self.offset.total_seconds())


def _contradicts(sample: _Sample, best: _Sample) -> bool:
    """Whether both cannot be true of one steady clock."""
    return sample.least > best.most + STEP_S or sample.most < best.least - STEP_S
