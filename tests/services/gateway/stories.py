"""Builders of releases and states for the gateway's tests."""

from datetime import datetime, timedelta
from typing import Any

from services.gateway.views.documents import Document
from shared.domain.events import Enriched, Released, StoryReleased, derived_id
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.lifecycle import Filing, Ruling, decide
from shared.domain.state import StoryState, TextRef
from shared.domain.story import NOTICES, Kind, Lane, content_hash, lane_of
from tests.services.gateway.twins import NOON

URN = "urn:slugline:test:1"
URL = "https://news.example.com/2026/11/24/bridge?edition=2"
FACTS = Facts(sections=("world",), subjects=("medtop:16000000",), places=("TJ",), sources=("desk",), languages=("en",))


def item(
    release_no: int = 1,
    kind: Kind = Kind.PUBLISH,
    story_id: str = URN,
    version: int | None = None,
    headline: str = "Bridge opens",
    body: str = "The bridge opened on Monday.",
    at: datetime | None = None,
    **fields: Any,
) -> Item:
    version = version or release_no
    status = {Kind.KILL: "canceled", Kind.WITHHOLD: "withheld"}.get(kind, "usable")
    story: dict[str, Any] = {"uri": story_id, "type": "text", "version": str(version), "pubStatus": status}
    if kind in NOTICES:
        fields.setdefault("notice", f"This story is {status}.")
    else:
        story["headlines"] = [{"value": headline}]
        story["bodies"] = [
            {"contentType": "text/plain", "value": body},
            {"contentType": "text/html", "value": f"<p>{body}</p>"},
        ]
    return Item(
        lane=Lane.FLASH if kind in NOTICES else Lane.ROUTINE,
        kind=kind,
        story_id=story_id,
        version=version,
        release_no=release_no,
        released_at=at or NOON + timedelta(minutes=release_no),
        supersedes=release_no - 1 or None,
        story=story,
        **fields,
    )


def document(*args: Any, facts: Facts = FACTS, reach: Facts | None = None, **fields: Any) -> Document:
    return Document(item(*args, **fields), facts, reach)


def released(of: Item, facts: Facts = FACTS) -> StoryReleased:
    return StoryReleased(
        event_id=derived_id(of.story_id, str(of.release_no)),
        story_id=of.story_id,
        version=of.version,
        release_no=of.release_no,
        occurred_at=of.released_at,
        producer="moderation",
        data=Released(item=of, facts=facts),
    )


def filed(
    state: StoryState | None = None,
    event_id: str = "e1",
    version: int = 1,
    text: str = "The bridge opened.",
    story_id: str = URN,
    hold: str | None = None,
    embargo_until: datetime | None = None,
    text_at: int = 7,
    urgency: int = 4,
) -> StoryState:
    """The state after one more filing; `hold` is why a rule held it."""
    story = {"uri": story_id, "headlines": [{"value": "Bridge"}], "bodies": [{"value": text}]}
    enriched = Enriched(
        kind=Kind.UPDATE if state else Kind.PUBLISH,
        lane=lane_of(urgency),
        urgency=urgency,
        source="desk",
        assigned=True,
        content_hash=content_hash(story),
        story=story,
        embargo_until=embargo_until,
        filed_by="ann",
        facts=FACTS,
    )
    ruling = Ruling("hold", hold, "minors") if hold else Ruling()
    given = Filing(event_id, version, enriched, ruling, TextRef(partition=0, offset=text_at))
    return decide(state or StoryState(story_id=story_id), given, NOON)
