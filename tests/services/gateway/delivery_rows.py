"""Builders of rows of the delivery log, and how the gateway comes to know them."""

from datetime import timedelta

from shared.domain.events import Attempted, DeliveryAttempted, encode_event
from shared.platform.topics import Topic
from tests.services.gateway.stories import URN
from tests.services.gateway.twins import NOON, World, record


def attempt(
    delivery: str = "dlv_1",
    endpoint: str = "ep_sue",
    state: str = "delivered",
    n: int = 1,
    minute: int = 0,
    story_id: str = URN,
    subscriber: str = "acme",
    tried: bool = True,
    release_no: int = 1,
    kind: str = "publish",
) -> DeliveryAttempted:
    return DeliveryAttempted(
        event_id=f"{delivery}-{n}-{state}",
        story_id=story_id,
        version=release_no,
        release_no=release_no,
        occurred_at=NOON + timedelta(minutes=minute),
        producer="distribution",
        data=Attempted.model_validate(
            {
                "delivery_id": delivery,
                "endpoint_id": endpoint,
                "subscriber": subscriber,
                "kind": kind,
                "state": state,
                "n": n,
                "status": 200 if state == "delivered" else 500,
                "outcome": state,
                "ms": {"total": 8.5} if tried else {},
            }
        ),
    )


def tell(wire: World, *attempts: DeliveryAttempted) -> None:
    for one in attempts:
        wire.deliveries.apply(record(Topic.ATTEMPTS, "0", encode_event(one)))
