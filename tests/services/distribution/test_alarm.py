"""When an alarm rings that is put off again and again."""

import asyncio
from time import perf_counter

from services.distribution.adapters.alarm import GRAIN_S, Alarm
from tests.waiting import wait_until


async def test_it_rings_at_the_time_set_last() -> None:
    """Neither at the one that was put off nor before its own."""
    rang: list[float] = []
    alarm = Alarm(lambda: rang.append(perf_counter()))
    alarm.set(perf_counter() + 0.02)
    last = perf_counter() + 0.1
    alarm.set(last)
    await wait_until(lambda: rang, within=5)
    assert rang[0] >= last - GRAIN_S
    assert len(rang) == 1


async def test_an_earlier_time_counts_too() -> None:
    """The deadline of a POST comes before the idle limit that was set when the connection lay idle."""
    rung = asyncio.Event()
    alarm = Alarm(rung.set)
    alarm.set(perf_counter() + 3600)
    alarm.set(perf_counter() + 0.01)
    async with asyncio.timeout(5):
        await rung.wait()


async def test_it_can_be_set_again_once_it_rang() -> None:
    """A connection lives through many deadlines."""
    rang: list[float] = []
    alarm = Alarm(lambda: rang.append(perf_counter()))
    for _ in range(2):
        alarm.set(perf_counter() + 0.01)
        await wait_until(lambda: rang, within=5)
        rang.clear()


async def test_it_is_silent_once_cancelled() -> None:
    """Another one, set for later, rings alone."""
    rang: list[str] = []
    cancelled, other = Alarm(lambda: rang.append("cancelled")), Alarm(lambda: rang.append("other"))
    cancelled.set(perf_counter() + 0.01)
    other.set(perf_counter() + 0.03)
    cancelled.cancel()
    await wait_until(lambda: rang, within=5)
    assert rang == ["other"]
