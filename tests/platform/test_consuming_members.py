"""Do the members of a group share the partitions of all sources, and let go of them in good order?"""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiokafka.errors import KafkaStorageError

from deploy.local.kafka import LocalKafka
from shared.platform.consumers import BrokerConsumer, open_consumer
from shared.platform.consuming import Completion, Expelled, Membership, Record, Source, follower_group
from shared.platform.health import Health
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import Desk, settings, text
from tests.platform.clusters import Cluster, offsets, on_a_broker, start_groups
from tests.waiting import wait_until

PARTITIONS = 4
LANES = (Topic.INBOX_FLASH, Topic.INBOX)
SOURCES = [Source(Topic.INBOX_FLASH), Source(Topic.INBOX)]


@dataclass(slots=True)
class Owner:
    """Writes down what it owns, as `gained` and `lost` tell it."""

    owned: frozenset[int] = frozenset()
    story: list[tuple[str, frozenset[int]]] = field(default_factory=list)

    async def gained(self, partitions: frozenset[int]) -> None:
        self.story.append(("gained", partitions))
        self.owned = partitions

    async def lost(self, partitions: frozenset[int]) -> None:
        self.story.append(("lost", partitions))
        self.owned = frozenset()


def beaten_at(membership: Membership) -> float:
    """When the last accepted heartbeat was sent, in monotonic seconds."""
    return time.monotonic() - membership.last_heartbeat_age()


async def lanes(cluster: Cluster) -> None:
    """Both lanes of the desk, with a group that starts at their beginning."""
    await cluster.make_topics(dict.fromkeys(LANES, PARTITIONS))
    await start_groups(cluster, "desk", LANES, PARTITIONS)


async def feed(cluster: Cluster, word: str) -> None:
    """One record into every partition of both lanes."""
    for topic in LANES:
        for partition in range(PARTITIONS):
            await cluster.fill(topic, [f"{word}:{topic}:{partition}"], partition=partition)


class TestTwoMembers:
    async def test_partitions_are_shared_and_followers_follow(self, cluster: Cluster) -> None:
        """Each member handles the same partition numbers of both lanes, and only those it was told it gained."""
        await lanes(cluster)
        first, second = Desk(), Desk()
        one, two = Owner(), Owner()
        async with cluster.running(
            SOURCES, handle=first.handle, park=first.park, ownership=one, membership=Membership(cluster.session)
        ):
            await wait_until(lambda: len(one.owned) == PARTITIONS, 15)
            await feed(cluster, "alone")
            await wait_until(lambda: len(first.effects) == 2 * PARTITIONS, 15)
            async with cluster.running(
                SOURCES,
                handle=second.handle,
                park=second.park,
                ownership=two,
                member="desk-1",
                membership=Membership(cluster.session),
            ):
                await wait_until(lambda: one.owned and two.owned and one.owned != frozenset(range(PARTITIONS)), 15)
                assert one.owned | two.owned == frozenset(range(PARTITIONS))
                assert not one.owned & two.owned
                first.records.clear()
                await feed(cluster, "together")
                await wait_until(lambda: len(first.records) + len(second.records) == 2 * PARTITIONS, 15)
                assert {(record.topic, record.partition) for record in second.records} == {
                    (topic, partition) for topic in LANES for partition in two.owned
                }
            # a static member that leaves is missed only when its session ends
            await wait_until(lambda: len(one.owned) == PARTITIONS, 20)
            first.records.clear()
            await feed(cluster, "alone again")
            await wait_until(lambda: len(first.records) == 2 * PARTITIONS, 15)
        assert two.story[-1][0] == "lost"

    async def test_a_rebalance_repeats_and_loses_nothing(self, cluster: Cluster) -> None:
        """What was handled is committed before the partitions are let go."""
        await lanes(cluster)
        desk = Desk()
        one, two = Owner(), Owner()
        published: list[str] = []

        async def keep_publishing(enough: asyncio.Event) -> None:
            while not enough.is_set():
                n = len(published)
                await cluster.publish(LANES[n % 2], str(n), str(n).encode(), partition=n % PARTITIONS)
                published.append(str(n))
                await asyncio.sleep(0)

        enough = asyncio.Event()
        async with (
            cluster.running(SOURCES, handle=desk.handle, park=desk.park, ownership=one),
            asyncio.TaskGroup() as tasks,
        ):
            await wait_until(lambda: one.owned, 15)
            feeder = tasks.create_task(keep_publishing(enough))
            async with cluster.running(SOURCES, handle=desk.handle, park=desk.park, ownership=two, member="desk-1"):
                await wait_until(lambda: two.owned, 15)
                before = len(published)
                await wait_until(lambda: len(published) > before + 100, 15)
                enough.set()
                await feeder
                await wait_until(lambda: len(set(desk.effects)) == len(published), 15)
        assert sorted(desk.effects) == sorted(published)

    async def test_two_processes_under_one_member_id_do_not_go_on_side_by_side(self, cluster: Cluster) -> None:
        """The group fences the older one, and its loop ends with an error for the supervisor to see."""
        await lanes(cluster)
        older, newer = Desk(), Desk()
        async with cluster.running(SOURCES, handle=older.handle, park=older.park) as loop:
            await feed(cluster, "before")
            await wait_until(lambda: len(older.effects) == 2 * PARTITIONS, 15)
            async with cluster.running(SOURCES, handle=newer.handle, park=newer.park):
                with pytest.raises(Expelled):
                    await asyncio.wait_for(loop.task, 15)
                await feed(cluster, "after")
                # what the older one had not committed yet comes again
                await wait_until(
                    lambda: sum(value.startswith("after") for value in newer.effects) == 2 * PARTITIONS, 15
                )
        assert not any(value.startswith("after") for value in older.effects)


class TestOwnership:
    async def test_nothing_is_handled_before_the_owner_is_ready(self, cluster: Cluster) -> None:
        """State is loaded with the partitions paused, outside the group's callback."""
        await lanes(cluster)
        await feed(cluster, "early")
        desk = Desk()
        health = Health()
        asked, loaded = asyncio.Event(), asyncio.Event()

        class Loading(Owner):
            async def gained(self, partitions: frozenset[int]) -> None:
                asked.set()
                await loaded.wait()
                assert not desk.effects

        membership = Membership(cluster.session)
        async with cluster.running(
            SOURCES,
            handle=desk.handle,
            park=desk.park,
            ownership=Loading(),
            health=health,
            membership=membership,
        ):
            await asyncio.wait_for(asked.wait(), 15)
            assert not health.ready()[0]
            # the group is not kept waiting meanwhile: heartbeats go on
            first = beaten_at(membership)
            await wait_until(lambda: beaten_at(membership) > first + 0.1, 15)
            loaded.set()
            await wait_until(lambda: len(desk.effects) == 2 * PARTITIONS and health.ready()[0], 15)

    async def test_a_member_without_heartbeats_is_not_ready(self, cluster: Cluster) -> None:
        """It may own nothing any more; when the group hears it again it is ready by itself."""
        await lanes(cluster)
        owner, health, now = Owner(), Health(), [0.0]
        membership = Membership(cluster.session, lambda: now[0])
        desk = Desk()
        async with cluster.running(
            SOURCES, handle=desk.handle, park=desk.park, ownership=owner, health=health, membership=membership
        ):
            await wait_until(lambda: owner.owned and health.ready()[0], 15)
            now[0] += 100
            assert health.ready() == (False, {"member of desk": "the group has accepted no heartbeat for 100 s"})
            await wait_until(lambda: health.ready()[0], 15)

    async def test_an_owner_that_cannot_get_ready_ends_the_loop(self, cluster: Cluster) -> None:
        """Work without its state would be wrong work."""
        await lanes(cluster)

        class Failing(Owner):
            async def gained(self, partitions: frozenset[int]) -> None:
                raise LookupError("no state")

        async with cluster.running(SOURCES, handle=Desk().handle, park=Desk().park, ownership=Failing()) as loop:
            with pytest.raises(LookupError):
                await asyncio.wait_for(loop.task, 15)

    async def test_stop_interrupts_getting_ready(self, cluster: Cluster) -> None:
        """A service told to stop while it loads does not load to the end first."""
        await lanes(cluster)
        asked = asyncio.Event()

        class Loading(Owner):
            async def gained(self, partitions: frozenset[int]) -> None:
                asked.set()
                await asyncio.Event().wait()

        async with cluster.running(SOURCES, handle=Desk().handle, park=Desk().park, ownership=Loading()) as loop:
            await asyncio.wait_for(asked.wait(), 15)
            loop.stop.set()
            await asyncio.wait_for(loop.task, 15)

    async def test_what_the_owner_completes_while_letting_go_is_committed(self, cluster: Cluster) -> None:
        """A deliverer that hands its queue over on the way out owes nothing twice."""
        await lanes(cluster)
        await cluster.fill(Topic.INBOX, ["a"], partition=0)
        promises: list[Completion] = []

        async def handle(record: Record) -> Completion:
            promises.append(Completion())
            return promises[-1]

        class HandsOver(Owner):
            async def lost(self, partitions: frozenset[int]) -> None:
                promises[0].complete()

        async with cluster.running(
            SOURCES, handle=handle, park=Desk().park, ownership=HandsOver(), drain_within=0.1
        ) as loop:
            await wait_until(lambda: promises, 15)
            await loop.stopped()
        assert (await offsets(cluster, follower_group("desk", Topic.INBOX), Topic.INBOX, [0]))[0] == 1


class TestMembership:
    async def test_a_stale_heartbeat_holds_handling_until_the_next_one(self, cluster: Cluster) -> None:
        """A process that was paused produces nothing before it knows that it still owns its partitions."""
        await lanes(cluster)
        desk, owner = Desk(), Owner()
        late = 0.0

        def monotonic() -> float:
            return asyncio.get_running_loop().time() + late

        membership = Membership(cluster.session, monotonic)
        async with cluster.running(SOURCES, handle=desk.handle, park=desk.park, ownership=owner, membership=membership):
            await wait_until(lambda: owner.owned, 15)
            late = 3600.0  # as if the process had slept for an hour
            assert not membership.alive()
            await cluster.fill(Topic.INBOX, ["a"])
            await wait_until(lambda: desk.effects, 15)
            assert membership.alive()

    async def test_a_stale_member_commits_nothing(self, cluster: Cluster) -> None:
        """Nobody fences a follower's commit: a late one would take back what the next owner has committed."""
        await lanes(cluster)
        await feed(cluster, "a")
        desk, late = Desk(), [0.0]
        membership = Membership(cluster.session, lambda: time.monotonic() + late[0])
        async with cluster.running(
            SOURCES, handle=desk.handle, park=desk.park, membership=membership, commit_every=3600
        ) as loop:
            await wait_until(lambda: len(desk.effects) == 2 * PARTITIONS, 15)
            loop.stop.set()
            late[0] = 3600.0  # the process sleeps before it has committed
            await loop.task
        found = await offsets(cluster, follower_group("desk", Topic.INBOX), Topic.INBOX, range(PARTITIONS))
        assert found == dict.fromkeys(range(PARTITIONS), 0)

    def test_nobody_is_a_member_before_the_first_heartbeat(self) -> None:
        """Unknown is not alive."""
        membership = Membership(10.0, lambda: 100.0)
        assert not membership.alive()
        membership.beat(96.0)
        assert membership.alive()
        membership.beat(95.0)
        assert not membership.alive()


class TestBroker:
    async def test_a_broker_restart_is_survived(self, local_kafka: LocalKafka, topic_prefix: str) -> None:
        """The loop waits for the broker and goes on, commits included; nothing is lost."""
        async with on_a_broker(settings(local_kafka.bootstrap, topic_prefix)) as cluster:
            passed = dict.fromkeys(range(PARTITIONS), 2)

            async def all_is_committed() -> bool:
                return await offsets(cluster, "desk", Topic.INBOX_FLASH, range(PARTITIONS)) == passed

            await lanes(cluster)
            await feed(cluster, "before")
            desk = Desk()
            async with cluster.running(SOURCES, handle=desk.handle, park=desk.park) as loop:
                await wait_until(lambda: len(desk.effects) == 2 * PARTITIONS, 15)
                await local_kafka.kill()
                await local_kafka.start()
                await local_kafka.ready()
                await feed(cluster, "after")
                await wait_until(lambda: len(set(desk.effects)) == 4 * PARTITIONS, 30)
                # the group takes its member back later than records come: until then nothing can be committed
                await wait_until(all_is_committed, 30)
                assert not loop.task.done()
                await loop.stopped()
        assert {text(record).split(":")[0] for record in desk.records} == {"before", "after"}

    async def test_a_coordinator_that_cannot_go_on_ends_the_loop(self, kafka_bootstrap: str, topic_prefix: str) -> None:
        """Seen after a full disk: no heartbeats, so no polling, so nobody was told, and it stood still for ever."""
        membership = Membership(session_timeout=6.0)
        async with on_a_broker(settings(kafka_bootstrap, topic_prefix)) as cluster:
            await lanes(cluster)
            desk = Desk()
            async with cluster.running(
                SOURCES,
                handle=desk.handle,
                park=desk.park,
                membership=membership,
                open_consumer=partial(losing_its_coordinator, desk, membership),
            ) as loop:
                await feed(cluster, "before")
                await wait_until(lambda: len(desk.effects) == 2 * PARTITIONS, 15)
                await wait_until(loop.task.done, 30)
        assert isinstance(loop.task.exception(), KafkaStorageError)


async def losing_its_coordinator(
    desk: Desk, membership: Membership, kafka: KafkaSettings, **options: Any
) -> BrokerConsumer:
    """A consumer whose heartbeats are not taken once all is handled, and whose broker then answers what none should."""
    consumer = await open_consumer(kafka, **options)
    coordinator = consumer._coordinator
    send = coordinator._do_heartbeat

    async def beat() -> bool:
        if len(desk.effects) < 2 * PARTITIONS:
            return bool(await send())
        if not membership.alive():
            raise KafkaStorageError
        return False

    coordinator._do_heartbeat = beat
    return consumer
