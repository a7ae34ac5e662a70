"""Work that does not heed its cancellation holds nobody up."""

import asyncio
from contextlib import suppress

import pytest

from shared.platform import consumers
from shared.platform.bounded import ended_within
from tests.waiting import wait_until


class Deaf:
    """Goes on until `over` is set, however often it is cancelled; `stop` and `close` are those of a consumer."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.cancelled = 0
        self._client = self

    async def stop(self) -> None:
        while not self.over.is_set():
            try:
                await self.over.wait()
            except asyncio.CancelledError:
                self.cancelled += 1

    async def close(self) -> None:
        await self.stop()


async def test_what_swallows_its_cancellation_is_left_to_itself() -> None:
    """It is cancelled once and not waited for; when it ends at last nobody is told."""
    deaf = Deaf()
    assert not await ended_within(0.01, deaf.stop())
    await wait_until(lambda: deaf.cancelled == 1, 5)
    deaf.over.set()


async def test_what_ends_in_time_says_so_and_its_error_is_raised() -> None:
    """The error of the work is the caller's, as if it had been awaited."""

    async def fails() -> None:
        raise ValueError("as it was")

    assert await ended_within(1.0, asyncio.sleep(0))
    with pytest.raises(ValueError, match="as it was"):
        await ended_within(1.0, fails())


async def test_a_waiter_that_is_cancelled_takes_the_work_with_it() -> None:
    """Nothing is left running behind a process that is ending."""
    began, cut = asyncio.Event(), asyncio.Event()

    async def long() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    waiter = asyncio.create_task(ended_within(60.0, long()))
    await began.wait()
    waiter.cancel()
    with suppress(asyncio.CancelledError):
        await waiter
    await wait_until(cut.is_set, 5)


async def test_a_consumer_that_cannot_be_stopped_is_abandoned() -> None:
    """A broker that comes back in the wrong moment left one waiting for ever, and its process half dead."""
    deaf = Deaf()
    await consumers.close(deaf, within=0.01, let_go_within=0.01)
    assert not deaf.over.is_set()
    await wait_until(lambda: deaf.cancelled == 2, 5)
    deaf.over.set()
