"""How does a test wait for something to come true, no longer than it must?"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T]], within: float, *, every: float = ..., message: str = ...
) -> T: ...
@overload
async def wait_until(condition: Callable[[], T], within: float, *, every: float = ..., message: str = ...) -> T: ...
async def wait_until(
    condition: Callable[[], T | Awaitable[T]], within: float, *, every: float = 0.02, message: str = ""
) -> T:
    """Return the first truthy value of `condition`, plain or async, asked anew every `every` seconds.

    Raises AssertionError with the last value seen once `within` seconds have passed; an error the condition raises
    passes through. It is asked at least once, and a condition that hangs is cut off at the deadline.
    """
    deadline = time.monotonic() + within
    value: T | None = None
    while True:
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), every)):
                answer = condition()
                value = await answer if isawaitable(answer) else answer
        except TimeoutError as error:
            if time.monotonic() < deadline:
                raise  # the condition's own, not ours
            raise AssertionError(
                _failure(within, f"no answer to the last question; before it {value!r}", message)
            ) from error
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(_failure(within, f"last value {value!r}", message))
        await asyncio.sleep(every)


def wait_until_sync(condition: Callable[[], T], within: float, *, every: float = 0.02, message: str = "") -> T:
    """Return the first truthy value of `condition`; `wait_until` for code without an event loop."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(_failure(within, f"last value {value!r}", message))
        time.sleep(every)
    return value


def _failure(within: float, seen: str, message: str) -> str:
    return f"{message or 'condition'}: not true within {within:g} s ({seen})"
