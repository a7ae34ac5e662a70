"""What do the platform's tests need of a real cluster? Topics of a chosen size, groups with a start, records."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from shared.domain.errors import Unprocessable
from shared.platform.consuming import Completion, Record, Source, consume, follower_group, group_name
from shared.platform.publishing import Appended, Outgoing, Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name, spec


def settings(bootstrap: str, prefix: str) -> KafkaSettings:
    """Settings of one test: its own topics and groups on a shared broker."""
    return KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix, client_id=f"{prefix}test")


async def make_topics(kafka: KafkaSettings, partitions: Mapping[Topic, int], **config: str) -> None:
    """Create topics as the table says, but with these partition counts and these settings instead."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [
                NewTopic(name(topic, kafka.topic_prefix), count, 1, topic_configs=spec(topic).config(1) | config)
                for topic, count in partitions.items()
            ]
        )
        failed = [error for error in answer.topic_errors if error[1]]
        assert not failed, failed
    finally:
        await admin.close()


async def set_offsets(
    kafka: KafkaSettings, group: str, topic: Topic, offsets: Mapping[int, int | tuple[int, str]]
) -> None:
    """Commit offsets for a group that has no members."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, group_id=group_name(group, kafka.topic_prefix), enable_auto_commit=False
    )
    await consumer.start()
    try:
        places = {TopicPartition(name(topic, kafka.topic_prefix), number): at for number, at in offsets.items()}
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()


async def start_groups(kafka: KafkaSettings, group: str, topics: Sequence[Topic], partitions: int) -> None:
    """Commit the start for a group's lead (the first topic) and its followers."""
    starts: dict[int, int | tuple[int, str]] = dict.fromkeys(range(partitions), 0)
    await set_offsets(kafka, group, topics[0], starts)
    for follower in topics[1:]:
        await set_offsets(kafka, follower_group(group, follower), follower, starts)


async def fill(
    kafka: KafkaSettings, topic: Topic, values: Sequence[str], *, partition: int | None = 0, key: str = "k"
) -> list[Appended]:
    """Publish these values in order."""
    async with Publisher(kafka) as publisher:
        return await publisher.publish_all(
            [Outgoing(topic, key, value.encode(), partition=partition) for value in values]
        )


async def everything(kafka: KafkaSettings, topic: Topic) -> list[Any]:
    """All of aiokafka's records that are in a topic now."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        cluster = await consumer._client.fetch_all_metadata()
        full_name = name(topic, kafka.topic_prefix)
        places = [TopicPartition(full_name, number) for number in cluster.partitions_for_topic(full_name)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        found: list[Any] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=100)).values():
                found.extend(batch)
        return found
    finally:
        await consumer.stop()


@dataclass(slots=True)
class Desk:
    """A handler that writes down what it was given; `effects` are the values whose handling is finished."""

    effects: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    parked: list[tuple[Record, Unprocessable]] = field(default_factory=list)

    async def handle(self, record: Record) -> Completion | None:
        self.records.append(record)
        self.effects.append(text(record))
        return None

    async def park(self, record: Record, error: Unprocessable) -> None:
        self.parked.append((record, error))

    @property
    def seen(self) -> list[str]:
        return [text(record) for record in self.records]


def text(record: Record) -> str:
    """The value of a test's record."""
    assert record.value is not None
    return record.value.decode()


@dataclass(slots=True)
class Running:
    """A loop under way."""

    task: asyncio.Task[None]
    stop: asyncio.Event

    async def stopped(self) -> None:
        """Ask it to stop and wait until it has; raises what the loop raised."""
        self.stop.set()
        await self.task


@asynccontextmanager
async def running(kafka: KafkaSettings, sources: Sequence[Source], **options: Any) -> AsyncIterator[Running]:
    """Run the loop while the block lasts; on the way out it is stopped, or cancelled when the block failed."""
    stop = asyncio.Event()
    defaults: dict[str, Any] = {"group": "desk", "member": "desk-0"}
    task = asyncio.create_task(consume(kafka, sources=sources, stop=stop, **(defaults | options)))
    try:
        yield Running(task, stop)
        stop.set()
        await asyncio.wait({task})
    finally:
        task.cancel()
        await asyncio.wait({task})
