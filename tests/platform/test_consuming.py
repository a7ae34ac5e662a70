"""Does the loop hand over every record in order, and pass an offset only after its effect?"""

import asyncio

import pytest

from shared.domain.errors import Misconfigured, Unprocessable
from shared.platform.consuming import (
    Completion,
    NoCommittedOffset,
    Record,
    Source,
    TooManyParked,
    Window,
    follower_group,
)
from shared.platform.health import Health
from shared.platform.topics import Topic
from tests.fakes.broken_runner import COPIES, broken
from tests.platform.cluster import Desk, text
from tests.platform.clusters import Cluster, offsets, start_groups
from tests.waiting import wait_until

INBOX = Source(Topic.INBOX, at_most=4)


async def desk_topics(cluster: Cluster, *topics: Topic, partitions: int = 2, group: str = "desk") -> None:
    """Topics with a group that starts at their beginning."""
    await cluster.make_topics(dict.fromkeys(topics, partitions))
    await start_groups(cluster, group, topics, partitions)


async def offset_of(cluster: Cluster, topic: Topic = Topic.INBOX, group: str = "desk") -> int | None:
    """What the group has committed for partition 0."""
    return (await offsets(cluster, group, topic, [0]))[0]


class TestOrder:
    async def test_records_of_a_partition_come_in_the_order_they_were_published(self, cluster: Cluster) -> None:
        """Handlers compare release numbers, but nothing is left to them that the log already knows."""
        await desk_topics(cluster, Topic.INBOX)
        for partition in (0, 1):
            await cluster.fill(Topic.INBOX, [f"{partition}:{n:03}" for n in range(100)], partition=partition)
        desk = Desk()
        async with cluster.running([INBOX], handle=desk.handle, park=desk.park):
            await wait_until(lambda: len(desk.effects) == 200, 15)
        for mark in ("0:", "1:"):
            came = [value for value in desk.effects if value.startswith(mark)]
            assert came == sorted(came)
            assert len(came) == 100

    async def test_a_record_carries_its_key_headers_place_and_time(self, cluster: Cluster) -> None:
        """What the handler sees is what was published."""
        await desk_topics(cluster, Topic.INBOX)
        [appended] = await cluster.fill(Topic.INBOX, ["x"], partition=1, key="story\tpart")
        desk = Desk()
        async with cluster.running([INBOX], handle=desk.handle, park=desk.park):
            await wait_until(lambda: desk.records, 15)
        assert desk.records[0] == Record(
            Topic.INBOX, 1, appended.offset, "story\tpart", b"x", {}, appended.timestamp_ms
        )


class TestCommit:
    async def test_the_next_offset_is_committed_once_the_effect_is_there(self, cluster: Cluster) -> None:
        """Committed is where to go on, one past the last record handled."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b", "c"])
        desk = Desk()
        async with cluster.running([INBOX], handle=desk.handle, park=desk.park):
            await wait_until(lambda: committed_is(cluster, 3), 15)
        assert desk.effects == ["a", "b", "c"]

    async def test_no_offset_passes_while_its_effect_is_under_way(self, cluster: Cluster) -> None:
        """A crash in the middle of an effect must find the record uncommitted; a loop that commits first fails here."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        assert await passes_only_after_effect(cluster)

    async def test_a_crash_between_effect_and_commit_replays_the_record(self, cluster: Cluster) -> None:
        """At least once: what was not committed is handled again by the next process."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        first, second = Desk(), Desk()

        async def crash_after_effect(record: Record) -> None:
            await first.handle(record)
            if text(record) == "b":
                raise SystemError("the process dies here")

        async with cluster.running([INBOX], handle=crash_after_effect, park=first.park) as loop:
            with pytest.raises(SystemError):
                await loop.task
        async with cluster.running([INBOX], handle=second.handle, park=second.park):
            await wait_until(lambda: "b" in second.effects, 15)
        assert first.effects == ["a", "b"]
        assert second.effects == ["b"]  # a's effect was confirmed and committed

    async def test_stop_commits_what_is_finished(self, cluster: Cluster) -> None:
        """A clean restart repeats nothing."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b", "c"])
        desk = Desk()
        async with cluster.running([INBOX], handle=desk.handle, park=desk.park, commit_every=3600) as loop:
            await wait_until(lambda: len(desk.effects) == 3, 15)
            assert await offset_of(cluster) == 0
            await loop.stopped()
        assert await offset_of(cluster) == 3

    async def test_stop_lets_the_record_in_hand_finish(self, cluster: Cluster) -> None:
        """Stopping in the middle of an effect is not a crash."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        desk, begun, may_finish = Desk(), asyncio.Event(), asyncio.Event()

        async def slow(record: Record) -> None:
            begun.set()
            await may_finish.wait()
            await desk.handle(record)

        async with cluster.running([INBOX], handle=slow, park=desk.park) as loop:
            await asyncio.wait_for(begun.wait(), 15)
            loop.stop.set()
            may_finish.set()
            await loop.task
        assert desk.effects == ["a"]
        assert await offset_of(cluster) == 1


async def committed_is(cluster: Cluster, wanted: int, topic: Topic = Topic.INBOX, group: str = "desk") -> bool:
    """Whether the group has committed exactly that for partition 0."""
    return await offset_of(cluster, topic, group) == wanted


async def passes_only_after_effect(cluster: Cluster) -> bool:
    """Whether an error in the middle of the second record's effect leaves that record uncommitted."""
    desk = Desk()

    async def handle(record: Record) -> None:
        if text(record) == "b":
            raise SystemError("the process dies in the middle of the effect")
        await desk.handle(record)

    async with cluster.running([INBOX], handle=handle, park=desk.park) as loop:

        async def over() -> bool:
            return loop.task.done() or await committed_is(cluster, 2)

        await wait_until(over, 15)
    return await offset_of(cluster) == 1


class TestBrokenCopies:
    @pytest.mark.parametrize("copy", COPIES)
    async def test_a_broken_loop_fails_the_checks_above(self, cluster: Cluster, copy: str) -> None:
        """They can fail: here are a loop that commits first, and one for which an error is a record less."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        with broken(copy):
            assert not await passes_only_after_effect(cluster)

    @pytest.mark.parametrize("copy", COPIES)
    async def test_a_broken_loop_loses_a_record(self, cluster: Cluster, copy: str) -> None:
        """What is at stake: the next process is never given the record whose effect did not come about."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        with broken(copy):
            await passes_only_after_effect(cluster)
        await cluster.fill(Topic.INBOX, ["c"])
        desk = Desk()
        async with cluster.running([INBOX], handle=desk.handle, park=desk.park):
            await wait_until(lambda: "c" in desk.effects, 15)
        assert desk.effects == ["c"]


class TestCompletion:
    async def test_completions_in_any_order_pass_up_to_the_lowest_open_one(self, cluster: Cluster) -> None:
        """Low watermark: 3 and 2 are done, 1 is not, so nothing passes; then 1 completes and all of it does."""
        await desk_topics(cluster, Topic.INBOX, partitions=1)
        await cluster.fill(Topic.INBOX, ["1", "2", "3", "4"])
        open_ones: dict[str, Completion] = {}

        async def handle(record: Record) -> Completion:
            return open_ones.setdefault(text(record), Completion())

        async with cluster.running([INBOX], handle=handle, park=Desk().park, commit_every=0.01):
            await wait_until(lambda: len(open_ones) == 4, 15)
            open_ones["1"].complete()
            open_ones["3"].complete()
            await wait_until(lambda: committed_is(cluster, 1), 15)
            open_ones["2"].complete()
            await wait_until(lambda: committed_is(cluster, 3), 15)
            open_ones["4"].complete()
            await wait_until(lambda: committed_is(cluster, 4), 15)

    async def test_a_completion_that_fails_for_good_parks_its_record(self, cluster: Cluster) -> None:
        """Unprocessable means the same whether it is raised or told later."""
        await desk_topics(cluster, Topic.INBOX, partitions=1)
        await cluster.fill(Topic.INBOX, ["1", "2"])
        desk = Desk()
        promises: list[Completion] = []

        async def handle(record: Record) -> Completion:
            promises.append(Completion())
            return promises[-1]

        async with cluster.running([INBOX], handle=handle, park=desk.park):
            await wait_until(lambda: len(promises) == 2, 15)
            promises[0].fail(Unprocessable("no such desk"))
            promises[1].complete()
            await wait_until(lambda: committed_is(cluster, 2), 15)
        assert [(text(record), str(error)) for record, error in desk.parked] == [("1", "no such desk")]

    async def test_a_completion_that_fails_otherwise_ends_the_loop_uncommitted(self, cluster: Cluster) -> None:
        """The record is handled again after a restart."""
        await desk_topics(cluster, Topic.INBOX, partitions=1)
        await cluster.fill(Topic.INBOX, ["1"])
        promise = Completion()

        async def handle(record: Record) -> Completion:
            handled.set()
            return promise

        handled = asyncio.Event()
        async with cluster.running([INBOX], handle=handle, park=Desk().park) as loop:
            await asyncio.wait_for(handled.wait(), 15)
            promise.fail(ConnectionError("the socket broke"))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(loop.task, 15)
        assert await offset_of(cluster) == 0

    async def test_the_window_bounds_what_is_in_flight_and_other_partitions_go_on(self, cluster: Cluster) -> None:
        """A partition whose effects hang takes no more than its window, and holds up nobody else."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, [f"stuck{n}" for n in range(30)], partition=0)
        await cluster.fill(Topic.INBOX, [f"free{n}" for n in range(30)], partition=1)
        stuck: list[Completion] = []
        desk = Desk()

        async def handle(record: Record) -> Completion | None:
            if record.partition == 0:
                stuck.append(Completion())
                return stuck[-1]
            return await desk.handle(record)

        async with cluster.running([INBOX], handle=handle, park=desk.park, window=Window(6)):
            await wait_until(lambda: len(desk.effects) == 30, 15)
            assert len(stuck) == 6
            for promise in stuck:
                promise.complete()
            await wait_until(lambda: len(stuck) == 12, 15)

            def all_completed() -> bool:
                for promise in stuck:
                    promise.complete()
                return len(stuck) == 30

            await wait_until(all_completed, 15)
            await wait_until(lambda: committed_is(cluster, 30), 15)

    def test_what_is_said_first_counts(self) -> None:
        """Complete after fail, or twice, changes nothing and calls nobody back again."""
        calls: list[Completion] = []
        promise = Completion()
        promise.add_done_callback(calls.append)
        promise.fail(Unprocessable("first"))
        promise.complete()
        promise.add_done_callback(calls.append)
        assert str(promise.exception()) == "first"
        assert calls == [promise, promise]


class TestParking:
    async def test_an_unprocessable_record_is_parked_and_the_next_one_handled(self, cluster: Cluster) -> None:
        """One bad record holds up nobody, and its offset passes."""
        await desk_topics(cluster, Topic.INBOX, partitions=1)
        await cluster.fill(Topic.INBOX, ["a", "bad", "c"])
        desk = Desk()

        async def handle(record: Record) -> None:
            if text(record) == "bad":
                raise Unprocessable("not a story")
            await desk.handle(record)

        async with cluster.running([INBOX], handle=handle, park=desk.park):
            await wait_until(lambda: committed_is(cluster, 3), 15)
        assert desk.effects == ["a", "c"]
        assert [(record.offset, str(error)) for record, error in desk.parked] == [(1, "not a story")]

    async def test_a_failed_park_ends_the_loop_with_the_record_uncommitted(self, cluster: Cluster) -> None:
        """A record is never passed on the hope that it was parked."""
        await desk_topics(cluster, Topic.INBOX, partitions=1)
        await cluster.fill(Topic.INBOX, ["bad"])

        async def handle(record: Record) -> None:
            raise Unprocessable("not a story")

        async def park(record: Record, error: Unprocessable) -> None:
            raise ConnectionError("the dead-letter topic does not answer")

        async with cluster.running([INBOX], handle=handle, park=park) as loop:
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(loop.task, 15)
        assert await offset_of(cluster) == 0

    async def test_too_many_parked_records_end_the_loop(self, cluster: Cluster) -> None:
        """When everything is unprocessable, the reader is wrong and not the records."""
        await desk_topics(cluster, Topic.INBOX, partitions=1)
        await cluster.fill(Topic.INBOX, [str(n) for n in range(10)])
        desk = Desk()

        async def handle(record: Record) -> None:
            raise Unprocessable("not a story")

        async with cluster.running([INBOX], handle=handle, park=desk.park, parked_per_minute=4) as loop:
            with pytest.raises(TooManyParked):
                await asyncio.wait_for(loop.task, 15)
        assert len(desk.parked) == 4
        assert await offset_of(cluster) == 4

    async def test_any_other_error_ends_the_loop_and_commits_only_what_came_before(self, cluster: Cluster) -> None:
        """An error nobody foresaw is not a reason to skip a record."""
        await desk_topics(cluster, Topic.INBOX)
        await cluster.fill(Topic.INBOX, ["a", "b"])
        assert await passes_only_after_effect(cluster)


class TestSources:
    async def test_a_flash_passes_two_thousand_waiting_routine_records(self, cluster: Cluster) -> None:
        """Breaking never queues behind routine: once fetched, it comes before the next handful."""
        await desk_topics(cluster, Topic.INBOX_FLASH, Topic.INBOX)
        await cluster.fill(Topic.INBOX, [f"routine{n}" for n in range(2000)])
        desk = Desk()
        published_after: list[int] = []

        async def handle(record: Record) -> None:
            await desk.handle(record)
            await asyncio.sleep(0)  # an effect lets the event loop turn
            if record.topic is Topic.INBOX and len(desk.effects) in (100, 500, 900):
                await cluster.publish(Topic.INBOX_FLASH, "k", b"flash")
                published_after.append(len(desk.effects))

        flash_first = [Source(Topic.INBOX_FLASH, at_most=64), INBOX]
        async with cluster.running(flash_first, handle=handle, park=desk.park):
            await wait_until(lambda: len(desk.effects) == 2003, 60)
        flashes = [at for at, value in enumerate(desk.effects) if value == "flash"]
        waited = [at - published for at, published in zip(flashes, published_after, strict=True)]
        # in log order each would wait for all the routine records left, 1,000 at least; a fetch takes some of them
        assert max(waited) < 1000

    async def test_what_waits_in_earlier_sources_is_taken_before_each_handful(self, cluster: Cluster) -> None:
        """All three hold records before the loop starts: flash, then lifts, then routine."""
        topics = (Topic.INBOX_FLASH, Topic.LIFTS, Topic.INBOX)
        await desk_topics(cluster, *topics)
        for topic, word in zip(topics, ("flash", "lift", "routine"), strict=True):
            await cluster.fill(topic, [word] * 10)
        desk = Desk()
        ready = asyncio.Event()

        class Owner:
            async def gained(self, partitions: frozenset[int]) -> None:
                ready.set()

            async def lost(self, partitions: frozenset[int]) -> None:
                return

        sources = [Source(Topic.INBOX_FLASH, 4), Source(Topic.LIFTS, 4), Source(Topic.INBOX, 4)]
        async with cluster.running(sources, handle=desk.handle, park=desk.park, ownership=Owner()):
            await asyncio.wait_for(ready.wait(), 15)
            await wait_until(lambda: len(desk.effects) == 30, 15)
        # which topic's first fetch arrives first is chance; from then on the order is strict
        after_first_flash = desk.effects[desk.effects.index("flash") :]
        routine = [at for at, word in enumerate(after_first_flash) if word == "routine"]
        assert after_first_flash[:10] == ["flash"] * 10
        assert len(routine) >= 2

    async def test_idle_sources_are_not_polled_in_turn(self, cluster: Cluster) -> None:
        """A hundred records, each published after the one before is handled, would take a poll's patience each."""
        topics = (Topic.INBOX_FLASH, Topic.LIFTS, Topic.INBOX)
        await desk_topics(cluster, *topics)
        handled: asyncio.Queue[str] = asyncio.Queue()

        async def handle(record: Record) -> None:
            handled.put_nowait(text(record))

        async with (
            cluster.running([Source(one) for one in topics], handle=handle, park=Desk().park),
            asyncio.timeout(20),
        ):
            for n in range(100):
                await cluster.publish(topics[n % 3], "k", str(n).encode())
                assert await handled.get() == str(n)

    async def test_followers_commit_under_their_own_group(self, cluster: Cluster) -> None:
        """The lead's group is the service's; each follower's name tells its topic."""
        await desk_topics(cluster, Topic.INBOX_FLASH, Topic.INBOX)
        await cluster.fill(Topic.INBOX_FLASH, ["f"])
        await cluster.fill(Topic.INBOX, ["r", "r"])
        desk = Desk()
        sources = [Source(Topic.INBOX_FLASH), INBOX]
        async with cluster.running(sources, handle=desk.handle, park=desk.park):
            await wait_until(lambda: len(desk.effects) == 3, 15)
        assert await offset_of(cluster, Topic.INBOX_FLASH) == 1
        assert follower_group("desk", Topic.INBOX) == "desk.desk.inbox"
        assert await offset_of(cluster, Topic.INBOX, "desk.desk.inbox") == 2


class TestRefusals:
    async def test_a_group_without_an_offset_is_refused_with_a_sentence(self, cluster: Cluster) -> None:
        """Guessing a start could send a month again; the sentence says what to do instead."""
        await cluster.make_topics({Topic.INBOX: 2})
        await cluster.set_offsets("desk", Topic.INBOX, {0: 0})
        health = Health()
        async with cluster.running([INBOX], handle=Desk().handle, park=Desk().park, health=health) as loop:
            with pytest.raises(NoCommittedOffset, match=r"partitions 1: .*--adopt desk=start"):
                await asyncio.wait_for(loop.task, 15)
        assert health.ready() == (False, {"consuming desk": "ended by NoCommittedOffset"})

    async def test_an_offset_that_retention_has_overtaken_is_refused(self, cluster: Cluster) -> None:
        """Records that nobody handled are gone: a person decides how to go on."""
        await cluster.make_topics({Topic.INBOX: 1})
        await cluster.fill(Topic.INBOX, ["a"])
        await cluster.set_offsets("desk", Topic.INBOX, {0: 5})
        async with cluster.running([INBOX], handle=Desk().handle, park=Desk().park) as loop:
            with pytest.raises(NoCommittedOffset, match="not in the log"):
                await asyncio.wait_for(loop.task, 15)

    async def test_a_follower_without_an_offset_is_refused(self, cluster: Cluster) -> None:
        """Followers have groups of their own, with the same rule."""
        await cluster.make_topics({Topic.INBOX_FLASH: 1, Topic.INBOX: 1})
        await start_groups(cluster, "desk", [Topic.INBOX_FLASH], 1)
        sources = [Source(Topic.INBOX_FLASH), INBOX]
        async with cluster.running(sources, handle=Desk().handle, park=Desk().park) as loop:
            with pytest.raises(NoCommittedOffset, match=r"desk\.desk\.inbox"):
                await asyncio.wait_for(loop.task, 15)

    async def test_sources_of_unequal_partition_counts_are_refused(self, cluster: Cluster) -> None:
        """One process must own the same partition of each, or a story has two owners."""
        await cluster.make_topics({Topic.INBOX_FLASH: 1, Topic.INBOX: 2})
        sources = [Source(Topic.INBOX_FLASH), INBOX]
        async with cluster.running(sources, handle=Desk().handle, park=Desk().park) as loop:
            with pytest.raises(Misconfigured, match="equal partition counts"):
                await asyncio.wait_for(loop.task, 15)

    async def test_a_missing_topic_is_refused(self, cluster: Cluster) -> None:
        """Auto-creation is off; waiting for a topic that never comes would look like idleness."""
        async with cluster.running([INBOX], handle=Desk().handle, park=Desk().park) as loop:
            with pytest.raises(Misconfigured, match="no such topic"):
                await asyncio.wait_for(loop.task, 15)
