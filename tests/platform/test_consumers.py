"""What a group has committed is told by its coordinator, and a coordinator that cannot tell yet is asked again."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.protocol.commit import OffsetFetchRequest

from deploy.local.kafka import LocalKafka
from shared.platform.consumers import BrokerConsumer, committed
from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.topics import Topic
from tests.platform.cluster import settings


async def test_a_coordinator_that_loads_has_not_said_that_nothing_was_committed() -> None:
    """The answer holds no topics and an error code; aiokafka looks at the topics only."""
    loading = SimpleNamespace(topics=[], error_code=GroupLoadInProgressError.errno)

    async def send(_: Any) -> Any:
        return loading

    consumer = SimpleNamespace(_coordinator=SimpleNamespace(_send_req=send))
    BrokerConsumer._heed_errors(consumer)  # type: ignore[arg-type]
    with pytest.raises(GroupLoadInProgressError):
        await consumer._coordinator._send_req(OffsetFetchRequest("group", []))


async def test_the_error_can_be_retried() -> None:
    """aiokafka asks again only for what it calls retriable."""
    assert GroupLoadInProgressError.retriable


async def test_a_broker_that_was_killed_still_knows_where_the_groups_are(
    local_kafka: LocalKafka, topic_prefix: str
) -> None:
    """Asked the moment it is back, it must not seem to have forgotten."""
    kafka = settings(local_kafka.bootstrap, topic_prefix)
    await provision(kafka, profile="local")
    async with Publisher(kafka) as publisher:
        await publisher.publish(Topic.RECEIVED, "key", b"value")
    await local_kafka.kill()
    await local_kafka.start()
    await local_kafka.ready()
    assert (await provision(kafka, profile="local")).offsets == {}
    assert set((await committed(kafka, "enrich-routine", Topic.RECEIVED, range(6))).values()) == {0}
