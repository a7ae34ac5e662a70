"""After a crash or a hand-over, is exactly what was not finished handed over again, however much of it there was?"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Unprocessable
from shared.platform.consuming import Completion, Membership, Record, Source, Window
from shared.platform.topics import Topic
from tests.platform.cluster import Desk, Running, text
from tests.platform.clusters import Cluster, TwinCluster, offsets, start_groups
from tests.waiting import wait_until

INBOX = [Source(Topic.INBOX, at_most=4)]
WITHIN = 15


class Promises:
    """A handler that finishes a record when the test says so."""

    def __init__(self) -> None:
        self.made: dict[str, Completion] = {}

    async def handle(self, record: Record) -> Completion:
        return self.made.setdefault(text(record), Completion())

    async def park(self, record: Record, error: Unprocessable) -> None:
        """There is nothing to park."""

    async def given(self, word: str) -> None:
        """Return once a record was handed over."""
        await wait_until(lambda: word in self.made, WITHIN)

    def keep(self, *words: str) -> None:
        for word in words:
            self.made[word].complete()


async def inbox(cluster: Cluster, count: int, partitions: int = 1) -> list[str]:
    """An inbox with that many records in partition 0, whose group starts at the first."""
    await cluster.make_topics({Topic.INBOX: partitions})
    await start_groups(cluster, "desk", [Topic.INBOX], partitions)
    words = [str(n) for n in range(count)]
    await cluster.fill(Topic.INBOX, words)
    return words


async def at(cluster: Cluster) -> int | None:
    return (await offsets(cluster, "desk", Topic.INBOX, [0]))[0]


async def noted(cluster: Cluster) -> str:
    """What is written beside the committed offset."""
    found = (await cluster.notes("desk", Topic.INBOX, [0]))[0]
    return found[1] if found else ""


async def crash(loop: Running) -> None:
    """End the loop as a kill does: nothing of what it still would do is done."""
    loop.task.cancel()
    await asyncio.wait({loop.task})


async def second_life(cluster: Cluster, until: Callable[[Desk], Awaitable[bool]]) -> list[str]:
    """What the next process is handed over, until a condition holds."""
    desk = Desk()
    async with cluster.running(INBOX, handle=desk.handle, park=desk.park):
        await wait_until(lambda: until(desk), WITHIN)
    return desk.effects


class TestRestart:
    async def test_only_what_was_not_finished_is_handled_again(self, cluster: Cluster) -> None:
        """One stuck receiver must not make a restart send everything behind it once more."""
        words = await inbox(cluster, 8)
        promises = Promises()
        async with cluster.running(INBOX, handle=promises.handle, park=promises.park, commit_every=0.01) as loop:
            await wait_until(lambda: len(promises.made) == 8, WITHIN)
            promises.keep("0", "2", "3", "6")
            await wait_until(lambda: committed_beyond(cluster, 1), WITHIN)
            await crash(loop)
        assert await second_life(cluster, lambda desk: is_at(cluster, 8)) == ["1", "4", "5", "7"]
        assert await noted(cluster) == ""
        assert len(words) == 8

    async def test_what_was_finished_stays_so_over_several_crashes(self, cluster: Cluster) -> None:
        """The second life tells on what it was told, also when it never came so far itself."""
        await inbox(cluster, 6)
        first, second = Promises(), Promises()
        async with cluster.running(INBOX, handle=first.handle, park=first.park, commit_every=0.01) as loop:
            await wait_until(lambda: len(first.made) == 6, WITHIN)
            first.keep("1", "5")
            await wait_until(lambda: committed_beyond(cluster, 0), WITHIN)
            await crash(loop)
        before = await noted(cluster)
        options = {"handle": second.handle, "park": second.park, "commit_every": 0.01, "window": Window(records=2)}
        async with cluster.running(INBOX, **options) as loop:
            await wait_until(lambda: len(second.made) == 2, WITHIN)
            second.keep("2")
            await wait_until(lambda: told_otherwise(cluster, before), WITHIN)
            await crash(loop)
        assert await second_life(cluster, lambda desk: is_at(cluster, 6)) == ["0", "3", "4"]

    async def test_an_offset_that_a_person_sets_back_repeats_everything(self, cluster: Cluster) -> None:
        """What was noted for another offset does not count, even where a tool keeps it."""
        await inbox(cluster, 5)
        promises, brief = Promises(), Membership(cluster.session)
        async with cluster.running(
            INBOX, handle=promises.handle, park=promises.park, commit_every=0.01, membership=brief
        ) as loop:
            await wait_until(lambda: len(promises.made) == 5, WITHIN)
            promises.keep("0", "1", "3")
            await wait_until(lambda: committed_beyond(cluster, 2), WITHIN)
            await crash(loop)
        await wait_until(lambda: set_back(cluster, 1), WITHIN)
        assert await second_life(cluster, lambda desk: is_at(cluster, 5)) == ["1", "2", "3", "4"]

    async def test_a_note_of_somebody_else_is_no_error(self, cluster: Cluster) -> None:
        """Whatever another client wrote there, the loop begins at the offset."""
        await inbox(cluster, 3)
        await cluster.set_offsets("desk", Topic.INBOX, {0: (1, "done2:by another program")})
        assert await second_life(cluster, lambda desk: is_at(cluster, 3)) == ["1", "2"]

    @settings(max_examples=15, deadline=None)
    @given(finished=st.lists(st.booleans(), min_size=1, max_size=30))
    def test_any_order_of_finishing_and_a_crash(self, finished: list[bool]) -> None:
        """Whatever was finished at the last commit is not handed over again, and all else is, in order."""

        async def two_lives() -> list[str]:
            cluster, promises = TwinCluster(), Promises()
            await inbox(cluster, len(finished))
            async with cluster.running(
                INBOX, handle=promises.handle, park=promises.park, commit_every=0.001, drain_within=0
            ) as loop:
                await wait_until(lambda: len(promises.made) == len(finished), WITHIN, every=0.001)
                promises.keep(*(str(n) for n, done in enumerate(finished) if done))
                loop.stop.set()
                await loop.task
            if all(finished):
                return []
            return await second_life(cluster, lambda desk: is_at(cluster, len(finished)))

        assert asyncio.run(two_lives()) == [str(n) for n, done in enumerate(finished) if not done]


async def committed_beyond(cluster: Cluster, offset: int) -> bool:
    """Whether the group is at that offset, with a note of what is finished beyond it."""
    return await at(cluster) == offset and await noted(cluster) != ""


async def told_otherwise(cluster: Cluster, before: str) -> bool:
    return await noted(cluster) not in ("", before)


async def is_at(cluster: Cluster, offset: int) -> bool:
    return await at(cluster) == offset


async def set_back(cluster: Cluster, offset: int) -> bool:
    """Set the group's offset, keeping the note; False while the group still has a member."""
    note = await noted(cluster)
    try:
        await cluster.set_offsets("desk", Topic.INBOX, {0: (offset, note)})
    except Exception:  # noqa: BLE001 - a broker refuses it as long as the dead member's session lasts
        return False
    return True


class TestHandOver:
    async def test_the_next_owner_goes_on_where_the_first_was_interrupted(self, cluster: Cluster) -> None:
        """A rebalance waits for what is in flight, but not for ever; what is done is told to whom it goes to."""
        await cluster.make_topics({Topic.INBOX: 2})
        await start_groups(cluster, "desk", [Topic.INBOX], 2)
        promises, desk = Promises(), Desk()

        async def is_shared() -> bool:
            return len({record.partition for record in desk.records}) == 1

        async with cluster.running(
            INBOX,
            handle=promises.handle,
            park=promises.park,
            membership=Membership(cluster.session),
            drain_within=0.2,
        ):
            for partition in (0, 1):
                await cluster.fill(Topic.INBOX, [f"{partition}:{n}" for n in range(4)], partition=partition)
            await wait_until(lambda: len(promises.made) == 8, WITHIN)
            promises.keep("0:0", "1:0", "0:2", "1:2")
            async with cluster.running(
                INBOX, handle=desk.handle, park=desk.park, membership=Membership(cluster.session), member="desk-1"
            ):
                await wait_until(is_shared, WITHIN)
                mine = desk.records[0].partition
                await wait_until(lambda: len(desk.effects) == 2, WITHIN)
                await cluster.publish(Topic.INBOX, "k", b"last", partition=mine)
                await wait_until(lambda: "last" in desk.effects, WITHIN)
        assert desk.effects == [f"{mine}:1", f"{mine}:3", "last"]

    async def test_stop_parks_what_has_failed_meanwhile(self, cluster: Cluster) -> None:
        """A promise that turns out hopeless while the loop drains is parked, not handled again."""
        await inbox(cluster, 2)
        promises, desk = Promises(), Desk()
        async with cluster.running(INBOX, handle=promises.handle, park=desk.park, drain_within=3600) as loop:
            await wait_until(lambda: len(promises.made) == 2, WITHIN)
            loop.stop.set()
            await asyncio.sleep(0)
            promises.made["0"].fail(Unprocessable("no such desk"))
            promises.keep("1")
            await asyncio.wait_for(loop.task, WITHIN)
        assert [text(record) for record, _ in desk.parked] == ["0"]
        assert await at(cluster) == 2


BIG = "x" * 100_000


class TestBytes:
    async def test_large_records_in_flight_are_bounded_by_their_bytes(self, cluster: Cluster) -> None:
        """A slow receiver of large stories must not fill the memory; other partitions go on."""
        await inbox(cluster, 0, partitions=2)
        await cluster.fill(Topic.INBOX, [f"{n}{BIG}" for n in range(12)], partition=0)
        await cluster.fill(Topic.INBOX, [f"free{n}" for n in range(20)], partition=1)
        promises, desk = Promises(), Desk()

        async def handle(record: Record) -> Completion | None:
            return await (promises.handle(record) if record.partition == 0 else desk.handle(record))

        window = Window(high_bytes=350_000, low_bytes=150_000)
        async with cluster.running(INBOX, handle=handle, park=desk.park, window=window):
            await wait_until(lambda: len(desk.effects) == 20, WITHIN)
            await wait_until(lambda: len(promises.made) == 3, WITHIN)
            await cluster.fill(Topic.INBOX, ["more"], partition=1)
            await wait_until(lambda: "more" in desk.effects, WITHIN)
            assert len(promises.made) == 3
            for n in range(12):
                await promises.given(f"{n}{BIG}")
                promises.keep(f"{n}{BIG}")
            await wait_until(lambda: is_at(cluster, 12), WITHIN)

    async def test_a_record_larger_than_the_window_is_handled_alone(self, cluster: Cluster) -> None:
        """Bounded does not mean refused."""
        await inbox(cluster, 0)
        await cluster.fill(Topic.INBOX, [BIG, f"2{BIG}", "small"])
        promises = Promises()
        window = Window(high_bytes=50_000, low_bytes=10_000)
        async with cluster.running(INBOX, handle=promises.handle, park=promises.park, window=window):
            for word in (BIG, f"2{BIG}"):
                await promises.given(word)
                assert list(promises.made)[-1] == word
                promises.keep(word)
            await wait_until(lambda: "small" in promises.made, WITHIN)
            promises.keep("small")
            await wait_until(lambda: is_at(cluster, 3), WITHIN)

    async def test_the_group_is_not_lost_while_everything_waits(self, cluster: Cluster) -> None:
        """Fetching pauses, polling and heartbeats go on: a full window is no reason to be put out of the group."""
        await inbox(cluster, 10)
        promises, membership = Promises(), Membership(cluster.session)
        async with cluster.running(
            INBOX, handle=promises.handle, park=promises.park, window=Window(records=2), membership=membership
        ) as loop:
            await wait_until(lambda: len(promises.made) == 2, WITHIN)
            begun = asyncio.get_running_loop().time()
            await wait_until(lambda: asyncio.get_running_loop().time() > begun + cluster.session / 2, WITHIN)
            assert membership.alive()
            assert not loop.task.done()
            assert len(promises.made) == 2
            for n in range(10):
                await promises.given(str(n))
                promises.keep(str(n))
            await wait_until(lambda: is_at(cluster, 10), WITHIN)


@pytest.mark.parametrize("longest", [0, 40])
async def test_a_broker_that_takes_shorter_notes_is_given_offsets_alone(longest: int) -> None:
    """`offset.metadata.max.bytes` is the operator's; then a restart repeats more, and nothing stops."""
    cluster = TwinCluster()
    cluster.log.longest_note = longest
    await inbox(cluster, 200)
    promises = Promises()
    async with cluster.running(INBOX, handle=promises.handle, park=promises.park, commit_every=0.01) as loop:
        await wait_until(lambda: len(promises.made) == 200, WITHIN)
        promises.keep("0", *(str(n) for n in range(2, 200) if n % 3))
        await wait_until(lambda: is_at(cluster, 1), WITHIN)
        await crash(loop)
    assert (await second_life(cluster, lambda desk: is_at(cluster, 200)))[0] == "1"
