"""Releases as records, and the two released topics in memory: what the stream reads, without a broker."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from services.gateway.stream.frames import TOPIC_OF
from services.gateway.stream.positions import LANES, Position
from shared.domain.events import Released, StoryReleased, derived_id, encode_event
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.state import KillRecord, StoryState
from shared.domain.story import NOTICES, Kind, Lane
from shared.platform.reading import Pause, Since, TopicPartition
from shared.platform.records import Record
from shared.platform.topics import Topic

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def released(
    story_id: str = "urn:story:one",
    release_no: int = 1,
    lane: Lane = Lane.ROUTINE,
    kind: Kind = Kind.PUBLISH,
    *,
    headline: str = "A headline",
    facts: Facts | None = None,
    reach: Facts | None = None,
    accepted: datetime | None = None,
) -> StoryReleased:
    """A release as moderation writes it; a withhold or kill has no text."""
    story: dict[str, object] = {"uri": story_id, "version": "1"}
    if kind not in NOTICES:
        story |= {"headlines": [{"value": headline}], "bodies": [{"value": f"Body of {headline}."}]}
    item = Item(lane=lane, kind=kind, story_id=story_id, version=1, release_no=release_no, released_at=AT, story=story)
    return StoryReleased(
        event_id=derived_id(story_id, str(release_no)),
        story_id=story_id,
        version=1,
        release_no=release_no,
        occurred_at=AT,
        producer="moderation",
        stage_times={"accepted": int((accepted or AT).timestamp() * 1_000_000)},
        data=Released(item=item, facts=facts or Facts(lanes=(lane,)), reach=reach),
    )


class Standings:
    """`story.state` and `story.killed` in memory. While `behind`, what is written waits until the end is asked for."""

    def __init__(self) -> None:
        self.behind = False
        self._records: list[Record] = []
        self._waiting: list[Record] = []
        self._apply: Callable[[Record], None] | None = None
        self._offsets = itertools.count()

    def positions(self) -> Mapping[TopicPartition, int]:
        return {}

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        for record in self._records:
            apply(record)

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        self._apply = apply
        await stop.wait()

    async def reach_end(self) -> None:
        assert self._apply is not None
        waiting, self._waiting, self.behind = self._waiting, [], False
        for record in waiting:
            self._apply(record)

    def kill(self, story_id: str, release_no: int = 2) -> None:
        """Write the record of a kill."""
        record = KillRecord(story_id=story_id, version=1, release_no=release_no, cause="e1", at=1)
        self.write(Topic.KILLED, story_id, record.model_dump_json().encode())

    def state(self, state: StoryState) -> None:
        self.write(Topic.STATE, state.story_id, state.model_dump_json().encode())

    def write(self, topic: Topic, key: str, value: bytes) -> None:
        record = Record(topic, 0, next(self._offsets), key, value, {}, 0)
        self._records.append(record)
        if self.behind:
            self._waiting.append(record)
        elif self._apply is not None:
            self._apply(record)


class ReleasedLog:
    """Both released topics in memory: what is followed, and what is read again (`History`)."""

    def __init__(self) -> None:
        self.lanes: dict[Lane, list[Record]] = {lane: [] for lane in LANES}
        self.starts = dict.fromkeys(LANES, 0)
        self.reads = 0
        self.away = False  # what is followed is there, what is read again is not
        self._apply: Callable[[Record], None] | None = None

    # Writing

    def append(self, event: StoryReleased, *, at_ms: int | None = None) -> Record:
        """Write a release to its lane; whoever follows has it when this returns."""
        return self.append_value(event.data.item.lane, encode_event(event), at_ms=at_ms)

    def append_value(self, lane: Lane, value: bytes | None, *, at_ms: int | None = None) -> Record:
        end = self.starts[lane] + len(self.lanes[lane])
        stamp = int(time.time() * 1000) if at_ms is None else at_ms
        record = Record(TOPIC_OF[lane], 0, end, "key", value, {}, stamp)
        self.lanes[lane].append(record)
        if self._apply is not None:
            self._apply(record)
        return record

    def delete_before(self, position: Position) -> None:
        """Retention passes by."""
        for lane in LANES:
            gone = position.of(lane) - self.starts[lane]
            del self.lanes[lane][:gone]
            self.starts[lane] = position.of(lane)

    # Log

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        for record in self.between(since):
            apply(record)

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        self._apply = apply
        await stop.wait()
        self._apply = None

    def positions(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition(TOPIC_OF[lane], 0): self.starts[lane] + len(self.lanes[lane]) for lane in LANES}

    def between(self, since: Since) -> list[Record]:
        all_records = [record for lane in LANES for record in self.lanes[lane]]
        if isinstance(since, datetime):
            return [record for record in all_records if record.timestamp_ms >= since.timestamp() * 1000]
        return all_records

    # History

    async def earliest(self) -> Position:
        if self.away:
            raise ConnectionError("no broker")
        return Position(self.starts[Lane.FLASH], self.starts[Lane.ROUTINE])

    async def at(self, when: datetime) -> Position:
        found = Position(*(self.starts[lane] + len(self.lanes[lane]) for lane in LANES))
        for lane in LANES:
            younger = [r.offset for r in self.lanes[lane] if r.timestamp_ms >= when.timestamp() * 1000]
            found = found.at(lane, min(younger, default=found.of(lane)))
        return found

    async def read(self, lane: Lane, since: int, until: int) -> Sequence[Record]:
        self.reads += 1
        return [record for record in self.lanes[lane] if since <= record.offset < until][:3]

    def flashes(self) -> "Flashes":
        """The flash lane alone, as the gate reads it at the start."""
        return Flashes(self)


class Flashes:
    """One lane of a `ReleasedLog`."""

    def __init__(self, log: ReleasedLog) -> None:
        self._log = log

    def positions(self) -> Mapping[TopicPartition, int]:
        return {}

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        for record in tuple(self._log.lanes[Lane.FLASH]):
            apply(record)

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        await stop.wait()
