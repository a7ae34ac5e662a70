"""What does one event look like that is owed to an owner's other endpoint: on its topic, and as a webhook?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.domain.delivery import told_id
from shared.domain.events import OwnerEvent, OwnerTold, Told, derived_id
from shared.domain.item import rfc3339


@dataclass(frozen=True, slots=True)
class News:
    """Something of one endpoint that its owner is to know.

    `threshold` tells it from all that is told of this endpoint under this name otherwise; `said` is the `data` of the
    webhook but for `endpoint_id`: no URL, no secret.
    """

    endpoint_id: str
    event: OwnerEvent
    threshold: str
    said: dict[str, Any]

    def to(self, receiver: str, shard: int, now: datetime) -> Told:
        """What one receiver is owed of it, under the same id however often it is said."""
        return Told(
            endpoint_id=receiver,
            shard=shard,
            delivery_id=told_id(self.event, self.endpoint_id, self.threshold, receiver),
            event=self.event,
            at=now,
            data={"endpoint_id": self.endpoint_id, **self.said},
        )


def event_of(told: Told, now: datetime, cause: str | None = None) -> OwnerTold:
    """Return what goes on `delivery.due`, or with the tries so far on a tier."""
    return OwnerTold(
        event_id=derived_id("told", told.delivery_id, str(told.attempts), now.isoformat()),
        story_id=told.delivery_id,
        occurred_at=now,
        producer="distribution",
        cause=cause,
        data=told,
    )


def webhook_of(told: Told) -> bytes:
    """Return the webhook's bytes (`interfaces`, "A webhook")."""
    return orjson.dumps({"type": told.event, "timestamp": rfc3339(told.at), "data": told.data})
