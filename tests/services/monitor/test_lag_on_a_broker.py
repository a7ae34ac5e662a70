"""Does the reader tell the truth about a real broker: known records, known commits, known times?"""

import time
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from services.monitor.adapters.lag_reader import KafkaLagReader
from services.monitor.lag import Observed, Place, age_of, lag_of
from services.monitor.ports import Unreadable
from shared.platform.clock import SystemClock
from shared.platform.consuming import follower_group, group_name
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.platform.cluster import make_topics, set_offsets, settings

PARTITIONS = 2
AGES_S = (300, 200, 100)


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    return settings(kafka_bootstrap, topic_prefix)


@pytest.fixture
async def reader(kafka: KafkaSettings) -> AsyncIterator[KafkaLagReader]:
    reader = KafkaLagReader(kafka, SystemClock())
    yield reader
    await reader.close()


@pytest.fixture
async def released(kafka: KafkaSettings) -> Topic:
    """A topic with three records in partition 0, written 300, 200 and 100 seconds ago, and an empty partition 1."""
    await make_topics(kafka, {Topic.RELEASED: PARTITIONS})
    await produce_aged(kafka, Topic.RELEASED, AGES_S)
    return Topic.RELEASED


async def produce_aged(kafka: KafkaSettings, topic: Topic, ages_s: tuple[int, ...], size: int = 10) -> None:
    """One batch per record, with its own timestamp."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, max_request_size=4_000_000)
    await producer.start()
    try:
        for age in ages_s:
            written = int((time.time() - age) * 1000)
            value = b"x" * size
            await producer.send_and_wait(name(topic, kafka.topic_prefix), value, partition=0, timestamp_ms=written)
    finally:
        await producer.stop()


async def observed(reader: KafkaLagReader, group: str, topic: Topic, partition: int = 0) -> Observed:
    reading = await reader.read()
    return {one.place: one for one in reading.places}[Place(group, topic.value, partition)]


def age_now(one: Observed) -> float | None:
    return age_of(one, SystemClock().now())


async def test_lag_and_age_are_those_of_the_record_at_the_commit(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """One of three is done: two wait, and the older of them is 200 s old."""
    await set_offsets(kafka, "matcher", released, {0: 1})
    await set_offsets(kafka, follower_group("matcher", released), released, {0: 1, 1: 0})
    one = await observed(reader, follower_group("matcher", released), released)
    assert (one.committed, one.end, lag_of(one.committed, one.end)) == (1, 3, 2)
    assert age_now(one) == pytest.approx(200, abs=5)
    assert one.ours


async def test_a_group_that_is_caught_up_has_no_age(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """The last record is 100 s old, and nobody is late; the empty partition is not late either."""
    await set_offsets(kafka, "stranger", released, {0: 3, 1: 0})
    assert age_now(await observed(reader, "stranger", released)) == 0.0
    assert age_now(await observed(reader, "stranger", released, partition=1)) == 0.0


async def test_several_groups_on_one_partition_have_their_own_ages(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """One request carries a partition once; all three are read none the less."""
    for done, group in enumerate(("slow", "middle", "fast")):
        await set_offsets(kafka, group, released, {0: done})
    ages = [age_now(await observed(reader, group, released)) for group in ("slow", "middle", "fast")]
    assert ages == [pytest.approx(age, abs=5) for age in AGES_S]


async def test_one_of_ours_that_never_committed_is_told_so(reader: KafkaLagReader, released: Topic) -> None:
    """It is in the table, with no commit; the lag is unknown, not zero."""
    one = await observed(reader, follower_group("views", released), released)
    assert (one.committed, one.end) == (None, 3)
    assert lag_of(one.committed, one.end) is None


async def test_a_foreign_group_is_seen_and_gone_once_it_is_deleted(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """A group of somebody else's tool shows up while it exists."""
    await set_offsets(kafka, "stranger", released, {0: 1})
    assert not (await observed(reader, "stranger", released)).ours
    await delete_group(kafka, "stranger")
    assert not [one for one in (await reader.read()).places if one.place.group == "stranger"]


async def test_a_deleted_group_of_ours_stays_in_the_table_without_a_commit(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """Somebody deleted it: the row says that nothing is committed, and nothing is negative."""
    group = follower_group("views", released)
    await set_offsets(kafka, group, released, {0: 1})
    assert (await observed(reader, group, released)).committed == 1
    await delete_group(kafka, group)
    assert (await observed(reader, group, released)).committed is None


async def test_retention_that_has_overtaken_a_group_is_said(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """The record at the commit is deleted; the age is that of the first one left."""
    await set_offsets(kafka, "stranger", released, {0: 0})
    await delete_before(kafka, released, 2)
    one = await observed(reader, "stranger", released)
    assert one.overtaken
    assert age_now(one) == pytest.approx(100, abs=5)


async def test_a_record_larger_than_the_first_fetch_has_its_age(kafka: KafkaSettings, reader: KafkaLagReader) -> None:
    """The first request asks for 4 KiB of each partition; a long story does not fit and is asked for again."""
    await make_topics(kafka, {Topic.RELEASED: 1, Topic.RELEASED_FLASH: 1})
    for topic in (Topic.RELEASED, Topic.RELEASED_FLASH):
        await produce_aged(kafka, topic, (50,), size=1_500_000)
        await set_offsets(kafka, "stranger", topic, {0: 0})
    ages = [age_now(await observed(reader, "stranger", topic)) for topic in (Topic.RELEASED, Topic.RELEASED_FLASH)]
    assert ages == [pytest.approx(50, abs=5)] * 2


async def test_an_age_that_is_remembered_follows_the_commit(
    kafka: KafkaSettings, reader: KafkaLagReader, released: Topic
) -> None:
    """Ages are kept by offset: a commit that moves on is another offset, one that goes back too."""
    ages = []
    for done in (0, 2, 0):
        await set_offsets(kafka, "stranger", released, {0: done})
        ages.append(age_now(await observed(reader, "stranger", released)))
    assert ages == [pytest.approx(age, abs=5) for age in (300, 100, 300)]


async def test_a_broker_that_is_away_is_unreadable(topic_prefix: str) -> None:
    """The reader says so in its own word, and can be asked again."""
    reader = KafkaLagReader(settings("127.0.0.1:1", topic_prefix), SystemClock())
    for _ in range(2):
        with pytest.raises(Unreadable):
            await reader.read()


async def delete_group(kafka: KafkaSettings, group: str) -> None:
    from aiokafka.protocol.admin import DeleteGroupsRequest

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        full = group_name(group, kafka.topic_prefix)
        answer = await admin._send_request(DeleteGroupsRequest([full]), await admin.find_coordinator(full))
        assert [error for _, error in answer.results] == [0]
    finally:
        await admin.close()


async def delete_before(kafka: KafkaSettings, topic: Topic, offset: int) -> None:
    from aiokafka.admin import RecordsToDelete
    from aiokafka.structs import TopicPartition

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        at = TopicPartition(name(topic, kafka.topic_prefix), 0)
        await admin.delete_records({at: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()
