"""Does a reader without a group see everything from where it starts, tombstones and later records included?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from deploy.local.kafka import LocalKafka
from shared.domain.errors import Misconfigured
from shared.platform.consuming import Record
from shared.platform.health import Health
from shared.platform.publishing import Publisher
from shared.platform.reading import Lookup, Tail, TopicPartition, beginning_offsets, end_offsets
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import fill, make_topics, settings, text
from tests.waiting import wait_until


@asynccontextmanager
async def following(tail: Tail, seen: list[Record]) -> AsyncIterator[asyncio.Task[None]]:
    """Follow while the block lasts."""
    stop = asyncio.Event()
    task = asyncio.create_task(tail.follow(seen.append, stop))
    try:
        yield task
    finally:
        stop.set()
        await task


class TestLoad:
    async def test_load_applies_everything_there_and_returns(self, kafka: KafkaSettings) -> None:
        """All partitions of all topics, up to the ends at the start."""
        await make_topics(kafka, {Topic.STATE: 2, Topic.KILLED: 1})
        await fill(kafka, Topic.STATE, ["a", "b"], partition=0)
        await fill(kafka, Topic.STATE, ["c"], partition=1)
        await fill(kafka, Topic.KILLED, ["k"])
        seen: list[Record] = []
        async with Tail(kafka, [Topic.STATE, Topic.KILLED]) as tail:
            await tail.load(seen.append)
            assert tail.caught_up()
            assert tail.loaded
        assert sorted(map(text, seen)) == ["a", "b", "c", "k"]
        assert tail.positions() == {
            TopicPartition(Topic.STATE, 0): 2,
            TopicPartition(Topic.STATE, 1): 1,
            TopicPartition(Topic.KILLED, 0): 1,
        }

    async def test_only_the_given_partitions_are_read(self, kafka: KafkaSettings) -> None:
        """An owner reads the state of what it owns."""
        await make_topics(kafka, {Topic.STATE: 2})
        await fill(kafka, Topic.STATE, ["mine"], partition=1)
        await fill(kafka, Topic.STATE, ["not mine"], partition=0)
        seen: list[Record] = []
        async with Tail(kafka, [Topic.STATE], {1}) as tail:
            await tail.load(seen.append)
        assert list(map(text, seen)) == ["mine"]

    async def test_an_empty_topic_is_loaded_at_once(self, kafka: KafkaSettings) -> None:
        """A new installation starts."""
        await make_topics(kafka, {Topic.STATE: 1})
        async with Tail(kafka, [Topic.STATE]) as tail:
            await asyncio.wait_for(tail.load(lambda record: None), 10)
            assert tail.caught_up()

    async def test_a_tombstone_is_a_record_without_a_value(self, kafka: KafkaSettings) -> None:
        """Erasing is news too."""
        await make_topics(kafka, {Topic.STATE: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.STATE, "story", None)
        seen: list[Record] = []
        async with Tail(kafka, [Topic.STATE]) as tail:
            await tail.load(seen.append)
        assert [(record.key, record.value) for record in seen] == [("story", None)]

    async def test_reading_starts_where_it_is_told_to(self, kafka: KafkaSettings) -> None:
        """At the end, at given offsets, or at a time."""
        await make_topics(kafka, {Topic.INBOX: 1})
        appended = await fill(kafka, Topic.INBOX, ["a", "b", "c"])
        last = datetime.fromtimestamp(appended[0].timestamp_ms / 1000, UTC)

        async def loaded(since: object) -> list[str]:
            seen: list[Record] = []
            async with Tail(kafka, [Topic.INBOX]) as tail:
                await tail.load(seen.append, since)  # type: ignore[arg-type]
            return list(map(text, seen))

        assert await loaded("end") == []
        assert await loaded({TopicPartition(Topic.INBOX, 0): 2}) == ["c"]
        assert await loaded(last) == ["a", "b", "c"]
        assert await loaded(last + timedelta(hours=1)) == []

    async def test_a_topic_that_is_not_there_is_told(self, kafka: KafkaSettings) -> None:
        """It would never be loaded."""
        async with Tail(kafka, [Topic.STATE]) as tail:
            with pytest.raises(Misconfigured, match="no such topic"):
                await tail.load(lambda record: None)

    async def test_an_error_of_the_reader_ends_it(self, kafka: KafkaSettings) -> None:
        """A view that could not apply a record must not pretend that it did."""
        await make_topics(kafka, {Topic.STATE: 1})
        await fill(kafka, Topic.STATE, ["a"])

        def apply(record: Record) -> None:
            raise LookupError(text(record))

        async with Tail(kafka, [Topic.STATE]) as tail:
            with pytest.raises(LookupError):
                await tail.load(apply)
            assert not tail.loaded


class TestFollow:
    async def test_follow_goes_on_where_load_ended(self, kafka: KafkaSettings) -> None:
        """No record twice, none missed."""
        await make_topics(kafka, {Topic.STATE: 1})
        await fill(kafka, Topic.STATE, ["a"])
        seen: list[Record] = []
        tail = Tail(kafka, [Topic.STATE])
        await tail.load(seen.append)
        async with following(tail, seen):
            await fill(kafka, Topic.STATE, ["b", "c"])
            await wait_until(lambda: len(seen) == 3, 10)
        assert list(map(text, seen)) == ["a", "b", "c"]

    async def test_who_asks_for_the_end_gets_what_was_there_when_asking(self, kafka: KafkaSettings) -> None:
        """Of every partition, also of one that holds nothing, and again at once when nothing has come."""
        await make_topics(kafka, {Topic.STATE: 2})
        seen: list[Record] = []
        tail = Tail(kafka, [Topic.STATE])
        await tail.load(seen.append)
        async with following(tail, seen):
            await fill(kafka, Topic.STATE, ["a", "b"], partition=1)
            await asyncio.wait_for(tail.reach_end(), 10)
            assert list(map(text, seen)) == ["a", "b"]
            await asyncio.wait_for(tail.reach_end(), 10)

    async def test_between_two_batches_the_reader_waits(self, kafka: KafkaSettings) -> None:
        """So that others may go first; at most so many records are applied in a batch."""
        await make_topics(kafka, {Topic.STATE: 1})
        seen, counts, stop = list[Record](), list[int](), asyncio.Event()
        held = asyncio.Event()

        async def between() -> None:
            counts.append(len(seen))
            await held.wait()

        tail = Tail(kafka, [Topic.STATE], at_most=2)
        await tail.load(seen.append)
        await fill(kafka, Topic.STATE, ["a", "b", "c", "d", "e"])
        following = asyncio.create_task(tail.follow(seen.append, stop, between=between))
        await wait_until(lambda: counts == [2], 10)
        held.set()
        await wait_until(lambda: len(seen) == 5, 10)
        stop.set()
        await following
        assert all(after - before <= 2 for before, after in pairwise(counts))

    async def test_a_reader_that_has_stopped_comes_to_no_end(self, kafka: KafkaSettings) -> None:
        """Nobody reads on; who waits is not told that it knows everything, and can be cancelled."""
        await make_topics(kafka, {Topic.STATE: 1})
        tail, stop = Tail(kafka, [Topic.STATE]), asyncio.Event()
        await tail.load(lambda record: None)
        stop.set()
        await tail.follow(lambda record: None, stop)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tail.reach_end(), 0.2)

    async def test_a_broker_restart_is_survived_and_told(self, local_kafka: LocalKafka, topic_prefix: str) -> None:
        """Not ready while the broker is away, and nothing missed afterwards."""
        kafka = settings(local_kafka.bootstrap, topic_prefix)
        await make_topics(kafka, {Topic.STATE: 1})
        await fill(kafka, Topic.STATE, ["a"])
        seen: list[Record] = []
        health = Health()
        tail = Tail(kafka, [Topic.STATE], health=health)
        await tail.load(seen.append)
        async with following(tail, seen):
            assert health.ready()[0]
            await local_kafka.kill()
            await wait_until(lambda: not health.ready()[0], 15)
            await local_kafka.start()
            await local_kafka.ready()
            await fill(kafka, Topic.STATE, ["b"])
            await wait_until(lambda: len(seen) == 2 and health.ready()[0], 20)
        assert list(map(text, seen)) == ["a", "b"]


class TestLookup:
    async def test_a_record_is_read_by_its_place(self, kafka: KafkaSettings) -> None:
        """In any order, from any partition, the same one twice."""
        await make_topics(kafka, {Topic.TEXT: 2})
        await fill(kafka, Topic.TEXT, ["a", "b", "c"], partition=0)
        await fill(kafka, Topic.TEXT, ["x"], partition=1)
        async with Lookup(kafka) as lookup:
            found = [await lookup.read_one(Topic.TEXT, *place) for place in [(0, 2), (1, 0), (0, 0), (0, 0), (0, 1)]]
        assert [record and text(record) for record in found] == ["c", "x", "a", "a", "b"]

    async def test_a_record_that_comes_later_is_found_then(self, kafka: KafkaSettings) -> None:
        """Beyond the end there is nothing yet."""
        await make_topics(kafka, {Topic.TEXT: 1})
        async with Lookup(kafka) as lookup:
            assert await lookup.read_one(Topic.TEXT, 0, 0) is None
            await fill(kafka, Topic.TEXT, ["a"])
            found = await lookup.read_one(Topic.TEXT, 0, 0)
        assert found is not None
        assert text(found) == "a"

    async def test_a_record_compacted_away_is_none(self, kafka: KafkaSettings) -> None:
        """The newest of its key stays, the older one is gone."""
        quick = {"segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "500"}
        await make_topics(kafka, {Topic.TEXT: 1}, **quick)
        async with Publisher(kafka) as publisher, Lookup(kafka) as lookup:
            await publisher.publish(Topic.TEXT, "story", b"old")
            await publisher.publish(Topic.TEXT, "story", b"new")

            async def gone() -> bool:
                await publisher.publish(Topic.TEXT, "other", b"rolls the segment")
                return await lookup.read_one(Topic.TEXT, 0, 0) is None

            await wait_until(gone, 60, every=0.5)
            found = await lookup.read_one(Topic.TEXT, 0, 1)
        assert found is not None
        assert text(found) == "new"


async def test_the_ends_of_topics_are_told(kafka: KafkaSettings) -> None:
    """Lag is the difference to what a group has committed."""
    await make_topics(kafka, {Topic.INBOX: 2})
    await fill(kafka, Topic.INBOX, ["a", "b"], partition=1)
    empty, full = TopicPartition(Topic.INBOX, 0), TopicPartition(Topic.INBOX, 1)
    assert await end_offsets(kafka, [Topic.INBOX]) == {empty: 0, full: 2}
    assert await beginning_offsets(kafka, [Topic.INBOX]) == {empty: 0, full: 0}
