"""What do the loop's tests run on? A cluster in memory and a real one, behind one face."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from aiokafka.structs import TopicPartition

from shared.platform.consumers import follower_group, group_name, open_consumer
from shared.platform.consuming import Source
from shared.platform.publishing import Appended, Outgoing, Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.fakes.log_twin import LogTwin
from tests.platform import cluster
from tests.platform.cluster import Running


class Cluster(Protocol):
    """Topics, groups and the loop over them. `session`: seconds, the shortest session that a group grants."""

    kafka: KafkaSettings
    session: float

    async def make_topics(self, partitions: Mapping[Topic, int]) -> None: ...
    async def set_offsets(self, group: str, topic: Topic, offsets: Mapping[int, int | tuple[int, str]]) -> None:
        """Commit for a group that has no members, with a note or without."""

    async def notes(self, group: str, topic: Topic, partitions: Sequence[int]) -> dict[int, tuple[int, str] | None]:
        """What the group has committed, None where nothing."""

    async def publish(self, topic: Topic, key: str, value: bytes | None, *, partition: int = 0) -> Appended: ...
    async def fill(self, topic: Topic, values: Sequence[str], *, partition: int = 0, key: str = "k") -> list[Appended]:
        """Publish these values in order."""

    def running(self, sources: Sequence[Source], **options: Any) -> AbstractAsyncContextManager[Running]: ...


class TwinCluster:
    """`Cluster` in memory."""

    session = 0.6

    def __init__(self) -> None:
        self.kafka = KafkaSettings(bootstrap="nowhere:0", topic_prefix="twin.")
        self.log = LogTwin()

    async def make_topics(self, partitions: Mapping[Topic, int]) -> None:
        for topic, count in partitions.items():
            self.log.make_topic(name(topic, self.kafka.topic_prefix), count)

    async def set_offsets(self, group: str, topic: Topic, offsets: Mapping[int, int | tuple[int, str]]) -> None:
        commits = {self._at(topic, one): (at, "") if isinstance(at, int) else at for one, at in offsets.items()}
        self.log.commit(group_name(group, self.kafka.topic_prefix), commits)

    async def notes(self, group: str, topic: Topic, partitions: Sequence[int]) -> dict[int, tuple[int, str] | None]:
        known = self.log.committed(group_name(group, self.kafka.topic_prefix))
        return {one: known.get(self._at(topic, one)) for one in partitions}

    async def publish(self, topic: Topic, key: str, value: bytes | None, *, partition: int = 0) -> Appended:
        return self.log.append(self.kafka, topic, partition, key, value)

    async def fill(self, topic: Topic, values: Sequence[str], *, partition: int = 0, key: str = "k") -> list[Appended]:
        return [await self.publish(topic, key, value.encode(), partition=partition) for value in values]

    def running(self, sources: Sequence[Source], **options: Any) -> AbstractAsyncContextManager[Running]:
        return cluster.running(self.kafka, sources, **({"open_consumer": self.log.open_consumer} | options))

    def _at(self, topic: Topic, partition: int) -> TopicPartition:
        return TopicPartition(name(topic, self.kafka.topic_prefix), partition)


class BrokerCluster:
    """`Cluster` on a broker; topics and groups have names of this test's own."""

    session = 6.0

    def __init__(self, kafka: KafkaSettings, publisher: Publisher) -> None:
        self.kafka = kafka
        self._publisher = publisher

    async def make_topics(self, partitions: Mapping[Topic, int]) -> None:
        await cluster.make_topics(self.kafka, partitions)

    async def set_offsets(self, group: str, topic: Topic, offsets: Mapping[int, int | tuple[int, str]]) -> None:
        await cluster.set_offsets(self.kafka, group, topic, offsets)

    async def notes(self, group: str, topic: Topic, partitions: Sequence[int]) -> dict[int, tuple[int, str] | None]:
        places = {TopicPartition(name(topic, self.kafka.topic_prefix), one): one for one in partitions}
        async with AsyncExitStack() as opened:
            consumer = await open_consumer(self.kafka, group_id=group_name(group, self.kafka.topic_prefix))
            opened.push_async_callback(consumer.stop)
            found = await consumer.offsets(list(places))
        return {one: found.get(place) for place, one in places.items()}

    async def publish(self, topic: Topic, key: str, value: bytes | None, *, partition: int = 0) -> Appended:
        return await self._publisher.publish(topic, key, value, partition=partition)

    async def fill(self, topic: Topic, values: Sequence[str], *, partition: int = 0, key: str = "k") -> list[Appended]:
        return await self._publisher.publish_all(
            [Outgoing(topic, key, value.encode(), partition=partition) for value in values]
        )

    def running(self, sources: Sequence[Source], **options: Any) -> AbstractAsyncContextManager[Running]:
        return cluster.running(self.kafka, sources, **options)


@asynccontextmanager
async def on_a_broker(kafka: KafkaSettings) -> AsyncIterator[BrokerCluster]:
    async with Publisher(kafka) as publisher:
        yield BrokerCluster(kafka, publisher)


async def start_groups(on: Cluster, group: str, topics: Sequence[Topic], partitions: int) -> None:
    """Commit the start for a group's lead (the first topic) and its followers."""
    starts: dict[int, int | tuple[int, str]] = dict.fromkeys(range(partitions), 0)
    await on.set_offsets(group, topics[0], starts)
    for follower in topics[1:]:
        await on.set_offsets(follower_group(group, follower), follower, starts)


async def offsets(on: Cluster, group: str, topic: Topic, partitions: Sequence[int]) -> dict[int, int | None]:
    """The next offset a group has committed for each partition; None where it never has."""
    return {one: at[0] if at else None for one, at in (await on.notes(group, topic, partitions)).items()}
