"""How are the states of newly owned partitions read, and how far had their inputs come?"""

import asyncio
from collections.abc import Callable, Mapping

from shared.domain.state import KillRecord, StoryState
from shared.platform.consuming import committed, follower_group
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

GROUP = "moderation"
LEAD = Topic.INBOX_FLASH
FOLLOWERS = (Topic.LIFTS, Topic.INBOX)


class KafkaArchive:
    """`services.moderation.ports.Archive` on `story.state`, `story.killed` and the group's offsets."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def load(
        self,
        partitions: frozenset[int],
        state: Callable[[int, StoryState], None],
        kill: Callable[[int, KillRecord], None],
    ) -> None:
        """Read both topics to their ends; raises ValidationError for a record that is none of ours."""
        newest: dict[str, Record] = {}
        kills: dict[str, Record] = {}

        def apply(record: Record) -> None:
            into = newest if record.topic is Topic.STATE else kills
            if record.key and record.value is not None:
                into[record.key] = record

        async with Tail(self._kafka, (Topic.STATE, Topic.KILLED), partitions) as tail:
            await tail.load(apply, since="beginning")
        # parsed once per story, not once per record that compaction has not met yet
        for record in newest.values():
            state(record.partition, StoryState.model_validate_json(record.value or b""))
        for record in kills.values():
            kill(record.partition, KillRecord.model_validate_json(record.value or b""))

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
