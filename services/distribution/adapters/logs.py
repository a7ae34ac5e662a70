"""The log, asked about the past: a release by its place, what has passed the matcher, what was tried lately."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from services.distribution.journal import TIER_OF
from shared.domain.errors import Unprocessable
from shared.domain.events import DeliveryAttempted, DeliveryDue, StoryReleased, parse_event
from shared.domain.story import Lane
from shared.platform.consuming import Record, committed, follower_group
from shared.platform.logs import logger
from shared.platform.reading import Lookup, Tail, TopicPartition, beginning_offsets, end_offsets
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

LOOK_BACK = timedelta(minutes=1)
"""Clocks that may differ: appended by the broker's, or by that of whoever released a story."""

LANES = {Lane.FLASH: Topic.RELEASED_FLASH, Lane.ROUTINE: Topic.RELEASED}


class Groups:
    """How far a group of consumers has come in each of its topics, the lead first."""

    def __init__(self, kafka: KafkaSettings, lookup: Lookup, group: str, topics: Sequence[Topic]) -> None:
        self._kafka = kafka
        self._lookup = lookup
        self._group = group
        self._topics = topics

    async def passed(self, partitions: Iterable[int]) -> dict[TopicPartition, int]:
        """The next offset of each partition that the group has ever committed one for."""
        wanted = sorted(partitions)
        groups = [self._group, *(follower_group(self._group, topic) for topic in self._topics[1:])]
        found = await asyncio.gather(
            *(committed(self._kafka, group, topic, wanted) for group, topic in zip(groups, self._topics, strict=True))
        )
        return {
            TopicPartition(topic, partition): offset
            for topic, offsets in zip(self._topics, found, strict=True)
            for partition, offset in offsets.items()
            if offset is not None
        }

    async def oldest_open(self, passed: dict[TopicPartition, int]) -> list[Record]:
        """The record at each of these places: the oldest of its partition that has not passed."""
        found = [await self._lookup.read_one(at.topic, at.partition, offset) for at, offset in passed.items()]
        return [record for record in found if record]


class KafkaReleasedLog:
    """`ReleasedLog` over the two released lanes, each of one partition: its order is the public one."""

    def __init__(self, kafka: KafkaSettings, lookup: Lookup, matcher: Groups) -> None:
        self._kafka = kafka
        self._lookup = lookup
        self._matcher = matcher

    async def read(self, lane: Lane, offset: int) -> StoryReleased | None:
        """Raises TimeoutError when the broker does not answer."""
        record = await self.record(lane, offset)
        return _release(record, lane) if record else None

    async def read_from(self, lane: Lane, offset: int, limit: int) -> list[tuple[int, StoryReleased | None]]:
        """Raises TimeoutError when the broker does not answer."""
        records = await self._lookup.read_from(LANES[lane], 0, offset, limit)
        return [(record.offset, _release(record, lane)) for record in records]

    async def bounds(self) -> dict[Lane, tuple[int, int]]:
        """Raises aiokafka's KafkaError without a broker."""
        topics = tuple(LANES.values())
        begins, ends = await asyncio.gather(beginning_offsets(self._kafka, topics), end_offsets(self._kafka, topics))
        places = {lane: TopicPartition(topic, 0) for lane, topic in LANES.items()}
        return {lane: (begins[at], ends[at]) for lane, at in places.items()}

    async def record(self, lane: Lane, offset: int) -> Record | None:
        """Raises TimeoutError when the broker does not answer."""
        return await self._lookup.read_one(LANES[lane], 0, offset)

    async def passed(self, take: Callable[[Record], None]) -> int:
        """Hand over what passed on one lane since the oldest release that is still to come on the other."""
        passed = await self._matcher.passed([0])
        for waiting in await self._matcher.oldest_open(passed):
            since = datetime.fromtimestamp(waiting.timestamp_ms / 1000, UTC) - LOOK_BACK
            for other in LANES.values():
                end = passed.get(TopicPartition(other, 0))
                if other is not waiting.topic and end is not None:
                    await self._read(other, since, end, take)
        return passed.get(TopicPartition(LANES[Lane.FLASH], 0), 0)

    async def _read(self, topic: Topic, since: datetime, end: int, take: Callable[[Record], None]) -> None:
        def keep(record: Record) -> None:
            if record.offset < end:
                take(record)

        async with Tail(self._kafka, (topic,)) as tail:
            await tail.load(keep, since=since)


def _release(record: Record, lane: Lane) -> StoryReleased | None:
    """The release in a record, its item with its place; None for anything else, which the matcher has parked."""
    try:
        event = parse_event(record.value)
    except Unprocessable:
        return None
    if not isinstance(event, StoryReleased):
        return None
    item = event.data.item.model_copy(update={"seq": record.offset, "lane": lane})
    return event.model_copy(update={"data": event.data.model_copy(update={"item": item})})


class KafkaAttemptLog:
    """`AttemptLog` over `delivery.attempts`; partitions of all delivery topics are the shards."""

    def __init__(self, kafka: KafkaSettings, matcher: Groups, deliverer: Groups) -> None:
        self._kafka = kafka
        self._matcher = matcher
        self._deliverer = deliverer

    async def since_backlog(
        self, shards: frozenset[int], take: Callable[[DeliveryAttempted], None], not_after: datetime | None = None
    ) -> None:
        """Read from `LOOK_BACK` before the first moment at which what may come again can have been tried."""

        def keep(record: Record) -> None:
            try:
                event = parse_event(record.value)
            except Unprocessable:
                logger().error("attempt.unreadable", partition=record.partition, offset=record.offset)
                return
            if isinstance(event, DeliveryAttempted):
                take(event)

        began = await self._backlog_began(shards)
        await self._read(shards, min(began, not_after or began), keep)

    async def newest_delivered(self, shard: int, endpoint_id: str, since: datetime) -> dict[str, int]:
        newest: dict[str, int] = {}
        named = endpoint_id.encode()

        def keep(record: Record) -> None:
            if record.value is None or named not in record.value:  # decoding is what costs: most are somebody else's
                return
            with suppress(Unprocessable):  # told when the shard was gained
                event = parse_event(record.value)
                if isinstance(event, DeliveryAttempted) and _brought_more(event, endpoint_id):
                    newest[event.story_id] = max(newest.get(event.story_id, 0), event.release_no or 0)

        await self._read(frozenset({shard}), since, keep)
        return newest

    async def _read(self, shards: frozenset[int], since: datetime, take: Callable[[Record], None]) -> None:
        async with Tail(self._kafka, (Topic.ATTEMPTS,), shards) as tail:
            await tail.load(take, since=since - LOOK_BACK)

    async def flash_backlog(self, shards: frozenset[int]) -> dict[int, int]:
        """Raises aiokafka's KafkaError without a broker."""
        passed, ends = await asyncio.gather(
            self._deliverer.passed(shards), end_offsets(self._kafka, (Topic.DUE_FLASH,))
        )
        flash = {at.partition: offset for at, offset in passed.items() if at.topic is Topic.DUE_FLASH}
        return {
            at.partition: end
            for at, end in ends.items()
            if at.partition in shards and flash.get(at.partition, end) < end
        }

    async def _backlog_began(self, shards: frozenset[int]) -> datetime:
        """When the oldest open record could be tried first; now when nothing is open.

        The matcher's count too: it may write the blocks of its open releases once more.
        """
        waiting = [
            record
            for group, partitions in ((self._matcher, {0}), (self._deliverer, shards))
            for record in await group.oldest_open(await group.passed(partitions))
        ]
        now = datetime.now(UTC)
        return min((min(due_from(record), now) for record in waiting), default=now)


def _brought_more(event: DeliveryAttempted, endpoint_id: str) -> bool:
    """Whether it took to an endpoint a release that may be newer than another one of its story."""
    row = event.data
    return row.endpoint_id == endpoint_id and row.state == "delivered" and (event.release_no or 0) > 1


def due_from(record: Record) -> datetime:
    """When a record could be acted on first: once it was appended, or once its tier has held it.

    A release, and so its block, may be put out once more after a crash: then its first copy was acted on before.
    """
    appended = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    if tier := TIER_OF.get(record.topic):
        return appended + tier.delay
    try:
        event = parse_event(record.value)
    except Unprocessable:
        return appended
    if isinstance(event, StoryReleased | DeliveryDue):
        return min(appended, event.data.item.released_at)
    return appended
