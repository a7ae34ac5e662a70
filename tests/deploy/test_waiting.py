"""Waiting ends when the condition is true, or says what it last saw."""

import asyncio
import itertools

import pytest

from tests.waiting import wait_until, wait_until_sync


async def test_waiting_returns_the_first_truthy_value() -> None:
    """The value itself comes back, so that the test can go on with it."""
    values = iter(["", "", "here"])
    assert await wait_until(lambda: next(values), within=5, every=0.001) == "here"


async def test_an_async_condition_is_awaited() -> None:
    """A condition may be a coroutine function; its answer counts, not the coroutine."""
    counter = itertools.count()

    async def three() -> int:
        count = next(counter)
        return count if count >= 3 else 0

    assert await wait_until(three, within=5, every=0.001) == 3


async def test_a_condition_that_stays_false_fails_with_its_last_value() -> None:
    """The reader of a failure sees what was there instead."""
    with pytest.raises(AssertionError, match=r"two copies: not true within 0\.05 s \(last value \[\]\)"):
        await wait_until(lambda: [], within=0.05, message="two copies")  # noqa: PIE807 - the lambda is the condition


async def test_a_condition_that_hangs_is_cut_off() -> None:
    """One call that never answers does not hold the test for ever."""
    with pytest.raises(AssertionError, match="no answer to the last question"):
        await wait_until(asyncio.Event().wait, within=0.05)


async def test_an_error_of_the_condition_passes_through() -> None:
    """An error is not a falsehood: it ends the wait."""

    def fails() -> bool:
        raise LookupError("no such topic")

    with pytest.raises(LookupError, match="no such topic"):
        await wait_until(fails, within=5)


async def test_a_timeout_of_the_condition_itself_passes_through() -> None:
    """A client's own timeout is its error, not the end of our wait."""

    async def times_out() -> bool:
        raise TimeoutError("the client's own")

    with pytest.raises(TimeoutError, match="the client's own"):
        await wait_until(times_out, within=60)


def test_waiting_without_a_loop() -> None:
    """The plain variant waits and fails alike."""
    values = iter([None, 7])
    assert wait_until_sync(lambda: next(values), within=5, every=0.001) == 7
    with pytest.raises(AssertionError, match="last value None"):
        wait_until_sync(lambda: None, within=0.01)
