"""For whom does time alone change something? Records that have become untrue, who is disabled, what is too old."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, get_args

from services.distribution.condition import Condition
from services.distribution.conditions import Conditions
from services.distribution.in_turn import InTurn
from services.distribution.journal import Journal
from services.distribution.ports import Clock, ReleasedLog
from services.distribution.retiring import retire
from shared.domain.health import EndpointHealth, Why
from shared.platform.logs import logger
from shared.platform.metrics import ENDPOINTS_BEHIND

EVERY: Final = timedelta(seconds=1)


@dataclass(slots=True)
class Tending:
    """Looks at all endpoints that fail or are behind, once a second."""

    conditions: Conditions
    released: ReleasedLog
    in_turn: InTurn
    journal: Journal
    clock: Clock
    _looked_at: datetime | None = None

    async def look(self) -> None:
        """May be called at any time; does nothing more than once a second."""
        now = self.clock.now()
        if self._looked_at is not None and now - self._looked_at < EVERY:
            return
        self._looked_at = now
        for condition in self.conditions.all():
            self.conditions.begin_anew_if_disabled(condition)
            await self._disable_if_due(condition)
            if condition.detour is None:
                await self._keep_true(condition, now)
        counted: Counter[str] = Counter(dict.fromkeys(get_args(Why), 0))
        for condition, detour in self.conditions.behind():
            counted[detour.why] += 1
            if not detour.reading and self.conditions.why_shut(condition.endpoint_id) is not None:
                await retire(condition, detour, self.released, self.conditions, self.in_turn, now)
        for why, number in counted.items():
            ENDPOINTS_BEHIND.labels(why).set(number)

    async def _disable_if_due(self, condition: Condition) -> None:
        """Send nothing more to one that has failed for long enough; its owner is told by `Telling`."""
        endpoint = self.conditions.registry.endpoints.get(condition.endpoint_id)
        if endpoint is not None and condition.percent == 100:
            logger().error("endpoint.disabled", endpoint_id=condition.endpoint_id, why="no success for 72 h")
            await self.journal.disable(self.conditions.disabled(endpoint, "failing"))

    async def _keep_true(self, condition: Condition, now: datetime) -> None:
        """Write down what has changed of itself; forget who does well, has everything and no record."""
        record = condition.record(now)
        if record != (condition.written or EndpointHealth(endpoint_id=condition.endpoint_id)):
            await self.conditions.write(condition)
        elif condition.breaker.is_forgettable and not record.says_something and condition.detour is None:
            self.conditions.forget(condition)
