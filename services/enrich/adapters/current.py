"""How does the index of released texts follow the wire without taking time from the stories under way?"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from aiokafka.errors import OffsetOutOfRangeError

from shared.platform.clock import Clock
from shared.platform.logs import logger
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

GIVE_WAY_S = 0.0005  # after every record, so that a story under way has the interpreter for most of the time
STOP_WITHIN_S = 2.0  # aiokafka leaves a socket open when it is cut off while it connects


class CurrentReleases:
    """Reads `story.current` from `window` ago on, and hands every record to `apply`, in a thread with its own loop.

    Indexing a text takes about a millisecond; on the lane's loop a start would hold up stories for seconds.
    """

    def __init__(self, kafka: KafkaSettings, apply: Callable[[Record], None], window: timedelta, clock: Clock) -> None:
        self._kafka = kafka
        self._index = apply
        self._window = window
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`. Raises Misconfigured where the topic does not exist, and what `apply` raises."""
        loop, asked = asyncio.new_event_loop(), asyncio.Event()
        reading = asyncio.ensure_future(asyncio.to_thread(_run_on, loop, self._read(asked)))
        stopping = asyncio.create_task(stop.wait(), name="released.stop")
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            with suppress(RuntimeError):  # the loop has closed: reading ended by itself
                loop.call_soon_threadsafe(asked.set)
        await reading

    async def _read(self, asked: asyncio.Event) -> None:
        stopping = asyncio.create_task(asked.wait())
        while not stopping.done():
            began = time.monotonic()
            async with Tail(self._kafka, [Topic.CURRENT]) as tail:
                loading = asyncio.create_task(tail.load(self._apply, self._clock.now() - self._window))
                await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not loading.done():
                    await asyncio.wait({loading}, timeout=STOP_WITHIN_S)
                    loading.cancel()
                    await asyncio.gather(loading, return_exceptions=True)
                    return
                loading.result()
                logger().info("released_texts.loaded", seconds=round(time.monotonic() - began, 1))
                try:
                    await tail.follow(self._apply, asked)
                except OffsetOutOfRangeError:
                    logger().warning("released_texts.overtaken")

    def _apply(self, record: Record) -> None:
        self._index(record)
        time.sleep(GIVE_WAY_S)


def _run_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work)
