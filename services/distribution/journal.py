"""What distribution writes down: attempt rows, retry records, endpoints that are gone. Each is confirmed first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.distribution.attempts import ATTEMPTED_TYPE, PRODUCER, Row, Tried, row_of
from services.distribution.deliveries import Delivery
from services.distribution.outcome import Delivered, Refused, name_of
from services.distribution.ports import Clock, Publishing
from services.distribution.sending import Answer
from services.distribution.told import event_of
from shared.domain.events import DeliveryRetry, Retry, Told, derived_id, encode_event
from shared.domain.retry_schedule import Tier
from shared.domain.subscription import Endpoint
from shared.platform.canonical_lines import CanonicalLine
from shared.platform.envelopes import cloud_headers, headers_for
from shared.platform.topics import Topic, key_of

TIER_TOPICS: Final = {
    Tier.TEN_SECONDS: Topic.RETRY_10S,
    Tier.ONE_MINUTE: Topic.RETRY_1M,
    Tier.TEN_MINUTES: Topic.RETRY_10M,
    Tier.ONE_HOUR: Topic.RETRY_1H,
    Tier.SIX_HOURS: Topic.RETRY_6H,
}
TIER_OF: Final = {topic: tier for tier, topic in TIER_TOPICS.items()}

ATTEMPTED_LINE: Final = CanonicalLine(
    "delivery.attempted",
    *("delivery_id", "endpoint_id", "story_id", "release_no", "n", "state", "outcome", "status", "ms"),
)


@dataclass(frozen=True, slots=True)
class Journal:
    """Writes, and remembers in `tried` what it wrote."""

    publisher: Publishing
    clock: Clock
    tried: Tried

    async def append_retry(self, delivery: Delivery, retry: Retry | Told, tier: Tier) -> None:
        """Put the delivery durably into a tier; may be called again after a crash, under the same delivery id."""
        now = self.clock.now()
        event = event_of(retry, now, delivery.cause) if isinstance(retry, Told) else _retry(delivery, retry, now)
        await self.publisher.publish(
            TIER_TOPICS[tier], str(retry.shard), encode_event(event), headers_for(event), partition=retry.shard
        )

    async def record(
        self,
        delivery: Delivery,
        endpoint: Endpoint,
        state: str,
        answer: Answer,
        *,
        n: int,
        next_attempt_at: datetime | None = None,
    ) -> None:
        """Write the row of a finished try, and its one log line."""
        outcome = answer.outcome
        status = outcome.status if isinstance(outcome, Delivered | Refused) else None
        row = row_of(
            delivery,
            endpoint.subscriber,
            state,
            name_of(outcome),
            self.clock.now(),
            n=n,
            status=status,
            timing=answer.timing,
            answer=answer.excerpt,
            next_attempt_at=next_attempt_at,
        )
        await self.write(row, delivery)
        item = delivery.item
        ATTEMPTED_LINE(
            delivery.delivery_id,
            endpoint.endpoint_id,
            item.story_id if item else "",
            item.release_no if item else None,
            n,
            state,
            row.outcome,
            status,
            row.ms,
        )

    async def end(self, delivery: Delivery, endpoint: Endpoint | None, state: str, outcome: str) -> None:
        """Record an end without a try (superseded, killed, deleted, expired)."""
        subscriber = endpoint.subscriber if endpoint else ""
        row = row_of(delivery, subscriber, state, outcome, self.clock.now(), n=delivery.attempts)
        await self.write(row, delivery)

    async def write(self, row: Row, delivery: Delivery) -> None:
        """Append a row to the delivery log."""
        shard, event_id = delivery.shard, row.event_id
        headers = cloud_headers(event_id, ATTEMPTED_TYPE, PRODUCER, row.at)
        await self.publisher.publish(Topic.ATTEMPTS, str(shard), row.encoded(event_id), headers, partition=shard)
        self.tried.take(row, shard, may_overtake=delivery.urgency == "flash")

    async def disable(self, disabled: Endpoint) -> None:
        """Write down that nothing is sent to an endpoint any more."""
        key = key_of(disabled.endpoint_id, "endpoint")
        await self.publisher.publish(Topic.SUBSCRIPTION_STATE, key, disabled.model_dump_json().encode())


def _retry(delivery: Delivery, retry: Retry, now: datetime) -> DeliveryRetry:
    return DeliveryRetry(
        event_id=derived_id("retry", retry.delivery_id, str(retry.attempts), now.isoformat()),
        story_id=retry.item.story_id,
        version=retry.item.version,
        release_no=retry.item.release_no,
        occurred_at=now,
        producer="distribution",
        cause=delivery.cause,
        stage_times=delivery.stage_times,
        data=retry,
    )
