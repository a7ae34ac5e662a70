"""kill -9 of each service in turn while stories flow: nothing is lost, and every receiver has its order."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from shared.platform.redis import connect
from tests.chaos.ledger import Ledger, Plan, in_order_of_arrival, out_of_order, plans
from tests.chaos.watching import reading
from tests.journeys.inbox import Inbox
from tests.journeys.instance import Wire, a_wire_for_tests
from tests.journeys.people import Accepted, Desk, Subscriber
from tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.chaos]

SERVICES = ("ingest", "enrich", "enrich-flash", "moderation", "distribution", "gateway", "monitor")
STORIES, VERSIONS, FLASH_EVERY = 200, 3, 10
KILLED_AFTER = 12
"""Filings of a batch that are taken before its service is killed."""
BACK_WITHIN_S = 60.0
OVERTAKEN = frozenset({"superseded", "never owed"})
ARRIVES_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """An instance of its own: nobody else's test meets a service that is away."""
    with a_wire_for_tests(tmp_path_factory.mktemp("kill-run")) as running:
        yield running


@pytest.mark.timeout(230)
@pytest.mark.parametrize("empty_redis", [False, True], ids=["redis-kept", "redis-emptied"])
async def test_killing_each_service_loses_nothing_and_keeps_every_order(wire: Wire, empty_redis: bool) -> None:
    """To `every` each release in order per story, to `latest` the newest of each; the views are never less than whole.

    A release is absent from `every` only where the story's own flash overtook it, and then that is on record.
    """
    ledger = Ledger()
    async with (
        Desk(wire) as desk,
        Subscriber(wire) as subscriber,
        subscriber.webhooks(ordering="every") as every,
        subscriber.webhooks(ordering="latest") as latest,
    ):
        planned = plans(STORIES, VERSIONS, FLASH_EVERY)
        async with reading(subscriber) as reader:
            await _file_and_kill(wire, desk, planned, ledger, empty_redis)
            releases = await _releases(desk, planned, ledger)
            await _until_complete(subscriber, every, latest, planned, releases)
        _judge_orders(every, latest, releases)
        await wait_until(partial(_views_are_whole, subscriber, releases), 30, every=0.2, message="the views are whole")
    assert reader.answered > 0
    assert reader.wrong == []


async def _file_and_kill(wire: Wire, desk: Desk, planned: list[Plan], ledger: Ledger, empty_redis: bool) -> None:
    """File batch after batch; in the middle of each one service is killed, in the middle of all Redis is emptied."""
    size = -(-len(planned) // len(SERVICES))
    for number, name in enumerate(SERVICES):
        batch, enough = planned[number * size : (number + 1) * size], len(ledger) + KILLED_AFTER
        filing = asyncio.create_task(ledger.file(desk, batch))
        await wait_until(partial(_has_taken, ledger, enough), 60, message="stories flow")
        if empty_redis and number == len(SERVICES) // 2:
            await _flush(wire)
        await _killed_and_back(wire, name)
        await filing


async def _views_are_whole(subscriber: Subscriber, releases: Mapping[str, list[int]]) -> bool:
    """Whether the list of all stories shows the newest release of each."""
    shown = {item["story_id"]: item["release_no"] for item in await subscriber.latest()}
    return all(shown.get(story_id) == numbers[-1] for story_id, numbers in releases.items())


def _has_taken(ledger: Ledger, filings: int) -> bool:
    return len(ledger) >= filings


async def _flush(wire: Wire) -> None:
    redis = connect(wire.now.redis)
    try:
        await redis.flushall()
    finally:
        await redis.aclose()


async def _killed_and_back(wire: Wire, name: str) -> None:
    """Kill one service; its supervisor starts it again and says when it can take work."""
    before = wire.pid(name)
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        pid = wire.now.pids.get(name, before)
        return pid != before and f"{name} is ready again (process {pid})" in wire.told

    await wait_until(is_back, BACK_WITHIN_S, every=0.1, message=f"{name} is ready again")


async def _releases(desk: Desk, planned: list[Plan], ledger: Ledger) -> dict[str, list[int]]:
    """The release numbers of each story by the receipts of everything promised; fails for a filing that was lost."""
    flashes = {plan.story_id for plan in planned if plan.has_flash}
    assert len(ledger) == STORIES * VERSIONS
    gate, releases = asyncio.Semaphore(8), {}

    async def settled(accepted: Accepted) -> dict[str, Any]:
        async with gate:
            return await desk.settled(accepted, ARRIVES_WITHIN_S)

    for story_id, promised in ledger.promised.items():
        receipts = await asyncio.gather(*map(settled, promised))
        states = {receipt["state"] for receipt in receipts}
        assert states <= ({"released", "superseded"} if story_id in flashes else {"released"}), receipts
        numbers = [receipt["release_no"] for receipt in receipts if receipt["state"] == "released"]
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), receipts
        releases[story_id] = sorted(numbers)
    return releases


async def _until_complete(
    subscriber: Subscriber, every: Inbox, latest: Inbox, planned: list[Plan], releases: Mapping[str, list[int]]
) -> None:
    """Wait until `every` has all but what a flash overtook, and `latest` the newest of each story."""
    flashes = {plan.story_id for plan in planned if plan.has_flash}
    owed: list[Any] = []

    async def every_release() -> bool:
        got = in_order_of_arrival(every.webhooks)
        missing = [
            (story, number) for story, numbers in releases.items() for number in numbers if number not in got[story]
        ]
        overtaken = [
            (story, number) for story, number in missing if story in flashes and max(got[story], default=0) > number
        ]
        recorded = [await _state_of(subscriber, every, story, number) for story, number in overtaken]
        owed[:] = sorted(set(missing) - set(overtaken)) + [state for state in recorded if state not in OVERTAKEN]
        return not owed

    def newest_of_each() -> bool:
        got = in_order_of_arrival(latest.webhooks)
        owed[:] = [(story, numbers[-1]) for story, numbers in releases.items() if numbers[-1] not in got[story]]
        return not owed

    for complete in (every_release, newest_of_each):
        try:
            await wait_until(complete, ARRIVES_WITHIN_S, every=0.3)
        except AssertionError:
            pytest.fail(f"{complete.__name__} did not arrive: {len(owed)} are missing, as {owed[:6]}")


async def _state_of(subscriber: Subscriber, inbox: Inbox, story_id: str, release_no: int) -> str:
    """What the delivery log says of one release at an endpoint; `never owed` where it was overtaken before matching."""
    rows = await subscriber.deliveries(endpoint_id=inbox.endpoint_id, story_id=story_id)
    return next((str(row["state"]) for row in rows if row["release_no"] == release_no), "never owed")


def _judge_orders(every: Inbox, latest: Inbox, releases: Mapping[str, list[int]]) -> None:
    assert out_of_order(in_order_of_arrival(every.webhooks)) == {}
    got = in_order_of_arrival(latest.webhooks)
    assert out_of_order(got) == {}
    assert {story: got[story][-1] for story in releases} == {story: numbers[-1] for story, numbers in releases.items()}
