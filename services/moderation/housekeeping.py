"""When is a story that has been quiet for 35 days made small? Within the hour, in its own turn."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final

from services.moderation.ports import Ledger
from services.moderation.state_book import StateBook
from services.moderation.story_queue import StoryQueue
from shared.domain.shrinking import is_quiet, shrunk
from shared.platform.clock import Clock
from shared.platform.handling import Completion

FIRST_AFTER: Final = 60.0
EVERY: Final = 3_600.0
"""Seconds; the first round soon, since a process may live for less than an hour."""

TOGETHER: Final = 64
"""Stories written at once: a round may have thousands after a busy day."""


class Housekeeping:
    """A job beside the desk; `alive` tells whether the stories are ours for certain."""

    def __init__(
        self, book: StateBook, ledger: Ledger, queue: StoryQueue, clock: Clock, alive: Callable[[], bool]
    ) -> None:
        self._book = book
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._alive = alive

    async def run(self, stop: asyncio.Event) -> None:
        """Job: one round after a minute, then every hour, until `stop`. Raises what writing raises."""
        wait = FIRST_AFTER
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await stop.wait()
            if not stop.is_set():
                await self.round()
            wait = EVERY

    async def round(self) -> int:
        """Make every quiet story small, and say how many there were."""
        now = self._clock.now()
        quiet = [state.story_id for state in self._book.all() if is_quiet(state, now)]
        for start in range(0, len(quiet), TOGETHER):
            turns = [self._queue.next_turn(one, partial(self._shrink, one)) for one in quiet[start : start + TOGETHER]]
            await asyncio.gather(*map(_ended, turns))
        return len(quiet)

    async def _shrink(self, story_id: str) -> None:
        state, now = self._book.of(story_id), self._clock.now()
        partition = self._book.partition_of(story_id)
        if partition is None or not is_quiet(state, now) or not self._alive():
            return
        small = shrunk(state, now)
        await self._ledger.keep_state(small)
        self._book.put(partition, small)


async def _ended(turn: Completion) -> None:
    """Wait for a turn; raises its error."""
    ended = asyncio.Event()
    turn.add_done_callback(lambda _: ended.set())
    await ended.wait()
    if error := turn.exception():
        raise error
