"""What do the events of the stream say, a release or news of the stream itself? How they look is the dialect's."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from services.gateway.stream.dialects import Dialect
from services.gateway.stream.ports import GapReason
from shared.domain.events import StoryReleased
from shared.domain.facts import Facts
from shared.domain.item import rfc3339
from shared.domain.story import NOTICES, Kind, Lane
from shared.domain.subscription import Filter, Text
from shared.platform.envelopes import decode
from shared.platform.records import Record
from shared.platform.topics import Topic

LANE_OF: Final = {Topic.RELEASED: Lane.ROUTINE, Topic.RELEASED_FLASH: Lane.FLASH}
TOPIC_OF: Final = {lane: topic for topic, lane in LANE_OF.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One release as the ring holds it; `item` is its Item as JSON, which every dialect wraps in its own way.

    `at_ms` is the record's time, `accepted_us` when the story came in at the door (epoch, None if unknown).
    """

    lane: Lane
    offset: int
    story_id: str
    release_no: int
    kind: Kind
    facts: Facts
    reach: Facts | None
    at_ms: int
    accepted_us: int | None
    item: bytes

    def text(self) -> Text | None:
        """The words of the release, made anew at each call; None for a notice."""
        return None if self.kind in NOTICES else Text(orjson.loads(self.item)["story"])


def entry_of(record: Record) -> Entry:
    """Encode a record of a released topic. Raises Unprocessable for what is no `StoryReleased`."""
    event = decode(record, kinds=StoryReleased)
    lane = LANE_OF[record.topic]
    item = event.data.item.model_copy(update={"seq": record.offset, "lane": lane})
    return Entry(
        lane=lane,
        offset=record.offset,
        story_id=item.story_id,
        release_no=item.release_no,
        kind=item.kind,
        facts=event.data.facts,
        reach=event.data.reach,
        at_ms=record.timestamp_ms,
        accepted_us=event.stage_times.get("accepted") or item.stage_times.get("accepted"),
        item=item.model_dump_json().encode(),
    )


def story(dialect: Dialect, at: str, entry: Entry) -> bytes:
    """The event of a release; `at` is the resume point behind it."""
    return dialect.event("story", at, entry.item)


def hello(dialect: Dialect, at: str, requested: str | None, retry_ms: int) -> bytes:
    """The first event of every connection: where it begins, and how long to wait after it ends."""
    return dialect.hello(at, _json({"resumed_from": at, "requested": requested}), retry_ms)


def heartbeat(dialect: Dialect, at: str) -> bytes:
    """Says that the connection lives and where the client is; carries no id."""
    return dialect.event("heartbeat", None, _json({"cursor": at, "at": rfc3339(datetime.now(UTC))}))


def checkpoint(dialect: Dialect, at: str, skipped: int = 0) -> bytes:
    """Moves the client's id past what its filter left out, and what a newer release has made needless meanwhile."""
    return dialect.event("checkpoint", at, _json({"cursor": at} | ({"skipped": skipped} if skipped else {})))


def gap(dialect: Dialect, since: str, to: str, reason: GapReason) -> bytes:
    """Says that what lies between two positions was not and will not be sent."""
    return dialect.event("gap", to, _json({"from": since, "to": to, "reason": reason}))


def filter_changed(dialect: Dialect, at: str, asked: Filter) -> bytes:
    """Says that from an id on another filter holds."""
    shown = asked.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dialect.event("filter", at, _json({"from": at, "filter": shown}))


def refused(dialect: Dialect, errors: list[dict[str, str]]) -> bytes:
    """Says that a message of the client changed nothing, and why."""
    return dialect.event("refused", None, _json({"errors": errors}))


def jittered_ms(mean_s: float) -> int:
    """Half to one and a half times the mean, so that many clients do not come back at once."""
    return int(mean_s * 1000 * random.uniform(0.5, 1.5))


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode()
