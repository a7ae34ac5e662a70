"""Do the tables hold all that was written before this moment, or before a release was appended?"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition as FullTopicPartition

from services.distribution.adapters.logs import LANES
from shared.domain.story import Lane
from shared.platform.consumers import close, open_consumer
from shared.platform.reading import Tail, TopicPartition
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name, topic_named

WITHIN_S: Final = 30.0
"""For the Tail alone: it takes a moment to find its broker again. The broker itself is waited for."""
LOOK_EVERY_S: Final = 0.002
ASK_AGAIN_S: Final = 0.5


class Freshness:
    """Compares where topics end with how far the Tail that feeds the tables has come. Opened as an async context.

    One question to the broker covers every release that it knew of when the question before it was answered: a
    backlog costs two of them, a single release one. Raises TimeoutError when the Tail does not get there.
    """

    def __init__(self, kafka: KafkaSettings, tail: Tail, topics: tuple[Topic, ...]) -> None:
        self._kafka = kafka
        self._tail = tail
        self._topics = topics
        self._consumer: Any = None
        self._covered = dict.fromkeys(Lane, 0)
        self._ends = dict.fromkeys(Lane, 0)

    async def __aenter__(self) -> Self:
        self._consumer = await open_consumer(self._kafka)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close(self._consumer)

    async def caught_up(self) -> None:
        """Return once the tables hold all that is in their topics now."""
        await self._read_to(await self._ask(self._topics))

    async def known_before(self, lane: Lane, offset: int) -> int:
        """Return once the registry holds whatever was registered before the release at that place was appended.

        The answer is where the flash lane ends: at or behind every flash that was appended before that release.
        """
        if offset >= self._covered[lane]:
            surely = {**self._ends, lane: max(self._ends[lane], offset + 1)}
            found = await self._ask((Topic.SUBSCRIPTION_STATE, *LANES.values()))
            await self._read_to({at: end for at, end in found.items() if at.topic is Topic.SUBSCRIPTION_STATE})
            self._covered = surely
            self._ends = {each: found[TopicPartition(topic, 0)] for each, topic in LANES.items()}
        return self._ends[Lane.FLASH]

    async def _ask(self, topics: tuple[Topic, ...]) -> dict[TopicPartition, int]:
        """Where the topics end now; asks until the broker answers, as whoever waits for a release does anyway."""
        while True:
            try:
                ends = await self._consumer.end_offsets(self._partitions(topics))
            except KafkaError:
                await asyncio.sleep(ASK_AGAIN_S)
                continue
            prefix = self._kafka.topic_prefix
            return {TopicPartition(topic_named(at.topic, prefix), at.partition): end for at, end in ends.items()}

    def _partitions(self, topics: tuple[Topic, ...]) -> list[FullTopicPartition]:
        known = [*self._tail.positions(), *(TopicPartition(topic, 0) for topic in LANES.values())]
        prefix = self._kafka.topic_prefix
        return [FullTopicPartition(name(at.topic, prefix), at.partition) for at in known if at.topic in topics]

    async def _read_to(self, ends: Mapping[TopicPartition, int]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not self._has_read_to(ends):  # noqa: ASYNC110 - a Tail tells nobody
                await asyncio.sleep(LOOK_EVERY_S)

    def _has_read_to(self, ends: Mapping[TopicPartition, int]) -> bool:
        read = self._tail.positions()
        return all(read[at] >= end for at, end in ends.items())
