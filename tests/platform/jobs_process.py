"""The process that `test_jobs` starts: `python -m tests.platform.jobs_process SCENE`, telling its way on stdout."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from shared.domain.errors import Misconfigured
from shared.platform.jobs import main, run
from shared.platform.settings import CommonSettings, load


def say(line: str) -> None:
    """Tell the test where we are."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def steady(stop: asyncio.Event) -> None:
    say("working")
    await stop.wait()
    say("finished what was in hand")


async def failing(stop: asyncio.Event, error: Exception) -> None:
    raise error


async def deaf(stop: asyncio.Event) -> None:
    say("working")
    await asyncio.Event().wait()


async def blocked(stop: asyncio.Event) -> None:
    say("working")
    await stop.wait()
    while True:  # the event loop never turns again
        pass


async def scene(jobs: dict[str, Callable[[asyncio.Event], Awaitable[None]]]) -> None:
    load(CommonSettings)
    try:
        await run(jobs, grace=0.5)
    finally:
        say("closed")


SCENES: dict[str, dict[str, Callable[[asyncio.Event], Awaitable[None]]]] = {
    "steady": {"steady": steady},
    "failing": {"steady": steady, "broken": partial(failing, error=RuntimeError("it broke"))},
    "misconfigured": {"steady": steady, "wrong": partial(failing, error=Misconfigured("Set the wire up first."))},
    "deaf": {"deaf": deaf},
    "blocked": {"blocked": blocked},
}

if __name__ == "__main__":
    main(partial(scene, SCENES[sys.argv[1]]), grace=0.5)
