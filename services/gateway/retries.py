"""How is a delivery tried again because a person asks?"""

from dataclasses import dataclass
from typing import Final

from services.gateway.deliveries_view import DeliveryLog
from services.gateway.ports import Publishing
from services.gateway.refusals import Conflict
from services.gateway.stories import Stories
from shared.domain.events import DeliveryRetry, Retry, derived_id, encode_event
from shared.platform.clock import Clock
from shared.platform.envelopes import headers_for
from shared.platform.topics import Topic, partition_of

TRIED_AGAIN: Final = frozenset({"retrying", "expired"})
"""States of the log's rows; `failed` (shown as expired) is not among them: its endpoint was gone or disabled."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Brings a waiting delivery forward, and tries once more what the schedule gave up.

    A second retry record of the same try is put in, due now: the deliverer takes whichever comes first, and the
    other one finds that its try was made (`webhook-id` and number are the same). The gate is asked as for any.
    """

    stories: Stories
    publisher: Publishing
    clock: Clock
    shards: int

    async def now(self, log: DeliveryLog) -> None:
        """Raises Conflict when there is nothing to try, NotReady, PublishError."""
        if log.newest.data.kind == "test" or log.newest.data.state not in TRIED_AGAIN:
            raise Conflict(f"this delivery is {log.state}; only one that waits or was given up can be tried now")
        released = await self.stories.released(log.newest.story_id, log.newest.release_no or 0)
        if released is None:
            raise Conflict("a newer release has taken this one's place; it is not sent again")
        now = self.clock.now()
        row, shard = log.newest, partition_of(log.endpoint_id, self.shards)
        event = DeliveryRetry(
            event_id=derived_id("retry", log.delivery_id, str(row.data.n), "asked", now.isoformat()),
            story_id=row.story_id,
            version=row.version,
            release_no=row.release_no,
            occurred_at=now,
            producer="gateway",
            cause=row.event_id,
            stage_times=row.stage_times,
            data=Retry(
                item=released,
                endpoint_id=log.endpoint_id,
                shard=shard,
                delivery_id=log.delivery_id,
                attempts=row.data.n,
                first_failed_at=log.tries[0].occurred_at if log.tries else now,
                due_at=now,
            ),
        )
        await self.publisher.publish(
            Topic.RETRY_10S, str(shard), encode_event(event), headers_for(event), partition=shard
        )
