"""How does one endpoint of ours do, and what is written down of it?"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.distribution.breaker import Breaker
from services.distribution.detour import Detour
from services.distribution.disabling import DISABLED_AFTER, percent_told
from shared.domain.health import CatchUp, EndpointHealth, Lost
from shared.domain.story import Lane

WORTH_A_RECORD: Final = timedelta(minutes=1)
"""A failure that is over by then is nobody's concern."""

MOST_TOLD: Final = 10


@dataclass(slots=True, eq=False)
class Condition:
    """One endpoint of ours that fails, or is owed something from the log. `term`: see `Tenure`.

    `told`, `lost_told`, `disabled_told`: of what its owner was told, see `EndpointHealth`.
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
    lost_told: datetime | None = None
    disabled_told: datetime | None = None
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
            lost_told=self.lost_told,
            disabled_told=self.disabled_told,
        )

    @property
    def percent(self) -> int:
        """How far it is on the way to being disabled, as its owner is told.

        By its last failure, not by the clock: one that was not tried for a while is not to blame for it.
        """
        since = self.breaker.failing_since
        return 0 if since is None else percent_told(since, self.breaker.failed_at or since)

    def tell_lost(self, lane: Lane, start: int, end: int, now: datetime) -> None:
        """These are given up unsent; a range that follows on another of its lane is told with it."""
        before = next((each for each in self.lost if (each.lane, each.end) == (lane, start)), None)
        kept = [each for each in self.lost if each is not before]
        lost = Lost(lane=lane, start=before.start if before else start, end=end, at=now)
        self.lost = (*kept, lost)[-MOST_TOLD:]
