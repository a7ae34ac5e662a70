"""How does a release, or news of the stream itself, look on the wire? Server-sent events, encoded once."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.gateway.stream.ports import GapReason
from shared.domain.events import StoryReleased
from shared.domain.facts import Facts
from shared.domain.item import rfc3339
from shared.domain.story import NOTICES, Kind, Lane
from shared.domain.subscription import Text
from shared.platform.envelopes import decode
from shared.platform.records import Record
from shared.platform.topics import Topic

LANE_OF: Final = {Topic.RELEASED: Lane.ROUTINE, Topic.RELEASED_FLASH: Lane.FLASH}
TOPIC_OF: Final = {lane: topic for topic, lane in LANE_OF.items()}

_STORY: Final = b"event: story\ndata: "
_END: Final = b"\n\n"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One release as the ring holds it; `body` is its event without the id, which depends on who reads it.

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
    body: bytes

    def data(self) -> str:
        """The Item as JSON."""
        return self.body[len(_STORY) : -len(_END)].decode()

    def text(self) -> Text | None:
        """The words of the release, made anew at each call; None for a notice."""
        return None if self.kind in NOTICES else Text(json.loads(self.data())["story"])


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
        body=_STORY + item.model_dump_json().encode() + _END,
    )


def story(at: str, entry: Entry) -> bytes:
    """The event of a release; `at` is the resume point behind it."""
    return b"id: %b\n%b" % (at.encode(), entry.body)


def hello(at: str, requested: str | None, retry_ms: int) -> bytes:
    """The first event of every connection: where it begins, and how long to wait after it ends."""
    data = json.dumps({"resumed_from": at, "requested": requested})
    return f"retry: {retry_ms}\nid: {at}\nevent: hello\ndata: {data}\n\n".encode()


def heartbeat(at: str) -> bytes:
    """Says that the connection lives and where the client is; carries no id line."""
    data = json.dumps({"cursor": at, "at": rfc3339(datetime.now(UTC))})
    return f"event: heartbeat\ndata: {data}\n\n".encode()


def checkpoint(at: str) -> bytes:
    """Moves the client's id past what its filter left out."""
    return f"id: {at}\nevent: checkpoint\ndata: {json.dumps({'cursor': at})}\n\n".encode()


def gap(since: str, to: str, reason: GapReason) -> bytes:
    """Says that what lies between two positions was not and will not be sent."""
    data = json.dumps({"from": since, "to": to, "reason": reason})
    return f"id: {to}\nevent: gap\ndata: {data}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """Tells the client how long to wait before it comes back."""
    return f"retry: {milliseconds}\n\n".encode()


def jittered_ms(mean_s: float) -> int:
    """Half to one and a half times the mean, so that many clients do not come back at once."""
    return int(mean_s * 1000 * random.uniform(0.5, 1.5))
