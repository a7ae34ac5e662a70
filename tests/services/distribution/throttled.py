"""Workers that always have something to send, in simulated time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.distribution.throttle import Throttle

STEP_S = 0.001
TEN_SECONDS = 10.0


@dataclass
class Now:
    """A clock that stands until it is moved."""

    at: float = 1_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Worker:
    """A process whose endpoints always have something to send; `went` has the time of each delivery."""

    throttle: Throttle
    endpoints: dict[str, float | None]
    subscriber_rate: float | None
    went: list[tuple[float, str]] = field(default_factory=list)
    back_at: dict[str, float] = field(default_factory=dict)

    def send(self, now: float) -> None:
        """Send for every endpoint that stands in the ring, until it is told to wait."""
        for name, rate in self.endpoints.items():
            while self.back_at.get(name, 0.0) <= now:
                wait = self.throttle.take(name, rate, "kdc", self.subscriber_rate, now)
                if wait:
                    self.back_at[name] = now + wait
                else:
                    self.went.append((now, name))


async def pass_time(clock: Now, workers: Sequence[Worker], seconds: float) -> None:
    """Let simulated time pass; what is asked for is answered one step later, by chance whose question first."""
    chance = random.Random(7)
    for _ in range(round(seconds / STEP_S)):
        clock.at += STEP_S
        for worker in workers:
            worker.send(clock.at)
        for worker in chance.sample(workers, len(workers)):
            await worker.throttle.settle()


def some(count: int, named: str = "ep") -> dict[str, float | None]:
    return {f"{named}-{number}": None for number in range(count)}
