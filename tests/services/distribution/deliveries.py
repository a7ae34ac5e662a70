"""Builders of releases, endpoints and deliveries for the distribution tests."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from services.distribution.deliveries import Delivery
from shared.domain.delivery import delivery_id
from shared.domain.events import DeliveryDue, FanOutBlock, Released, StoryReleased, derived_id, encode_event
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import NOTICES, Kind, Lane
from shared.domain.subscription import Endpoint, EndpointState, Filter, Ordering, Subscription
from shared.platform.records import Record
from shared.platform.topics import Topic

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STORY = "urn:slugline:test:1"


def item(release_no: int = 1, kind: Kind = Kind.PUBLISH, lane: Lane = Lane.ROUTINE, story_id: str = STORY) -> Item:
    story: dict[str, Any] = {"uri": story_id, "type": "text", "version": str(release_no)}
    if kind not in NOTICES:
        story |= {
            "headlines": [{"value": "Bridge opens"}],
            "bodies": [{"contentType": "text/plain", "value": "The bridge opened."}],
        }
    return Item(
        lane=lane,
        kind=kind,
        story_id=story_id,
        version=release_no,
        release_no=release_no,
        released_at=NOON,
        story=story,
    )


def released(of: Item, facts: Facts | None = None) -> StoryReleased:
    return StoryReleased(
        event_id=derived_id(of.story_id, str(of.release_no)),
        story_id=of.story_id,
        version=of.version,
        release_no=of.release_no,
        occurred_at=NOON,
        producer="moderation",
        data=Released(item=of, facts=facts or Facts(sections=("world",), sources=("desk",))),
    )


def record(topic: Topic, value: bytes | None, offset: int = 0, partition: int = 0, key: str = "k") -> Record:
    return Record(topic, partition, offset, key, value, {}, int(NOON.timestamp() * 1000))


def release_record(of: Item, offset: int = 0, facts: Facts | None = None) -> Record:
    topic = Topic.RELEASED_FLASH if of.lane is Lane.FLASH else Topic.RELEASED
    return record(topic, encode_event(released(of, facts)), offset)


def block_record(of: Item, *endpoint_ids: str, shard: int = 0, offset: int = 0) -> Record:
    event = DeliveryDue(
        event_id=derived_id("due", of.story_id, str(of.release_no), str(shard)),
        story_id=of.story_id,
        version=of.version,
        release_no=of.release_no,
        occurred_at=NOON,
        producer="distribution",
        data=FanOutBlock(item=of, endpoint_ids=endpoint_ids, shard=shard),
    )
    topic = Topic.DUE_FLASH if of.lane is Lane.FLASH else Topic.DUE
    return record(topic, encode_event(event), offset, shard)


def endpoint(endpoint_id: str = "ep_1", url: str = "http://127.0.0.1:9/", **fields: Any) -> Endpoint:
    given = {"subscriber": "sub_1", "state": EndpointState.ACTIVE, "created_at": NOON, **fields}
    return Endpoint.model_validate({"endpoint_id": endpoint_id, "url": url, **given})


def subscription(
    subscription_id: str = "s1", endpoint_id: str | None = "ep_1", ordering: Ordering = Ordering.LATEST, **wanted: Any
) -> Subscription:
    return Subscription(
        subscription_id=subscription_id,
        subscriber="sub_1",
        name="all",
        endpoint_id=endpoint_id,
        ordering=ordering,
        filter=Filter.model_validate(wanted),
        created_at=NOON,
    )


def nothing() -> None:
    """What a delivery calls when it is done, where a test does not care."""


def delivery(
    endpoint_id: str = "ep_1",
    story_id: str = STORY,
    release_no: int = 1,
    lane: Lane = Lane.ROUTINE,
    *,
    retried: bool = False,
    reread: bool = False,
    again: bool = False,
    shard: int = 0,
    done: Callable[[], None] = nothing,
) -> Delivery:
    of = item(release_no, Kind.PUBLISH if release_no == 1 else Kind.UPDATE, lane, story_id)
    known = delivery_id(story_id, release_no, endpoint_id)
    return Delivery(known, endpoint_id, shard, b"{}", done, item=of, retried=retried, reread=reread, again=again)
