"""Does a process that was stopped for a while show what others have killed meanwhile?"""

import asyncio

import pytest

from services.gateway.stream.admission import POLL_PATH, Admission
from services.gateway.stream.poll import poll
from services.gateway.stream.ports import HeaderView
from services.gateway.stream.wakefulness import STILL_S, Wakefulness
from shared.domain.story import Lane
from tests.services.gateway.stream.listening import Gateway, Listener, gateway
from tests.services.gateway.stream.releases import ReleasedLog, released
from tests.services.gateway.stream.sleeping import Sleeper, Slow
from tests.waiting import wait_until


async def stories(client: Listener) -> list[str]:
    """The stories up to the one that is filed last."""
    seen = await client.until_story("urn:last")
    return [event.data["story_id"] for event in seen if event.event == "story"]


def killed_meanwhile(running: Gateway, clock: Sleeper) -> None:
    """The process stands still while urn:dead is killed; it has not read the kill when it goes on."""
    running.standings.behind = True
    running.standings.kill("urn:dead")
    clock.stand_still()


async def test_what_was_fetched_before_is_not_shown_to_the_live() -> None:
    """The release lay in the process when it was stopped."""
    clock = Sleeper()
    async with gateway(now=clock) as running:
        client = await running.listen()
        await client.next()
        killed_meanwhile(running, clock)
        running.log.append(released("urn:dead", 1))
        running.log.append(released("urn:last", 1, Lane.FLASH))
        assert await stories(client) == ["urn:last"]


async def test_what_waits_for_its_tick_is_not_shown_either() -> None:
    """It was stopped between a release and the moment of writing it."""
    clock = Sleeper()
    async with gateway(now=clock, coalesce_s=3600) as running:
        client = await running.listen()
        await client.next()
        running.log.append(released("urn:dead", 1))
        killed_meanwhile(running, clock)
        running.log.append(released("urn:last", 1, Lane.FLASH))
        assert await stories(client) == ["urn:last"]


@pytest.mark.parametrize("ring_age_s", [900, -60], ids=["from memory", "from the log"])
async def test_who_comes_back_then_is_not_shown_it(ring_age_s: float) -> None:
    """Resuming passes the same gate, and the gate is as old as what it knows."""
    clock, log = Sleeper(), ReleasedLog()
    for name in ("urn:one", "urn:dead"):
        log.append(released(name, 1))
    async with gateway(log, now=clock, ring_age_s=ring_age_s) as running:
        killed_meanwhile(running, clock)
        client = await running.listen("cursor=earliest")
        running.log.append(released("urn:last", 1))
        assert await stories(client) == ["urn:one", "urn:last"]


async def test_everything_else_is_shown_once_and_in_order_when_it_has_caught_up() -> None:
    """Standing still costs time, not releases: of those who are live, and of one who was behind."""
    clock = Sleeper()
    async with gateway(now=clock) as running:
        live = await running.listen()
        await live.next()
        for number in range(20):
            running.log.append(released(f"urn:{number}", 1))
            if number % 7 == 0:
                running.standings.behind = True
                clock.stand_still()
        behind = await running.listen("cursor=earliest")
        running.log.append(released("urn:last", 1))
        expected = [f"urn:{number}" for number in range(20)] + ["urn:last"]
        assert await stories(live) == expected
        assert await stories(behind) == expected


async def test_a_flash_does_not_wait_for_what_is_routine_when_it_goes_on() -> None:
    """The backlog of a standstill is shown as it would have been: breaking first."""
    clock = Sleeper()
    async with gateway(now=clock) as running:
        client = await running.listen()
        await client.next()
        clock.stand_still()
        for number in range(50):
            running.log.append(released(f"urn:{number}", 1))
        running.log.append(released("urn:flash", 1, Lane.FLASH))
        running.log.append(released("urn:last", 1))
        assert await stories(client) == ["urn:flash", *(f"urn:{number}" for number in range(50)), "urn:last"]


async def test_who_comes_then_and_asks_for_nothing_begins_there() -> None:
    """Now is now, also where what came before it was not shown to the others yet."""
    clock = Sleeper()
    async with gateway(now=clock) as running:
        clock.stand_still()
        running.log.append(released("urn:before", 1, Lane.FLASH))
        client = await running.listen()
        running.log.append(released("urn:last", 1))
        assert await stories(client) == ["urn:last"]


async def test_a_poll_waits_until_it_may_be_answered() -> None:
    """It is asked once, and its answer is all it gets."""
    clock = Sleeper()
    async with gateway(now=clock) as running:
        running.log.append(released("urn:one", 1))
        clock.stand_still()
        admitted = running.hub.admit(HeaderView("GET", POLL_PATH, (("cursor", "earliest"),), {"authorization": "x"}))
        assert isinstance(admitted, Admission)
        answer = await poll(running.hub, admitted, 0)
        assert isinstance(answer, bytes)
        assert b"urn:one" in answer


async def test_ends_that_were_measured_before_another_standstill_do_not_count() -> None:
    """Stopped again while it catches up, it measures again."""
    clock, log, resumed = Sleeper(), Slow(), list[bool]()
    wakefulness = Wakefulness([log.reach_end], lambda: resumed.append(True), clock)
    watching = asyncio.create_task(wakefulness.watch())
    try:
        clock.stand_still()
        assert not wakefulness.fresh()
        await wait_until(lambda: log.asked == 1, within=5)
        clock.stand_still()
        log.reach()
        await wait_until(lambda: log.asked == 2, within=5)
        assert not wakefulness.fresh()
        assert not resumed
        log.reach()
        await wakefulness.until_fresh()
        assert resumed == [True]
    finally:
        watching.cancel()


async def test_a_process_that_runs_is_fresh_without_a_wait() -> None:
    """Signs of life come from the loop itself: nobody needs to ask."""
    clock = Sleeper()
    wakefulness = Wakefulness([], lambda: None, clock)
    wakefulness.start()
    clock.stand_still(STILL_S)
    assert wakefulness.fresh()
    clock.stand_still(STILL_S * 1.01)
    await wait_until(lambda: not wakefulness._awake.is_set(), within=5)
    wakefulness.stop()
