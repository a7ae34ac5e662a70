"""What waits for one endpoint, in which order does it go, and how has the endpoint behaved?"""

from collections import deque
from dataclasses import dataclass, field

from services.distribution.deliveries import Delivery, Urgency

LINES: tuple[Urgency, ...] = ("flash", "first", "retry", "replay")
FLASHES = LINES[:1]
WEIGHTS: dict[Urgency, int] = {"first": 70, "retry": 20, "replay": 10}
"""Shares of an endpoint's turns while all three wait; and what turns are worth beside other endpoints' first tries."""

LEAST_COST, MOST_COST = 0.001, 1.0
FIRST_CAP, LEAST_CAP, MOST_CAP = 2, 1, 32
GOOD_WINDOW = 10
SLOW = 2.0
MEMORY = 0.3


@dataclass(slots=True)
class Manners:
    """How an endpoint has behaved: what outlives its queue. `cost` in slot-seconds per delivery."""

    cap: int = FIRST_CAP
    good: int = 0
    cost: float = LEAST_COST
    probation: bool = True

    def judge(self, seconds: float, *, ok: bool, back_off: bool) -> None:
        """Learn from one exchange; `back_off`: it asks for less at once."""
        self.cost = min(MOST_COST, max(LEAST_COST, (1 - MEMORY) * self.cost + MEMORY * seconds))
        self.probation = not ok or seconds > SLOW
        if back_off:
            self.cap, self.good = max(LEAST_CAP, self.cap // 2), 0
        elif ok:
            self.good += 1
            if self.good >= GOOD_WINDOW:
                self.cap, self.good = min(MOST_CAP, self.cap + 1), 0


@dataclass(slots=True)
class EndpointQueue:
    """What waits for one endpoint. `behind` holds what must wait for a delivery of the same story in flight."""

    endpoint_id: str
    manners: Manners
    lines: dict[Urgency, deque[Delivery]] = field(default_factory=lambda: {line: deque() for line in LINES})
    behind: dict[str, deque[Delivery]] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    """Stories of which one is in flight, or answered and not written down yet."""
    in_flight: int = 0
    deficit: float = 0.0
    waiting: int = 0
    held: bool = False
    credit: dict[Urgency, int] = field(default_factory=lambda: dict.fromkeys(WEIGHTS, 0))

    @property
    def may_start(self) -> bool:
        return self.in_flight < self.manners.cap and not self.held

    def next(self, lines: tuple[Urgency, ...]) -> Delivery | None:
        """Take the first delivery whose story is not in flight; those that are step behind it, in order."""
        while (line := self._line(lines)) is not None:
            delivery = self.lines[line].popleft()
            if delivery.story_id not in self.busy:
                return delivery
            self.behind.setdefault(delivery.story_id, deque()).append(delivery)
        return None

    def _line(self, lines: tuple[Urgency, ...]) -> Urgency | None:
        """Choose the line whose turn it is: flashes before all, the others by their weights among those that wait."""
        wait = [line for line in lines if self.lines[line]]
        if len(wait) <= 1 or wait[0] in FLASHES:
            return wait[0] if wait else None
        for line in wait:
            self.credit[line] += WEIGHTS[line]
        chosen = max(wait, key=lambda line: self.credit[line])
        self.credit[chosen] -= sum(WEIGHTS[line] for line in wait)
        return chosen

    @property
    def price(self) -> float:
        """How many turns one of its own costs beside others: the less what waits is worth, the more."""
        if self.lines["first"]:
            return 1.0
        return min((WEIGHTS["first"] / WEIGHTS[line] for line in WEIGHTS if self.lines[line]), default=1.0)

    def has_work(self, lines: tuple[Urgency, ...]) -> bool:
        for line in lines:  # noqa: SIM110 - asked nine times for each delivery: a generator costs as much as its POST
            if self.lines[line]:
                return True
        return False

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.busy
