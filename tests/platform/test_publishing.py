"""Does a publish return when the broker has the record, and say so when it has not?"""

import asyncio
from contextlib import AbstractContextManager
from typing import Any

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber, ProducerClosed

from deploy.local.kafka import LocalKafka
from shared.platform.clock import BrokerClock
from shared.platform.publishing import (
    Appended,
    Outgoing,
    Publisher,
    PublishFailed,
    PublishTimeout,
    RecordTooLarge,
)
from shared.platform.settings import KafkaSettings
from shared.platform.topics import MIB, Topic, key_of, partition_of
from tests.platform.cluster import everything, make_topics, settings
from tests.standing_still import standing_still
from tests.waiting import wait_until


def paused(broker: LocalKafka) -> AbstractContextManager[None]:
    """The broker keeps its sockets and answers nothing while the block lasts."""
    assert broker.pid is not None
    return standing_still(broker.pid)


async def values(kafka: KafkaSettings, topic: Topic = Topic.INBOX) -> list[bytes]:
    return [record.value for record in await everything(kafka, topic)]


class TestPublish:
    async def test_a_published_record_is_where_the_answer_says(self, kafka: KafkaSettings) -> None:
        """Key, value, headers and place; the broker's time on a log-append topic."""
        await make_topics(kafka, {Topic.INBOX: 3})
        async with Publisher(kafka) as publisher:
            appended = await publisher.publish(Topic.INBOX, "story", b"text", [("ce_id", b"1")])
        [record] = await everything(kafka, Topic.INBOX)
        assert appended == Appended(Topic.INBOX, record.partition, record.offset, record.timestamp)
        assert (record.key, record.value, record.headers) == (b"story", b"text", (("ce_id", b"1"),))

    async def test_the_first_part_of_the_key_decides_the_partition(self, kafka: KafkaSettings) -> None:
        """As `partition_of` says, so that all writers agree."""
        await make_topics(kafka, {Topic.INBOX: 3})
        async with Publisher(kafka) as publisher:
            assert await publisher.partitions(Topic.INBOX) == 3
            for story in ("a", "b", "c", "d"):
                appended = await publisher.publish(Topic.INBOX, key_of(story, "7"), b"")
                assert appended.partition == partition_of(story, 3)

    async def test_a_given_partition_wins(self, kafka: KafkaSettings) -> None:
        """Owners write where they own."""
        await make_topics(kafka, {Topic.INBOX: 3})
        async with Publisher(kafka) as publisher:
            places = {(await publisher.publish(Topic.INBOX, "a", b"", partition=n)).partition for n in range(3)}
        assert places == {0, 1, 2}

    async def test_a_tombstone_is_a_record_without_a_value(self, kafka: KafkaSettings) -> None:
        """Compaction erases what it stands for."""
        await make_topics(kafka, {Topic.CURRENT: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.CURRENT, "story", None)
        assert await values(kafka, Topic.CURRENT) == [None]

    async def test_many_records_keep_their_order(self, kafka: KafkaSettings) -> None:
        """Text, then state, then outputs: in one partition the order of the list is the order of the log."""
        await make_topics(kafka, {Topic.INBOX: 1})
        wanted = [str(n).encode() for n in range(500)]
        async with Publisher(kafka) as publisher:
            answers = await publisher.publish_all([Outgoing(Topic.INBOX, "k", value) for value in wanted])
        assert await values(kafka) == wanted
        assert [answer.offset for answer in answers] == list(range(500))

    async def test_records_of_any_size_and_place_are_where_the_answers_say(self, kafka: KafkaSettings) -> None:
        """What goes to one partition travels in batches: full ones, and a record larger than any in between."""
        await make_topics(kafka, {Topic.INBOX: 3, Topic.CURRENT: 1})
        sizes = [10, 60_000, 60_000, 60_000, 300_000, 10, 10]
        outgoing = [
            Outgoing(topic, "k", f"{n}:".encode().ljust(size, b"."), (("n", str(n).encode()),), partition)
            for n, size in enumerate(sizes)
            for topic, partition in ((Topic.INBOX, 0), (Topic.CURRENT, 0), (Topic.INBOX, 2))
        ]
        async with Publisher(kafka) as publisher:
            answers = await publisher.publish_all(outgoing)
        found = {
            Appended(topic, record.partition, record.offset, record.timestamp): record.value
            for topic in (Topic.INBOX, Topic.CURRENT)
            for record in await everything(kafka, topic)
        }
        assert [found[answer] for answer in answers] == [record.value for record in outgoing]
        for place in ((Topic.INBOX, 0), (Topic.CURRENT, 0), (Topic.INBOX, 2)):
            offsets = [answer.offset for answer in answers if (answer.topic, answer.partition) == place]
            assert offsets == list(range(len(sizes)))

    async def test_a_missing_topic_is_told_at_the_deadline(self, kafka: KafkaSettings) -> None:
        """Auto-creation is off, and the client would wait for the topic to appear."""
        async with Publisher(kafka, deadline=1) as publisher:
            with pytest.raises(PublishTimeout):
                await publisher.publish(Topic.INBOX, "k", b"")


class TestSize:
    async def test_a_record_that_cannot_fit_is_refused_before_it_is_sent(self, kafka: KafkaSettings) -> None:
        """The broker's refusal would cost the producer; the next record is none the worse for it."""
        await make_topics(kafka, {Topic.INBOX: 1})
        async with Publisher(kafka) as publisher:
            with pytest.raises(RecordTooLarge, match="2 MiB"):
                await publisher.publish_all(
                    [Outgoing(Topic.INBOX, "k", b"small"), Outgoing(Topic.INBOX, "k", bytes(2 * MIB))]
                )
            await publisher.publish(Topic.INBOX, "k", b"next")
        assert await values(kafka) == [b"next"]

    async def test_the_quarantine_takes_a_whole_file(self, kafka: KafkaSettings) -> None:
        """What the door takes, 10 MiB, can be parked."""
        await make_topics(kafka, {Topic.DEAD_INGEST: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.DEAD_INGEST, "k", bytes(10 * MIB))
        [value] = await values(kafka, Topic.DEAD_INGEST)
        assert len(value) == 10 * MIB


class TestTrouble:
    async def test_without_a_broker_it_does_not_open(self) -> None:
        """And says where it looked."""
        with pytest.raises(PublishFailed, match=r"127\.0\.0\.1:1"):
            async with Publisher(KafkaSettings(bootstrap="127.0.0.1:1"), deadline=2):
                pass

    async def test_a_silent_broker_is_told_at_the_deadline_and_the_record_may_still_arrive(
        self, local_kafka: LocalKafka, topic_prefix: str
    ) -> None:
        """The idempotent client would retry for ever; the caller repeats with the same ids."""
        kafka = settings(local_kafka.bootstrap, topic_prefix)
        await make_topics(kafka, {Topic.INBOX: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.INBOX, "k", b"before")
            with paused(local_kafka), pytest.raises(PublishTimeout, match="may still arrive"):
                await publisher.publish(Topic.INBOX, "k", b"meanwhile", deadline=0.5)
            await publisher.publish(Topic.INBOX, "k", b"after")
        assert await values(kafka) == [b"before", b"meanwhile", b"after"]

    async def test_closing_does_not_wait_for_a_silent_broker(self, local_kafka: LocalKafka, topic_prefix: str) -> None:
        """A process must be able to end while the broker is away; what waits is told that it failed."""
        kafka = settings(local_kafka.bootstrap, topic_prefix)
        await make_topics(kafka, {Topic.INBOX: 1})
        publisher = await Publisher(kafka, close_within=0.5).__aenter__()
        await publisher.publish(Topic.INBOX, "k", b"before")
        with paused(local_kafka):
            waiting = asyncio.create_task(publisher.publish(Topic.INBOX, "k", b"meanwhile"))
            await wait_until(lambda: publisher._producer._message_accumulator._pending_batches, 5)
            await asyncio.wait_for(publisher.__aexit__(None, None, None), 15)
            with pytest.raises(PublishFailed):
                await waiting

    async def test_what_the_client_cancels_has_failed(self, local_kafka: LocalKafka, topic_prefix: str) -> None:
        """Whoever publishes was not cancelled, and must not take himself for it: his task would end without a word."""
        kafka = settings(local_kafka.bootstrap, topic_prefix)
        await make_topics(kafka, {Topic.INBOX: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.INBOX, "k", b"before")
            with paused(local_kafka):
                waiting = asyncio.create_task(publisher.publish(Topic.INBOX, "k", b"meanwhile"))
                accumulator: Any = publisher._producer._message_accumulator
                await wait_until(lambda: accumulator._pending_batches, 5)
                [batch] = accumulator._pending_batches
                for future, _ in batch._msg_futures:
                    future.cancel()
                await asyncio.wait({waiting}, timeout=15)
            assert isinstance(waiting.exception(), PublishFailed)

    async def test_it_outlives_a_broker_restart(self, local_kafka: LocalKafka, topic_prefix: str) -> None:
        """What was published while the broker was down is there once, in order."""
        kafka = settings(local_kafka.bootstrap, topic_prefix)
        await make_topics(kafka, {Topic.INBOX: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.INBOX, "k", b"before")
            await local_kafka.kill()
            meanwhile = asyncio.create_task(publisher.publish(Topic.INBOX, "k", b"meanwhile"))
            await local_kafka.start()
            await local_kafka.ready()
            await meanwhile
        assert await values(kafka) == [b"before", b"meanwhile"]

    @pytest.mark.parametrize("error", [OutOfOrderSequenceNumber, ProducerClosed])
    async def test_a_producer_that_gave_up_is_rebuilt_for_the_next_record(
        self, kafka: KafkaSettings, error: type[Exception]
    ) -> None:
        """The broker's answer is put into the client's hands, as it would be after lost state."""
        await make_topics(kafka, {Topic.INBOX: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.INBOX, "k", b"1")
            broken: Any = publisher._producer
            broken._message_accumulator.fail_all(error())
            with pytest.raises(PublishFailed, match=error.__name__):
                await publisher.publish(Topic.INBOX, "k", b"2")
            await publisher.publish(Topic.INBOX, "k", b"2 again")
            assert publisher._producer is not broken
        assert await values(kafka) == [b"1", b"2 again"]

    async def test_a_hole_in_the_sequence_numbers_is_mended(self, kafka: KafkaSettings) -> None:
        """The broker itself refuses a sequence number that skips some; the next publish comes from a new producer."""
        await make_topics(kafka, {Topic.INBOX: 1})
        async with Publisher(kafka) as publisher:
            await publisher.publish(Topic.INBOX, "k", b"1")
            numbers: Any = publisher._producer._txn_manager._sequence_numbers
            for place in list(numbers):
                numbers[place] += 5
            with pytest.raises(PublishFailed, match="OutOfOrderSequenceNumber"):
                await publisher.publish(Topic.INBOX, "k", b"2")
            await publisher.publish(Topic.INBOX, "k", b"2")
        assert await values(kafka) == [b"1", b"2"]


class TestBrokerTime:
    async def test_answers_of_log_append_topics_set_the_brokers_clock(self, kafka: KafkaSettings) -> None:
        """Here both run on one machine, so the offset found is next to nothing."""
        await make_topics(kafka, {Topic.INBOX: 1, Topic.RECEIVED: 1})
        clock = BrokerClock()
        async with Publisher(kafka, on_append_time=clock.observe) as publisher:
            measured = []
            for topic in (Topic.RECEIVED, Topic.INBOX):  # the producer's time, then the broker's
                await publisher.publish(topic, "k", b"")
                measured.append(clock.measured)
        assert measured == [False, True]
        assert clock.skew_s < 1
