"""How is a delivery tried again because a person asks: one, or all of an endpoint that failed?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.deliveries_view import DeliveriesView, DeliveryLog
from services.gateway.ports import Publishing
from services.gateway.refusals import Conflict
from services.gateway.stories import Stories
from shared.domain.events import DeliveryRetry, Retry, derived_id, encode_event
from shared.domain.item import Item
from shared.platform.clock import Clock
from shared.platform.envelopes import headers_for
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, partition_of

TRIED_AGAIN: Final = frozenset({"retrying", "expired"})
"""States of the log's rows; `failed` (shown as expired) is not among them: its endpoint was gone or disabled."""
AT_ONCE: Final = 50
"""Deliveries whose texts are in memory at one time: some 12 MB at worst."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a bulk of retries: put in, and left out because a newer release or a kill took their place."""

    retried: int
    replaced: int


@dataclass(frozen=True, slots=True)
class Retries:
    """Brings a waiting delivery forward, and tries once more what the schedule gave up.

    A second retry record of the same try is put in, due now: the deliverer takes whichever comes first, and the
    other one finds that its try was made (`webhook-id` and number are the same). The gate is asked as for any.
    """

    deliveries: DeliveriesView
    stories: Stories
    publisher: Publishing
    clock: Clock
    shards: int

    async def now(self, log: DeliveryLog) -> None:
        """Raises Conflict when there is nothing to try, NotReady, PublishError."""
        if not _may_be_tried(log):
            raise Conflict(f"this delivery is {log.state}; only one that waits or was given up can be tried now")
        released = await self._released(log)
        if released is None:
            raise Conflict("a newer release has taken this one's place; it is not sent again")
        await self.publisher.publish_all([self._record(log, released)])

    async def all_failed(self, endpoint_id: str, since: datetime) -> Asked:
        """Try again whatever of an endpoint last failed at or after `since`, oldest first; at most what is kept.

        May be repeated: a try that was made meanwhile is not made again. Raises NotReady, PublishError.
        """
        found = [log for log in self.deliveries.newest([endpoint_id]) if log.at >= since and _has_failed(log)]
        retried = 0
        for begin in range(0, len(found), AT_ONCE):
            retried += await self._some(found[::-1][begin : begin + AT_ONCE])
        return Asked(retried, len(found) - retried)

    async def _some(self, logs: Sequence[DeliveryLog]) -> int:
        released = await asyncio.gather(*map(self._released, logs))
        records = [self._record(log, item) for log, item in zip(logs, released, strict=True) if item is not None]
        await self.publisher.publish_all(records)
        return len(records)

    async def _released(self, log: DeliveryLog) -> Item | None:
        return await self.stories.released(log.story_id, log.release_no or 0)

    def _record(self, log: DeliveryLog, released: Item) -> Outgoing:
        now, shard = self.clock.now(), partition_of(log.endpoint_id, self.shards)
        event = DeliveryRetry(
            event_id=derived_id("retry", log.delivery_id, str(log.n), "asked", now.isoformat()),
            story_id=log.story_id,
            version=log.version,
            release_no=log.release_no,
            occurred_at=now,
            producer="gateway",
            cause=log.event_id,
            stage_times=released.stage_times,
            data=Retry(
                item=released,
                endpoint_id=log.endpoint_id,
                shard=shard,
                delivery_id=log.delivery_id,
                attempts=log.n,
                first_failed_at=log.tries[0].at if log.tries else now,
                due_at=now,
            ),
        )
        return Outgoing(Topic.RETRY_10S, str(shard), encode_event(event), headers_for(event), shard)


def _may_be_tried(log: DeliveryLog) -> bool:
    return log.release_no is not None and log.row_state in TRIED_AGAIN


def _has_failed(log: DeliveryLog) -> bool:
    """Whether it may be tried, and a try of it has failed: what was only put off is not the receiver's failure."""
    return _may_be_tried(log) and bool(log.tries)
