"""How are the states of newly owned partitions read, and how far had their inputs come?"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

import structlog
from pydantic import ValidationError

from services.moderation.adapters.ledger import TERM
from services.moderation.own_writes import OwnWrites
from shared.domain.state import KillRecord, StoryState
from shared.platform.consuming import committed, follower_group
from shared.platform.reading import Tail, TopicPartition, end_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

GROUP = "moderation"
LEAD = Topic.INBOX_FLASH
FOLLOWERS = (Topic.LIFTS, Topic.INBOX)

LOADED = (Topic.STATE, Topic.KILLED)
BESIDE = (Topic.TEXT, Topic.CURRENT)
"""Written by the owner as well, but read one record at a time."""

_At: TypeAlias = tuple[Topic, str]
"""A topic and a key in it."""

log = structlog.stdlib.get_logger(__name__)


class KafkaArchive:
    """`services.moderation.ports.Archive` on `story.state`, `story.killed` and the group's offsets."""

    def __init__(self, kafka: KafkaSettings, own: OwnWrites | None = None) -> None:
        self._kafka = kafka
        self._own = own or OwnWrites()
        self._since: Mapping[TopicPartition, int] = {}

    async def load(
        self,
        partitions: frozenset[int],
        state: Callable[[int, StoryState], None],
        kill: Callable[[int, KillRecord], None],
    ) -> None:
        """Read both topics to their ends, and begin a new term.

        A record that is none of ours is logged; the one before it counts. So does one of a higher term before one that
        an owner of old has written late.
        """
        ends = await end_offsets(self._kafka, (*LOADED, *BESIDE))
        self._since = {at: offset for at, offset in ends.items() if at.partition in partitions}
        newest = await self._newest(partitions, lambda record: True)
        strange = {at for at, record in newest.items() if not _is_readable(record)}
        if strange:  # only then is every record of these keys parsed, not one per story
            for at in strange:
                record = newest.pop(at)
                log.error("state.unreadable", topic=record.topic, partition=record.partition, offset=record.offset)
            newest |= await self._newest(partitions, lambda record: _at(record) in strange and _is_readable(record))
        self._own.begin(max(map(_term, newest.values()), default=0))
        for record in newest.values():
            if record.topic is Topic.STATE:
                state(record.partition, StoryState.model_validate_json(record.value or b""))
            else:
                kill(record.partition, KillRecord.model_validate_json(record.value or b""))

    async def _newest(self, partitions: frozenset[int], counts: Callable[[Record], bool]) -> dict[_At, Record]:
        """Return the newest record that counts of each key in both topics, of those with the highest term."""
        found: dict[_At, Record] = {}

        def apply(record: Record) -> None:
            if record.key and record.value is not None and counts(record):
                before = found.get(_at(record))
                if before is None or _term(record) >= _term(before):
                    found[_at(record)] = record

        async with Tail(self._kafka, LOADED, partitions) as tail:
            await tail.load(apply, since="beginning")
        return found

    async def follow(self, see: Callable[[Record], None]) -> None:
        partitions = frozenset(at.partition for at in self._since)
        async with Tail(self._kafka, (*LOADED, *BESIDE), partitions) as tail:
            await tail.load(see, since=self._since)
            await tail.follow(see, asyncio.Event())

    async def committed(self, partitions: frozenset[int]) -> Mapping[tuple[str, int], int]:
        groups = {LEAD: GROUP} | {topic: follower_group(GROUP, topic) for topic in FOLLOWERS}
        answers = await asyncio.gather(
            *(committed(self._kafka, group, topic, sorted(partitions)) for topic, group in groups.items())
        )
        return {
            (topic.value, partition): offset
            for topic, answer in zip(groups, answers, strict=True)
            for partition, offset in answer.items()
            if offset is not None
        }


def _at(record: Record) -> _At:
    return record.topic, record.key or ""


def _term(record: Record) -> int:
    told = record.headers.get(TERM, b"")
    return int(told) if told.isdigit() else 0


def _is_readable(record: Record) -> bool:
    shape = StoryState if record.topic is Topic.STATE else KillRecord
    try:
        shape.model_validate_json(record.value or b"")
    except ValidationError:
        return False
    return True
