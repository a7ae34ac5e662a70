"""When partitions go, or the process stops or was paused: does nothing late happen that is its successor's to do?"""

import asyncio
import time
from typing import Any

import pytest
from aiokafka.errors import CommitFailedError
from aiokafka.structs import TopicPartition

from shared.domain.errors import Unprocessable
from shared.platform.consumers import open_consumer
from shared.platform.consuming import Completion, Expelled, Membership, Record, Source, follower_group
from shared.platform.health import Health
from shared.platform.intake import RECOMMIT_S, Share
from shared.platform.offsets import LowWatermark
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.fakes.log_twin import ConsumerTwin, LogTwin
from tests.platform.cluster import Desk, text
from tests.platform.clusters import Cluster, TwinCluster, offsets, on_a_broker, start_groups
from tests.waiting import wait_until

LANES = (Topic.INBOX_FLASH, Topic.INBOX)
SOURCES = [Source(Topic.INBOX_FLASH), Source(Topic.INBOX)]
FOLLOWER = follower_group("desk", Topic.INBOX)
WITHIN = 15


async def lanes(cluster: Cluster, partitions: int = 2) -> None:
    await cluster.make_topics(dict.fromkeys(LANES, partitions))
    await start_groups(cluster, "desk", LANES, partitions)


class Stuck:
    """A handler whose effect on "stuck" never comes about, and who owns partitions; it writes down what happens."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def handle(self, record: Record) -> None:
        if not text(record).startswith("stuck"):
            self.told.append(text(record))
            return
        self.told.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append("interrupted")

    async def park(self, record: Record, error: Unprocessable) -> None:
        """There is nothing to park."""

    async def gained(self, partitions: frozenset[int]) -> None:
        self.told.append("gained")

    async def lost(self, partitions: frozenset[int]) -> None:
        self.told.append("lost")


class TestInHand:
    async def test_a_stop_does_not_wait_for_ever_for_the_record_in_hand(self, cluster: Cluster) -> None:
        """What was finished is committed, instead of the process being shot with it in hand; the record comes again."""
        await lanes(cluster)
        await cluster.fill(Topic.INBOX, ["a", "stuck"])
        stuck = Stuck()
        async with cluster.running(
            SOURCES, handle=stuck.handle, park=stuck.park, ownership=stuck, drain_within=0.1, commit_every=3600
        ) as loop:
            await wait_until(lambda: "begun" in stuck.told, WITHIN)
            loop.stop.set()
            await asyncio.wait_for(loop.task, WITHIN)
        assert stuck.told == ["gained", "a", "begun", "interrupted", "lost"]
        assert await offsets(cluster, FOLLOWER, Topic.INBOX, [0]) == {0: 1}

    async def test_a_handler_is_interrupted_before_its_partitions_go(self, cluster: Cluster) -> None:
        """What it would still do, it would do for somebody else's stories."""
        await lanes(cluster)
        stuck, desk = Stuck(), Desk()
        async with cluster.running(
            SOURCES,
            handle=stuck.handle,
            park=stuck.park,
            ownership=stuck,
            drain_within=0.1,
            membership=Membership(cluster.session),
        ) as first:
            await wait_until(lambda: "gained" in stuck.told, WITHIN)
            await cluster.fill(Topic.INBOX, ["stuck0"], partition=0)
            await wait_until(lambda: "begun" in stuck.told, WITHIN)
            async with cluster.running(
                SOURCES, handle=desk.handle, park=desk.park, member="desk-1", membership=Membership(cluster.session)
            ):
                await wait_until(lambda: stuck.told.count("gained") == 2, WITHIN)
                assert not first.task.done()
        assert stuck.told[:5] == ["gained", "begun", "interrupted", "lost", "gained"]

    async def test_a_member_that_is_expelled_lets_go_of_the_record_in_hand(self, cluster: Cluster) -> None:
        """Another process runs under its id: each effect from here on is one too many."""
        await lanes(cluster)
        await cluster.fill(Topic.INBOX, ["stuck"])
        stuck, desk = Stuck(), Desk()
        async with cluster.running(SOURCES, handle=stuck.handle, park=stuck.park) as loop:
            await wait_until(lambda: "begun" in stuck.told, WITHIN)
            async with cluster.running(SOURCES, handle=desk.handle, park=desk.park):
                with pytest.raises(Expelled):
                    await asyncio.wait_for(loop.task, WITHIN)
                await wait_until(lambda: desk.effects == ["stuck"], WITHIN)
        assert stuck.told == ["begun", "interrupted"]

    async def test_a_handler_that_breaks_another_records_promise_ends_the_loop_with_that_error(
        self, cluster: Cluster
    ) -> None:
        """Not as if it had been cancelled: nobody would start the process again."""
        await lanes(cluster, partitions=1)
        await cluster.fill(Topic.INBOX, ["a", "b", "c"])
        promises: dict[str, Completion] = {}

        async def handle(record: Record) -> Completion | None:
            if text(record) == "a":
                return promises.setdefault("a", Completion())
            promises["a"].fail(ConnectionError("the socket broke"))
            return None

        async with cluster.running(SOURCES, handle=handle, park=Desk().park) as loop:
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(loop.task, WITHIN)

    async def test_a_promise_that_fails_after_its_partition_went_parks_nothing(self, cluster: Cluster) -> None:
        """Its record is the next owner's, who may well be able to handle it."""
        await lanes(cluster, partitions=1)
        promises: list[Completion] = []
        owner, desk, other = Stuck(), Desk(), Desk()

        async def handle(record: Record) -> Completion:
            promises.append(Completion())
            return promises[-1]

        async with cluster.running(
            SOURCES,
            handle=handle,
            park=desk.park,
            ownership=owner,
            drain_within=0.1,
            membership=Membership(cluster.session),
        ):
            await cluster.fill(Topic.INBOX, ["a"])
            await wait_until(lambda: promises, WITHIN)
            async with cluster.running(
                SOURCES, handle=handle, park=other.park, member="desk-1", membership=Membership(cluster.session)
            ):
                await wait_until(lambda: len(promises) == 2, WITHIN)  # whoever has it now
                promises[0].fail(Unprocessable("too late"))
                promises[1].complete()
                await wait_until(lambda: committed(cluster, 1), WITHIN)
        assert not desk.parked
        assert not other.parked


async def committed(cluster: Cluster, offset: int, partition: int = 0) -> bool:
    return await offsets(cluster, FOLLOWER, Topic.INBOX, [partition]) == {partition: offset}


class TestAtRest:
    async def test_a_stop_waits_for_what_is_under_way_and_not_for_what_rests(self, cluster: Cluster) -> None:
        """A retry that is due in an hour must not hold up a restart; a webhook in flight may."""
        await lanes(cluster, partitions=1)
        await cluster.fill(Topic.INBOX, ["rests", "sent"])
        promises: dict[str, Completion] = {}

        async def handle(record: Record) -> Completion:
            promise = promises[text(record)] = Completion()
            promise.at_rest = text(record) == "rests"
            return promise

        async with cluster.running(SOURCES, handle=handle, park=Desk().park, drain_within=3600) as loop:
            await wait_until(lambda: len(promises) == 2, WITHIN)
            loop.stop.set()
            await asyncio.wait({loop.task}, timeout=0.1)
            assert not loop.task.done()
            promises["sent"].complete()
            await asyncio.wait_for(loop.task, WITHIN)
        desk = Desk()
        async with cluster.running(SOURCES, handle=desk.handle, park=desk.park):
            await wait_until(lambda: committed(cluster, 2), WITHIN)
        assert desk.effects == ["rests"]


class TestTroubleAtTheEnd:
    async def test_a_park_that_fails_while_the_loop_drains_costs_no_other_record(self, cluster: Cluster) -> None:
        """What is finished is committed and the owner is told, whatever becomes of the record in trouble."""
        await lanes(cluster, partitions=1)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        owner, promises, health = Stuck(), list[Completion](), Health()

        async def handle(record: Record) -> Completion | None:
            if text(record) == "a":
                return None
            promises.append(Completion())
            return promises[-1]

        async def park(record: Record, error: Unprocessable) -> None:
            raise ConnectionError("the dead-letter topic does not answer")

        async with cluster.running(
            SOURCES, handle=handle, park=park, ownership=owner, commit_every=3600, drain_within=3600, health=health
        ) as loop:
            await wait_until(lambda: promises, WITHIN)
            loop.stop.set()
            await wait_until(lambda: "stopped" in health.ready()[1].values(), WITHIN)
            promises[0].fail(Unprocessable("no such desk"))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(loop.task, WITHIN)
        assert await committed(cluster, 1)
        assert owner.told == ["gained", "lost"]

    def test_an_offset_that_did_not_change_is_committed_again(self) -> None:
        """Whatever an owner before has committed late does not stay."""
        share = Share(LowWatermark(3), (3, 0), committed_at=100.0)
        assert not share.to_commit(100.0 + RECOMMIT_S)
        assert share.to_commit(100.1 + RECOMMIT_S)


class TestSpareMember:
    async def test_a_member_without_partitions_stops_when_told(self, cluster: Cluster) -> None:
        """More processes than partitions: the spare one has nothing to do, and still has to listen."""
        await lanes(cluster, partitions=1)
        first, second = Stuck(), Desk()
        async with cluster.running(
            SOURCES, handle=first.handle, park=first.park, ownership=first, membership=Membership(cluster.session)
        ):
            await wait_until(lambda: "gained" in first.told, WITHIN)
            spare = Membership(cluster.session)
            async with cluster.running(
                SOURCES, handle=second.handle, park=second.park, member="desk-1", membership=spare
            ) as loop:
                await wait_until(spare.alive, WITHIN)
                await wait_until(lambda: first.told[-2:] == ["lost", "gained"] or second.records, WITHIN)
                loop.stop.set()
                await asyncio.wait_for(asyncio.shield(loop.task), WITHIN)


class Held:
    """A way to the log on which commits of one consumer wait, as they do while its coordinator cannot be reached."""

    def __init__(self, log: LogTwin, group: str) -> None:
        self.waiting = asyncio.Event()
        self.goes_on = asyncio.Event()
        self._log = log
        self._group = group

    async def open_consumer(self, kafka: KafkaSettings, **settings: Any) -> ConsumerTwin:
        held = self

        class Waits(ConsumerTwin):
            async def way_of_commits(self) -> None:
                if settings["group_id"] == held._group:
                    held.waiting.set()
                    await held.goes_on.wait()

        return Waits(self._log, settings)


class TestLateCommits:
    """Nobody fences a follower's commit; so it must not be sent once its partitions may be somebody else's."""

    async def test_a_commit_that_had_to_wait_is_dropped_with_its_partitions(self) -> None:
        """aiokafka would send it again and again, behind those of the next owner."""
        cluster = TwinCluster()
        await lanes(cluster)
        held = Held(cluster.log, cluster.kafka.topic_prefix + FOLLOWER)
        for partition in (0, 1):
            await cluster.fill(Topic.INBOX, ["a"], partition=partition)
        slow, desk = Desk(), Desk()
        brief = Membership(cluster.session)
        async with cluster.running(
            SOURCES,
            handle=slow.handle,
            park=slow.park,
            open_consumer=held.open_consumer,
            commit_within=0.1,
            membership=brief,
        ):
            await wait_until(lambda: len(slow.effects) == 2, WITHIN)
            await asyncio.wait_for(held.waiting.wait(), WITHIN)
            async with cluster.running(
                SOURCES, handle=desk.handle, park=desk.park, member="desk-1", membership=Membership(cluster.session)
            ):
                await wait_until(lambda: desk.records, WITHIN)
                theirs = desk.records[0].partition
                await cluster.fill(Topic.INBOX, ["b"], partition=theirs)
                await wait_until(lambda: committed(cluster, 2, theirs), WITHIN)
                held.goes_on.set()
                await wait_until(lambda: committed(cluster, 1, 1 - theirs), WITHIN)
                assert await committed(cluster, 2, theirs)

    async def test_a_process_that_was_paused_on_the_way_to_a_commit_does_not_send_it(self) -> None:
        """It asked whether it is a member, slept past its session, and goes on where it was."""
        cluster = TwinCluster()
        await lanes(cluster, partitions=1)
        held = Held(cluster.log, cluster.kafka.topic_prefix + FOLLOWER)
        await cluster.fill(Topic.INBOX, ["a"])
        desk, late = Desk(), [0.0]
        membership = Membership(cluster.session, lambda: time.monotonic() + late[0])
        async with cluster.running(
            SOURCES, handle=desk.handle, park=desk.park, open_consumer=held.open_consumer, membership=membership
        ) as loop:
            await asyncio.wait_for(held.waiting.wait(), WITHIN)
            await cluster.set_offsets(FOLLOWER, Topic.INBOX, {0: 7})  # as the next owner would
            late[0] = 3600.0
            held.goes_on.set()
            loop.task.cancel()
            await asyncio.wait({loop.task})
        assert await committed(cluster, 7)

    async def test_a_real_consumer_asks_at_the_moment_it_sends(self, kafka: KafkaSettings) -> None:
        """The guard stands behind aiokafka's own waiting."""
        async with on_a_broker(kafka) as cluster:
            await lanes(cluster, partitions=1)
        place = TopicPartition(name(Topic.INBOX, kafka.topic_prefix), 0)
        consumer = await open_consumer(kafka, group_id=kafka.topic_prefix + FOLLOWER)
        try:
            consumer.assign([place])
            consumer.commit_only(lambda: False)
            with pytest.raises(CommitFailedError):
                await consumer.commit({place: (1, "")})
        finally:
            await consumer.stop()
        assert await committed(cluster, 0)
