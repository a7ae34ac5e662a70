"""What does a record still owe a minute after it was read? From then on the log owes it: no offset stays back."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.distribution.conditions import Conditions
from services.distribution.deliveries import Delivery
from services.distribution.dispatch import retry_of
from services.distribution.in_turn import InTurn
from services.distribution.journal import Journal
from services.distribution.ports import Clock
from services.distribution.tenure import Tenure
from services.distribution.waiting import Waiting
from shared.domain.retry_schedule import Tier

AFTER: Final = timedelta(seconds=60)
TIER: Final = Tier.TEN_MINUTES
NO_SHARD: Final = -1
"""What is to be done at a time for all shards alike is dropped with none of them."""


@dataclass(slots=True)
class Overdue:
    """Watches deliveries from when their record was read. Those whose turn has come by then end by themselves, in the
    time of an exchange.
    """

    clock: Clock
    waiting: Waiting
    tenure: Tenure
    in_turn: InTurn
    conditions: Conditions
    journal: Journal
    _open: deque[tuple[datetime, Sequence[Delivery]]] = field(default_factory=deque)
    _looks: bool = False

    def watch(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to count the time of what one record owes."""
        while self._open and all(each.flying for each in self._open[0][1]):
            self._open.popleft()
        self._open.append((self.clock.now(), deliveries))
        self._look_later()

    def _look_later(self) -> None:
        if self._open and not self._looks:
            self._looks = True
            self.waiting.add(self._open[0][0] + AFTER, NO_SHARD, self._look)

    async def _look(self) -> None:
        self._looks = False
        late: list[Delivery] = []
        while self._open and self._open[0][0] + AFTER <= self.clock.now():
            late.extend(each for each in self._open.popleft()[1] if not each.flying)
        ours = [each for each in late if self.tenure.holds(each)]
        if unsure := [each for each in late if each not in ours and self.tenure.reads(each)]:
            self._open.append((self.clock.now(), unsure))
        for each in ours:
            await self.in_turn.enlist(each)
        ours = [each for each in ours if self.tenure.reads(each)]  # a shard may be lost while that is written
        await self.conditions.fold_all([each for each in ours if each.told is None])
        for each in ours:
            await self._hold(each)
            if not each.flying and self.tenure.reads(each):
                each.settled = True
                each.done()
        self._look_later()

    async def _hold(self, delivery: Delivery) -> None:
        """The log owes it; what is in no lane goes into a tier, untried."""
        if delivery.told is None:
            await self.in_turn.hold(delivery)
            return
        now = self.clock.now()
        waits = retry_of(delivery, delivery.attempts, delivery.first_failed_at or now, now + TIER.delay)
        await self.journal.append_retry(delivery, waits, TIER)
