"""A fault of every sort on a real wire: it takes effect, and everything is healthy again without anybody's help."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from deploy.local.machine import Missing
from tests import brokers
from tests.chaos.fault_book import FaultBook, inflict
from tests.chaos.instance import ChaosWire, chaos_wire
from tests.chaos.poison import Poison
from tests.chaos.schedule import ALL, KAFKA, REDIS, Kind, Planned
from tests.journeys.people import Accepted, Desk, Subscriber
from tests.journeys.texts import a_story
from tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.chaos]

EVERY_S = 0.25
PLAN = (
    Planned(0.0, Kind.KILL, "moderation"),
    Planned(0.0, Kind.TERM, "gateway"),
    Planned(0.0, Kind.SECOND, "ingest", 2.0),
    Planned(1.0, Kind.FAILPOINT, "distribution", point="post.sent"),
    Planned(1.0, Kind.POISON, ALL, point=Poison.NO_JSON),
    Planned(4.0, Kind.REDIS_FLUSHED, REDIS),
)
OUTAGE = (Planned(0.0, Kind.BROKER_KILLED, KAFKA, 5.0),)


@dataclass(slots=True)
class Trickle:
    """What a desk was answered that files all the while: what was accepted, and what was put off with which wait."""

    accepted: list[Accepted] = field(default_factory=list)
    put_off: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def trickling(desk: Desk) -> AsyncIterator[Trickle]:
    """File a story, now and then a flash, while the block lasts."""
    trickle = Trickle()

    async def file() -> None:
        urgency = 1 if len(trickle.accepted) % 5 == 0 else 4
        try:
            answer = await desk.post(a_story(urgency=urgency))
        except httpx2.TransportError:
            return  # ingest itself is just being killed: nothing is promised
        if answer.status_code == 503:
            trickle.put_off.append(answer.headers.get("retry-after"))
            return
        assert answer.status_code == 202, answer.text
        told = answer.json()
        trickle.accepted.append(
            Accepted(told["event_id"], told["story_id"], told["version"], told["lane"], told["kind"], told)
        )

    async def for_ever() -> None:
        while True:
            await file()
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(for_ever())
    try:
        yield trickle
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


@pytest.mark.timeout(400)
async def test_every_sort_of_fault_takes_effect_and_heals_by_itself(tmp_path: Path) -> None:
    """Nothing that was accepted under it is lost, and while the broker is away a desk is told when to come again."""
    try:
        async with chaos_wire(tmp_path) as chaos:
            await _suffer(chaos)
    except Missing as reason:
        brokers.unavailable(str(reason))


async def _suffer(chaos: ChaosWire) -> None:
    book = FaultBook()
    async with Desk(chaos.wire) as desk, Subscriber(chaos.wire) as subscriber, subscriber.webhooks() as inbox:
        async with trickling(desk) as trickle:
            await inflict(chaos, PLAN, book)
            await inflict(chaos, OUTAGE, book)
        assert [fault for fault in book.faults if not fault.took] == []
        assert len(book.faults) == len(PLAN + OUTAGE), book.left_out
        assert book.not_healthy() == []
        assert book.complaints() == []
        await chaos.healthy()
        assert trickle.put_off
        assert all(wait is not None and int(wait) >= 1 for wait in trickle.put_off)
        assert len(trickle.accepted) > 10

        def missing() -> set[str]:
            return {one.story_id for one in trickle.accepted} - {hook.data["story_id"] for hook in inbox.webhooks}

        await wait_until(lambda: not missing(), 30, every=0.2, message="all that was accepted is delivered")
