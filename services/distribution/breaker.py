"""Is an endpoint worth another try now? A circuit breaker per endpoint: closed, open for a growing time, half open.

Pure: no clock, no chance; both are passed in. Its memory is constant, whatever happens.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.distribution.outcome import Failure, Refused
from shared.domain.health import BreakerState

ANSWERED: Final = 0.5
"""What an answer counts that says no to this request and yes to being there."""

ASKS_FOR_LESS: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Rules:
    """When it opens, and for how long.

    It opens once failures in a row weigh `in_a_row`, or once at least `sample` answers of the last `window` (to twice
    that) were failures by `ratio`. It is open for `first_open`, and `growth` times longer after each probe that fails,
    up to `longest`; jitter lengthens that by at most `jitter_share` of it.
    """

    in_a_row: float = 5.0
    ratio: float = 0.5
    sample: int = 20
    window: timedelta = timedelta(seconds=30)
    first_open: timedelta = timedelta(seconds=10)
    growth: float = 2.0
    longest: timedelta = timedelta(minutes=10)
    jitter_share: float = 0.2

    def open_for(self, opened: int, jitter: float) -> timedelta:
        """How long the `opened`-th opening in a row lasts (from 1); `jitter` is drawn from [0, 1)."""
        most = self.longest / self.first_open
        grown = most if opened > most else min(most, self.growth ** (opened - 1))
        return self.first_open * grown * (1 + jitter * self.jitter_share)


STANDARD: Final = Rules()


def weight_of(failure: Failure) -> float:
    """Return what a failure counts.

    No answer in time costs a slot for the whole of it and counts fully, as do 5xx and whoever asks for less (408, 425,
    429). Any other answer counts half: a receiver that refuses one story is there for the next one, so such answers
    open a breaker never sooner than as many 5xx would; but one that refuses all of them for long is not worth its
    slots either.
    """
    if isinstance(failure, Refused) and failure.status < 500 and failure.status not in ASKS_FOR_LESS:
        return ANSWERED
    return 1.0


@dataclass(slots=True)
class _Sample:
    """Answers of one window, and how much of them failed."""

    began: datetime | None = None
    answers: int = 0
    failed: float = 0.0


@dataclass(slots=True)
class Breaker:
    """One endpoint's. `opened`: how often in a row it has opened; `probe_at`: until when it is open.

    `failing_since`: its first failure since its last success, whether it has opened or not; `failed_at`: its last one,
    if one was met in this life.
    """

    rules: Rules = STANDARD
    state: BreakerState = "closed"
    opened: int = 0
    probe_at: datetime | None = None
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    _row: float = 0.0
    _now: _Sample = field(default_factory=_Sample)
    _before: _Sample = field(default_factory=_Sample)

    def succeeded(self, now: datetime) -> None:
        """Close it, whatever it was: even a late answer says that the endpoint is there."""
        self._count(now, 0.0)
        if self.state != "closed":
            self._now, self._before = _Sample(), _Sample()
        self.state, self.opened, self.probe_at, self._row = "closed", 0, None, 0.0
        self.failing_since = self.failed_at = None

    def excused(self) -> None:
        """Its owner has paused it: the time until then does not count against it."""
        self.failing_since = self.failed_at = None

    def failed(self, weight: float, now: datetime, jitter: float, not_before: datetime | None = None) -> bool:
        """Count a failure; return whether it opened by it. `not_before`: when the receiver asked to be asked again.

        What was in flight when it opened may still fail, which says nothing new.
        """
        self.failing_since, self.failed_at = self.failing_since or now, now
        self._count(now, weight)
        self._row += weight
        if self.state == "open" or (self.state == "closed" and not self._is_enough):
            return False
        self.state, self.opened = "open", self.opened + 1
        until = now + self.rules.open_for(self.opened, jitter)
        self.probe_at = max(until, not_before or until)
        return True

    def probing(self, now: datetime) -> bool:
        """Let one through when it has been open for long enough: True once, until that one is answered."""
        if self.state != "open" or self.probe_at is None or now < self.probe_at:
            return False
        self.state = "half_open"
        return True

    def not_probed(self) -> None:
        """The one that was let through never left: the next one may go at once."""
        if self.state == "half_open":
            self.state = "open"

    @property
    def is_forgettable(self) -> bool:
        """Whether a new one would do the same."""
        return (
            self.state == "closed" and self.failing_since is None and not self._now.failed and not self._before.failed
        )

    @property
    def _is_enough(self) -> bool:
        if self._row >= self.rules.in_a_row:
            return True
        answers = self._now.answers + self._before.answers
        return answers >= self.rules.sample and self._now.failed + self._before.failed >= answers * self.rules.ratio

    def _count(self, now: datetime, failed: float) -> None:
        began = self._now.began
        if began is None or now - began >= self.rules.window:
            recent = began is not None and now - began < 2 * self.rules.window
            self._before = self._now if recent else _Sample()
            self._now = _Sample(now)
        self._now.answers += 1
        self._now.failed += failed
