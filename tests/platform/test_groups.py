"""Does a member find out that strangers sit in its group, before it waits for partitions that never come?"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import GroupLoadInProgressError

from shared.domain.errors import Misconfigured
from shared.platform.consuming import Source, consume, group_name
from shared.platform.groups import refuse_foreign_groups
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.platform.cluster import Desk, make_topics, start_groups


async def test_the_loop_does_not_wait_beside_members_that_share_in_another_way(kafka: KafkaSettings) -> None:
    """It ends with a sentence; aiokafka would only log that the broker refuses it, and go on waiting."""
    await make_topics(kafka, {Topic.INBOX: 2})
    await start_groups(kafka, "desk", [Topic.INBOX], 2)
    stranger = AIOKafkaConsumer(
        name(Topic.INBOX, kafka.topic_prefix),
        bootstrap_servers=kafka.bootstrap,
        client_id="stranger",
        group_id=group_name("desk", kafka.topic_prefix),
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    await stranger.start()
    desk = Desk()
    told: dict[str, Any] = {"group": "desk", "member": "desk-0", "handle": desk.handle, "park": desk.park}
    try:
        with pytest.raises(Misconfigured, match=r"desk \(stranger\) share partitions out by range.*Stop them"):
            await asyncio.wait_for(consume(kafka, sources=[Source(Topic.INBOX)], stop=asyncio.Event(), **told), 30)
    finally:
        await stranger.stop()


class Answering:
    """An admin client whose broker answers as it is told to, one answer after another."""

    def __init__(self, *answers: tuple[Any, ...]) -> None:
        self.answers = list(answers)

    async def describe_consumer_groups(self, groups: list[str]) -> list[Any]:
        return [SimpleNamespace(groups=[self.answers.pop(0)])]


MEMBER = ("id", "worker-1", "/127.0.0.1", b"", b"")


async def test_a_group_that_is_no_consumers_is_refused() -> None:
    """A connector's workers, say, under one of our names."""
    admin = Answering((0, "moderation", "Stable", "connect", "sessioned", [MEMBER]))
    with pytest.raises(Misconfigured, match=r"group moderation \(worker-1\) are no consumers.*connect\. Stop them"):
        await refuse_foreign_groups(admin, ["moderation"])


async def test_a_coordinator_that_loads_is_asked_again() -> None:
    """A broker that has just started knows nothing of its groups yet; that is no empty group."""
    loading: tuple[Any, ...] = (GroupLoadInProgressError.errno, "moderation", "", "", "", [])
    admin = Answering(loading, (0, "moderation", "Stable", "connect", "sessioned", [MEMBER]))
    with pytest.raises(Misconfigured):
        await refuse_foreign_groups(admin, ["moderation"])
    assert admin.answers == []


@pytest.mark.parametrize("answer", [(0, "g", "Empty", "consumer", "", []), (69, "g", "Dead", "", "", [])])
async def test_a_group_without_members_is_free(answer: tuple[Any, ...]) -> None:
    """Also one that nobody has ever joined."""
    await refuse_foreign_groups(Answering(answer), ["g"])
