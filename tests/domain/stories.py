"""Builders of domain inputs: each makes a valid one, and takes only what a test is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.events import Decision, Enriched
from shared.domain.facts import Facts
from shared.domain.lifecycle import Deciding, Filing, Lifting, Ruling
from shared.domain.state import StoryState
from shared.domain.story import Kind, content_hash, lane_of

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STORY = "urn:slugline:test:1"


def ninjs(headline: str = "Bridge opens", body: str = "The bridge opened on Monday.", **fields: Any) -> dict[str, Any]:
    return {
        "uri": STORY,
        "type": "text",
        "headlines": [{"value": headline}],
        "bodies": [{"contentType": "text/plain", "value": body}],
        **fields,
    }


def enriched(text: str = "one", **fields: Any) -> Enriched:
    story = fields.pop("story", ninjs(body=text))
    urgency = fields.pop("urgency", 4)
    given = {
        "kind": Kind.UPDATE,
        "lane": lane_of(urgency),
        "urgency": urgency,
        "source": "desk",
        "assigned": True,
        "content_hash": content_hash(story),
        "story": story,
        "filed_by": "ann",
        "facts": Facts(sections=("world",), sources=("desk",), urgency=urgency, lanes=(lane_of(urgency),)),
    }
    return Enriched(**{**given, **fields})


def filing(event_id: str, text: str = "one", version: int = 1, **fields: Any) -> Filing:
    ruling = fields.pop("ruling", Ruling())
    return Filing(event_id=event_id, version=version, filed=enriched(text, **fields), ruling=ruling)


def held(reason: str = "minors") -> Ruling:
    return Ruling("hold", reason=reason, queue="legal")


def deciding(
    event_id: str, action: str, person: str = "ann", decision_id: str | None = None, **fields: Any
) -> Deciding:
    given = {"action": action, "decision_id": decision_id or event_id, "person": person, **fields}
    return Deciding(event_id, Decision.model_validate(given))


def lifting(event_id: str, version: int, due_at: datetime) -> Lifting:
    return Lifting(event_id, version, due_at)


def nothing_known() -> StoryState:
    return StoryState(story_id=STORY)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)
