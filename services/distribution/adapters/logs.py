"""The log, asked about the past: the newest release of a story, and what was tried since the backlog began."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from shared.domain.errors import Unprocessable
from shared.domain.events import DeliveryAttempted, StoryReleased, parse_event
from shared.platform.consuming import Record, committed, follower_group
from shared.platform.logs import logger
from shared.platform.reading import Lookup, Tail
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

BEHIND_S = 5.0
LOOK_BACK = timedelta(minutes=5)


class CurrentIndex:
    """Where in `story.current` each story's newest release lies; fed by a Tail, read one record at a time."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._where: dict[str, tuple[int, int]] = {}

    def apply(self, record: Record) -> None:
        if record.key is None:
            return
        if record.value is None:
            self._where.pop(record.key, None)
        else:
            self._where[record.key] = (record.partition, record.offset)

    async def newest(self, story_id: str, at_least: int = 0) -> StoryReleased | None:
        """Return the release, or None when the story has none.

        The Tail may be behind the lane on which a release came: waits up to `BEHIND_S` for number `at_least`.
        """
        try:
            async with asyncio.timeout(BEHIND_S):
                while (found := await self._read(story_id)) is None or (found.release_no or 0) < at_least:
                    if found is None and not at_least and story_id not in self._where:
                        return None
                    await asyncio.sleep(0.02)
                return found
        except TimeoutError:
            logger().error("current.behind", story_id=story_id, release_no=at_least)
            return await self._read(story_id)

    async def _read(self, story_id: str) -> StoryReleased | None:
        """Return what lies at the place known now; None when a newer record has replaced it there."""
        if (at := self._where.get(story_id)) is None:
            return None
        record = await self._lookup.read_one(Topic.CURRENT, *at)
        event = parse_event(record.value) if record else None
        return event if isinstance(event, StoryReleased) else None


class KafkaAttemptLog:
    """`AttemptLog` over `delivery.attempts`; partitions of all delivery topics are the shards."""

    def __init__(self, kafka: KafkaSettings, lookup: Lookup, group: str, topics: Sequence[Topic]) -> None:
        """`topics` as they are consumed, the lead first: their committed offsets tell where the backlog begins."""
        self._kafka = kafka
        self._lookup = lookup
        self._group = group
        self._topics = topics

    async def since_backlog(self, shards: frozenset[int], take: Callable[[DeliveryAttempted], None]) -> None:
        """Read from `LOOK_BACK` before the backlog: an older release, or a block once more, may be yet to come."""

        def keep(record: Record) -> None:
            try:
                event = parse_event(record.value)
            except Unprocessable:
                logger().error("attempt.unreadable", partition=record.partition, offset=record.offset)
                return
            if isinstance(event, DeliveryAttempted):
                take(event)

        began = await self._backlog_began(shards)
        async with Tail(self._kafka, (Topic.ATTEMPTS,), shards) as tail:
            await tail.load(keep, since=began - LOOK_BACK)

    async def _backlog_began(self, shards: frozenset[int]) -> datetime:
        """The append time of the oldest record that has not passed; now when nothing waits."""
        groups = [self._group, *(follower_group(self._group, topic) for topic in self._topics[1:])]
        passed = await asyncio.gather(
            *(
                committed(self._kafka, group, topic, sorted(shards))
                for group, topic in zip(groups, self._topics, strict=True)
            )
        )
        waiting = [
            await self._lookup.read_one(topic, shard, offset)
            for topic, offsets in zip(self._topics, passed, strict=True)
            for shard, offset in offsets.items()
            if offset is not None
        ]
        appended = (datetime.fromtimestamp(record.timestamp_ms / 1000, UTC) for record in waiting if record)
        return min(appended, default=datetime.now(UTC))
