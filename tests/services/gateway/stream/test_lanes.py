"""How many routine releases of thousands go before a flash, when each lane has its reader?"""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from services.gateway.stream.frames import TOPIC_OF
from services.gateway.stream.lanes import HANDFUL, BreakingFirst
from shared.domain.story import Lane
from shared.platform.reading import Pause, Since, TopicPartition
from shared.platform.records import Record

BACKLOG = 20 * HANDFUL


def record_of(lane: Lane, offset: int) -> Record:
    return Record(TOPIC_OF[lane], 0, offset, "key", b"{}", {}, 0)


class Waiting:
    """A lane of which so much waits: handed over in batches, with `between` awaited after each, until none is left."""

    def __init__(self, lane: Lane, *batches: int) -> None:
        self.lane = lane
        self.end = 0
        self._batches = batches
        self._apply: Callable[[Record], None] | None = None

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        apply(record_of(self.lane, -1))

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        self._apply = apply
        for batch in self._batches:
            for _ in range(batch):
                self.append()
            if between is not None:
                await between()
        stop.set()

    def append(self) -> None:
        assert self._apply is not None
        self._apply(record_of(self.lane, self.end))
        self.end += 1

    def positions(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition(TOPIC_OF[self.lane], 0): self.end}


class Seen:
    """What was applied, and how often the flash lane was read to its end before more of routine."""

    def __init__(self, *batches: int) -> None:
        self.flash, self.routine = Waiting(Lane.FLASH), Waiting(Lane.ROUTINE, *batches)
        self.lanes = BreakingFirst(self.flash, self.routine, self.flash_end)
        self.order: list[str] = []
        self.asked_at: list[int] = []
        self.flash_after: int | None = None

    async def flash_end(self) -> None:
        self.asked_at.append(self.routine.end)
        if self.flash_after is not None and self.routine.end > self.flash_after:
            self.flash_after = None
            self.flash.append()

    def take(self, record: Record) -> None:
        self.order.append(record.topic)

    async def follow(self, between: Pause | None = None) -> None:
        async with asyncio.timeout(10):
            await self.lanes.follow(self.take, asyncio.Event(), between=between)


@pytest.mark.parametrize("appended", [0, 1, HANDFUL, 5 * HANDFUL + 3])
async def test_a_flash_passes_all_but_two_handfuls(appended: int) -> None:
    """Wherever in the backlog it is appended: the one in hand, and the one that makes it a backlog."""
    seen = Seen(*[HANDFUL] * 20)
    seen.flash_after = appended
    await seen.follow()
    before = seen.order.index(TOPIC_OF[Lane.FLASH])
    assert before - appended <= 2 * HANDFUL
    assert len(seen.order) == BACKLOG + 1


async def test_where_nothing_piles_up_nobody_is_asked() -> None:
    """A full batch now and then is what comes together; the question costs a round trip."""
    seen = Seen(HANDFUL, HANDFUL - 1, HANDFUL, 1, 3)
    await seen.follow()
    assert seen.asked_at == []


async def test_routine_waits_for_whoever_follows_before_it_asks() -> None:
    """A process that stood still first has to know what happened, and looks at the flash lane after that."""
    seen, held = Seen(HANDFUL, HANDFUL, HANDFUL), asyncio.Event()

    async def between() -> None:
        held.set()
        assert len(seen.asked_at) == max(0, seen.routine.end // HANDFUL - 2)

    await seen.follow(between)
    assert held.is_set()
    assert seen.asked_at == [2 * HANDFUL, 3 * HANDFUL]


async def test_both_lanes_are_loaded_flash_first_and_have_their_positions() -> None:
    """As one log, for whoever reads it."""
    seen = Seen()
    await seen.lanes.load(seen.take)
    assert seen.order == [TOPIC_OF[Lane.FLASH], TOPIC_OF[Lane.ROUTINE]]
    assert {at.topic for at in seen.lanes.positions()} == set(TOPIC_OF.values())
