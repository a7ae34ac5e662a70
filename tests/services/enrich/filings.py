"""Filings as ingest hands them over: each builder makes a valid one and takes only what a test is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.enrich.steps import Steps
from shared.domain.events import Correction, Filed, Released, StoryReceived, StoryReleased, encode_event
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane, content_hash, lane_of
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.services.enrich.samples import filed as ninjs

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STORY = "urn:example:desk:1"


def received(story: dict[str, Any] | None = None, **fields: Any) -> StoryReceived:
    """Build the event of a filing; `fields` are those of `Filed`, and of the envelope `event_id` and `story_id`."""
    story = ninjs() if story is None else story
    event_id, story_id = fields.pop("event_id", "filing-1"), fields.pop("story_id", STORY)
    urgency = fields.pop("urgency", 4)
    given = {
        "kind": Kind.PUBLISH,
        "lane": lane_of(urgency),
        "urgency": urgency,
        "source": "agency",
        "assigned": True,
        "content_hash": content_hash(story),
        "story": story,
        "filed_by": "ann",
    }
    return StoryReceived(
        event_id=event_id,
        story_id=story_id,
        version=1,
        occurred_at=NOON,
        producer="ingest",
        stage_times={"accepted": 1_000_000},
        data=Filed.model_validate({**given, **fields}),
    )


def correction(partial: dict[str, Any], **fields: Any) -> StoryReceived:
    """Build the event of a correction, which holds the changed fields only."""
    named = Correction(note="put right", fields=tuple(f"/{field}" for field in partial))
    return received(partial, kind=Kind.CORRECT, correction=named, **fields)


def released(text: str, story_id: str = "urn:example:desk:2", kind: Kind = Kind.PUBLISH) -> Record:
    """Build the record of a story's newest release, as it stands on `story.current`."""
    item = Item(
        lane=Lane.ROUTINE,
        kind=kind,
        story_id=story_id,
        version=1,
        release_no=1,
        released_at=NOON,
        story=ninjs(text, uri=story_id),
    )
    event = StoryReleased(
        event_id=f"{story_id} 1",
        story_id=story_id,
        version=1,
        release_no=1,
        occurred_at=NOON,
        producer="moderation",
        data=Released(item=item, facts=Facts()),
    )
    return record(Topic.CURRENT, encode_event(event), story_id)


def record(topic: Topic, value: bytes | None, key: str = STORY) -> Record:
    """Build a record as it is read."""
    return Record(topic, 0, 0, key, value, {}, round(NOON.timestamp() * 1000))


def with_step_raising(steps: Steps, name: str) -> Steps:
    """Give the chain with one step that fails."""

    def breaks(_: object) -> Any:
        raise RuntimeError("the step broke")

    return replace(steps, chain=tuple(replace(s, run=breaks) if s.name == name else s for s in steps.chain))
