"""How does one endpoint of ours do, and what is written down of it?"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.distribution.breaker import Breaker
from services.distribution.detour import Detour
from services.distribution.disabling import DISABLED_AFTER
from shared.domain.health import CatchUp, EndpointHealth, Lost
from shared.domain.story import Lane

WORTH_A_RECORD: Final = timedelta(minutes=1)
"""A failure that is over by then is nobody's concern."""

MOST_TOLD: Final = 10


@dataclass(slots=True, eq=False)
class Condition:
    """One endpoint of ours that fails, or is owed something from the log. `term`: see `Tenure`.

    `written`: the newest record that was begun to be written; `confirmed`: what the broker surely has of the catch-up,
    nothing while a write is under way.
    """

    endpoint_id: str
    shard: int
    term: int
    breaker: Breaker
    detour: Detour | None = None
    told: int = 0
    lost: tuple[Lost, ...] = ()
    written: EndpointHealth | None = None
    confirmed: CatchUp | None = None
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def record(self, now: datetime) -> EndpointHealth:
        """What is to be known of it."""
        breaker = self.breaker
        failing = breaker.failing_since
        if breaker.state == "closed" and failing is not None and now - failing < WORTH_A_RECORD:
            failing = None
        return EndpointHealth(
            endpoint_id=self.endpoint_id,
            state=breaker.state,
            opened=breaker.opened,
            probe_at=breaker.probe_at,
            failing_since=failing,
            disables_at=failing + DISABLED_AFTER if failing else None,
            told=self.told,
            catch_up=self.detour.record(now) if self.detour else None,
            lost=self.lost,
        )

    def tell_lost(self, lane: Lane, start: int, end: int, now: datetime) -> None:
        """These are given up unsent; a range that follows on another is told with it."""
        before = self.lost[-1:]
        if before and (before[0].lane, before[0].end) == (lane, start):
            self.lost, start = self.lost[:-1], before[0].start
        self.lost = (*self.lost, Lost(lane=lane, start=start, end=end, at=now))[-MOST_TOLD:]
