"""Releases as moderation would write them, for a bench that begins behind it."""

from shared.domain.events import Released, StoryReleased, derived_id, encode_event
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Lane
from shared.platform.envelopes import headers_for
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic

TOPICS = {Lane.ROUTINE: Topic.RELEASED, Lane.FLASH: Topic.RELEASED_FLASH}


def a_release(item: Item, facts: Facts) -> StoryReleased:
    """The event of a release, at the time and with the stages of its item."""
    return StoryReleased(
        event_id=derived_id(item.story_id, str(item.release_no)),
        story_id=item.story_id,
        version=item.version,
        release_no=item.release_no,
        occurred_at=item.released_at,
        producer="moderation",
        stage_times=item.stage_times,
        data=Released(item=item, facts=facts),
    )


def record_of(event: StoryReleased, topic: Topic | None = None) -> Outgoing:
    """The record of a release: in its lane, unless another topic is named."""
    return Outgoing(topic or TOPICS[event.data.item.lane], event.story_id, encode_event(event), headers_for(event))
