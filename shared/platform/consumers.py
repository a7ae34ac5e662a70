"""How is a consumer opened and closed, and what has a group committed?"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import TopicPartition

from shared.domain.errors import Misconfigured
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name

FETCH_WAIT_MS = 100  # a partition that was drained or resumed joins the fetch after this at the latest
CLOSE_WITHIN_S = 5.0

log = structlog.stdlib.get_logger(__name__)


def group_name(group: str, prefix: str = "") -> str:
    """The group's id on a cluster whose names all begin with `prefix`."""
    return f"{prefix}{group}"


def follower_group(group: str, topic: Topic) -> str:
    """The group under which a follower commits: `moderation` reading desk.inbox is `moderation.desk.inbox`."""
    return f"{group}.{topic.value.removeprefix('wire.').removesuffix('.v1')}"


async def open_consumer(kafka: KafkaSettings, **settings: Any) -> Any:
    """A started consumer that commits only when told to and never picks a start by itself."""
    ours = {"fetch_max_wait_ms": FETCH_WAIT_MS, "metadata_max_age_ms": 30_000} | settings
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        client_id=kafka.client_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        **ours,
    )
    try:
        await consumer.start()
    except BaseException:
        await close(consumer)
        raise
    if settings.get("group_id") is not None:
        _heed_errors(consumer)
    return consumer


def _heed_errors(consumer: Any) -> None:
    """Make a refused question about offsets an error: aiokafka 0.14 reads it as "nothing was ever committed".

    A coordinator that has just started answers so while it loads its groups (COORDINATOR_LOAD_IN_PROGRESS).
    """
    coordinator = consumer._coordinator
    send = coordinator._send_req

    async def heeding(request: Any) -> Any:
        answer = await send(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
            raise for_code(code)()
        return answer

    coordinator._send_req = heeding


async def close(consumer: Any) -> None:
    """Stop a consumer within a few seconds, whatever its broker does."""
    try:
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await consumer.stop()
    except (TimeoutError, KafkaError) as error:
        log.warning("consumer.abandoned", error=type(error).__name__)
        with suppress(KafkaError):
            await consumer._client.close()


async def check_partitions(consumer: Any, topics: Sequence[str]) -> None:
    """Misconfigured unless all topics exist and have equally many partitions."""
    cluster = await consumer._client.fetch_all_metadata()
    counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
    missing = [topic for topic, count in counts.items() if not count]
    if missing:
        raise Misconfigured(f"no such topic: {', '.join(missing)}; provision the cluster first")
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise Misconfigured(f"topics read together need equal partition counts: {told}")


async def committed(kafka: KafkaSettings, group: str, topic: Topic, partitions: Sequence[int]) -> dict[int, int | None]:
    """The next offset a group has committed for each partition; None where it never has. `group` without prefix."""
    consumer = await open_consumer(kafka, group_id=group_name(group, kafka.topic_prefix))
    places = {TopicPartition(name(topic, kafka.topic_prefix), one): one for one in partitions}
    try:
        found = await consumer._coordinator.fetch_committed_offsets(list(places))
        return {one: at.offset if (at := found.get(place)) else None for place, one in places.items()}
    finally:
        await close(consumer)
