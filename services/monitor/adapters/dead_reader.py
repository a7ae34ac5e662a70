"""What lies at one place of a dead-letter topic? Read from the broker when somebody asks, never before."""

import asyncio
from contextlib import AsyncExitStack

from aiokafka.errors import KafkaError

from services.monitor.ports import Unreadable
from shared.platform.reading import Lookup, beginning_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic


class KafkaDeadReader:
    """A look-up that connects at its first use, so that monitor starts without a broker."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._opened = AsyncExitStack()
        self._lookup: Lookup | None = None
        self._opening = asyncio.Lock()
        self._partitions: dict[Topic, set[int]] = {}

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        """The record there, None when there is none (any more). Raises Unreadable."""
        try:
            if not await self._has(topic, partition):
                return None
            lookup = await self._connected()
            return await lookup.read_one(topic, partition, offset)
        except (KafkaError, TimeoutError) as error:
            raise Unreadable(f"{type(error).__name__} while reading {topic}") from error

    async def _has(self, topic: Topic, partition: int) -> bool:
        """A look-up in a partition that does not exist would wait for it."""
        if topic not in self._partitions:
            self._partitions[topic] = {at.partition for at in await beginning_offsets(self._kafka, [topic])}
        return partition in self._partitions[topic]

    async def _connected(self) -> Lookup:
        async with self._opening:
            if self._lookup is None:
                self._lookup = await self._opened.enter_async_context(Lookup(self._kafka))
            return self._lookup

    async def close(self) -> None:
        """Let go of the connection."""
        await self._opened.aclose()
