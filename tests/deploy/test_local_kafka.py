"""The local broker keeps what it was given, whatever ends it."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.local.child import ServerFailed
from deploy.local.kafka import LocalKafka, new_cluster_id
from deploy.local.machine import Missing

MIB = 1024 * 1024


async def create(bootstrap: str, topic: str, **config: str) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=config)])
    finally:
        await admin.close()
    assert [error[1] for error in answer.topic_errors] == [0], answer


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    """Write records and wait until the broker has them all."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=12 * MIB)
    await producer.start()
    try:
        for value in values:
            await asyncio.wait_for(producer.send_and_wait(topic, value), 20)
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """Read the first `count` records of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=12 * MIB)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_record_written_is_read(kafka_bootstrap: str, topic_prefix: str) -> None:
    """What a producer wrote, a consumer reads."""
    topic = f"{topic_prefix}copy"
    await create(kafka_bootstrap, topic)
    await produce(kafka_bootstrap, topic, b"one", b"two")
    assert await read(kafka_bootstrap, topic, 2) == [b"one", b"two"]


async def test_records_survive_a_killed_broker(local_kafka: LocalKafka, topic_prefix: str) -> None:
    """A broker killed and started again serves what it had confirmed."""
    topic = f"{topic_prefix}survives"
    await create(local_kafka.bootstrap, topic)
    await produce(local_kafka.bootstrap, topic, b"before")
    first = local_kafka.pid
    await local_kafka.kill()
    assert await local_kafka.ended() == -9
    await local_kafka.start()
    await local_kafka.ready()
    assert local_kafka.pid != first
    await produce(local_kafka.bootstrap, topic, b"after")
    assert await read(local_kafka.bootstrap, topic, 2) == [b"before", b"after"]


async def test_records_survive_a_stopped_broker(local_kafka: LocalKafka, topic_prefix: str) -> None:
    """A clean stop ends with the exit code of SIGTERM, and loses nothing either."""
    topic = f"{topic_prefix}stopped"
    await create(local_kafka.bootstrap, topic)
    await produce(local_kafka.bootstrap, topic, b"before")
    await local_kafka.stop()
    assert await local_kafka.ended() == 143  # the JVM's own answer to SIGTERM: it was not killed
    await local_kafka.start()
    await local_kafka.ready()
    assert await read(local_kafka.bootstrap, topic, 1) == [b"before"]


async def test_an_11_mib_record_passes(local_kafka: LocalKafka, topic_prefix: str) -> None:
    """The quarantine takes a record of 11 MiB where its topic allows it."""
    topic = f"{topic_prefix}quarantine"
    await create(local_kafka.bootstrap, topic, **{"max.message.bytes": str(12 * MIB)})
    await produce(local_kafka.bootstrap, topic, b"x" * (11 * MIB))
    [value] = await read(local_kafka.bootstrap, topic, 1)
    assert len(value) == 11 * MIB


async def test_a_topic_nobody_provisioned_does_not_appear(local_kafka: LocalKafka, topic_prefix: str) -> None:
    """A misspelt topic is an error, not a new topic."""
    producer = AIOKafkaProducer(bootstrap_servers=local_kafka.bootstrap, request_timeout_ms=1_000)
    await producer.start()
    try:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait(f"{topic_prefix}misspelt", b"x")
    finally:
        await producer.stop()


async def test_a_port_in_use_is_not_taken_for_our_broker(local_kafka: LocalKafka, tmp_path: Path) -> None:
    """Another broker answering on the port does not make ours ready; its log says what was wrong."""
    kafka = LocalKafka(tmp_path / "kafka")
    kafka.port = local_kafka.port  # what losing a race for the port looks like
    await kafka.start()
    try:
        with pytest.raises(ServerFailed, match="kafka ended while starting"):
            await kafka.ready()
    finally:
        await kafka.kill()
    assert "Address already in use" in kafka.log_file.read_text()


async def test_without_jars_the_broker_says_what_fetches_them(tmp_path: Path) -> None:
    """Whoever forgot the set-up is told its name."""
    with pytest.raises(Missing, match="make setup"):
        await LocalKafka(tmp_path / "kafka", jars=tmp_path / "no jars").start()


def test_a_cluster_id_is_never_read_as_an_option() -> None:
    """One random id in 64 would begin with a dash, which the format tool takes for an option."""
    ids = {new_cluster_id() for _ in range(2_000)}
    assert len(ids) == 2_000
    assert not any(cluster_id.startswith("-") for cluster_id in ids)
    assert {len(cluster_id) for cluster_id in ids} == {22}
