"""What waits in the topics: one story each, as the stage before would have written it, in any number."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from services.distribution.matching import ShardOf
from shared.domain.events import (
    DeliveryDue,
    Event,
    FanOutBlock,
    Filed,
    Released,
    StoryEnriched,
    StoryReceived,
    StoryReleased,
    encode_event,
)
from shared.domain.item import Item
from shared.domain.story import Kind, content_hash, lane_of
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.topics import Topic
from tests.domain.stories import enriched, ninjs

FLASH, ROUTINE = 1, 4
ENDPOINT = "ep_overtaking"
SHARD = ShardOf(6)(ENDPOINT)
AT_ONCE = 2_000
Make = Callable[[str, int], Event]
NUMBERED = "urn:slugline:waiting:0000000"


def received(story_id: str, urgency: int) -> Event:
    """A filing as ingest puts it on its topic."""
    story = ninjs(uri=story_id)
    data = Filed(
        kind=Kind.PUBLISH,
        lane=lane_of(urgency),
        urgency=urgency,
        source="desk",
        assigned=True,
        content_hash=content_hash(story),
        story=story,
        filed_by="ann",
    )
    return StoryReceived(**_envelope("ingest", story_id), data=data)


def in_the_inbox(story_id: str, urgency: int) -> Event:
    """A filing as enrichment hands it on."""
    data = enriched(story=ninjs(uri=story_id), urgency=urgency, kind=Kind.PUBLISH)
    return StoryEnriched(**_envelope("enrich", story_id), data=data)


def on_the_wire(story_id: str, urgency: int) -> Event:
    """A release as moderation writes it."""
    facts = enriched(urgency=urgency).facts
    return StoryReleased(
        **_envelope("moderation", story_id), release_no=1, data=Released(item=_item(story_id, urgency), facts=facts)
    )


def due(story_id: str, urgency: int) -> Event:
    """A block that owes a release to the one endpoint, as the matcher writes it for its shard."""
    block = FanOutBlock(item=_item(story_id, urgency), endpoint_ids=(ENDPOINT,), shard=SHARD)
    return DeliveryDue(**_envelope("distribution", story_id), release_no=1, data=block)


def waiting(
    topic: Topic, make: Make, count: int, *, partition: int | None = None, series: str = "first"
) -> Iterator[Outgoing]:
    """Records of `count` routine stories for a topic; they differ in the story's number alone."""
    template = encode_event(make(NUMBERED, ROUTINE))
    for number in range(count):
        story_id = f"{NUMBERED[:-7]}{topic.value}:{series}:{number:07}"
        key = story_id if partition is None else str(partition)
        yield Outgoing(topic, key, template.replace(NUMBERED.encode(), story_id.encode()), (), partition)


def flash(topic: Topic, make: Make, story_id: str, *, partition: int | None = None) -> Outgoing:
    """The record of one flash."""
    key = story_id if partition is None else str(partition)
    return Outgoing(topic, key, encode_event(make(story_id, FLASH)), (), partition)


async def fill(publisher: Publisher, records: Iterator[Outgoing]) -> None:
    """Append all of them, some thousand at a time."""
    while some := list(islice(records, AT_ONCE)):
        await publisher.publish_all(some, deadline=60)


def _item(story_id: str, urgency: int) -> Item:
    return Item(
        lane=lane_of(urgency),
        kind=Kind.PUBLISH,
        story_id=story_id,
        version=1,
        release_no=1,
        released_at=datetime.now(UTC),
        story=ninjs(uri=story_id),
    )


def _envelope(producer: str, story_id: str) -> dict[str, Any]:
    return {
        "event_id": f"{producer} {story_id}",
        "story_id": story_id,
        "version": 1,
        "occurred_at": datetime.now(UTC),
        "producer": producer,
    }
