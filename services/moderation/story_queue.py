"""How do inputs of one story stay in order while those of others go on side by side, and flash never waits long?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from shared.domain.errors import Unprocessable
from shared.platform.consuming import Completion

SLOTS: Final = 24
"""Inputs that are not urgent and under way at once: their records share the broker's round trips. A flash finds at
most so many effects before its own."""

Work = Callable[[], Awaitable[None]]


class StoryQueue:
    """Runs work per story one after the other, over all stories at once.

    After a failure nothing of what waits is begun: what the failed input wrote may or may not be there.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._last: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None

    async def submit(self, story_id: str, work: Work, *, urgent: bool) -> Completion:
        """Begin `work` once the story's earlier work is done; the Completion tells how it ended.

        Returns at once for urgent work, else when one of the slots is free.
        """
        if not urgent:
            await self._slots.acquire()
        return self._begin(story_id, work, urgent=urgent)

    def next_turn(self, story_id: str, work: Work) -> Completion:
        """Begin `work` behind what the story has in hand, without a slot: it is no input, and there is little of it."""
        return self._begin(story_id, work, urgent=True)

    def _begin(self, story_id: str, work: Work, *, urgent: bool) -> Completion:
        completion = Completion()
        task = asyncio.create_task(self._run(self._last.get(story_id), work, completion))
        self._last[story_id] = task
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(story_id, done, urgent))
        return completion

    async def abandon(self) -> None:
        """Cancel whatever has not ended; its completions stay open. May be repeated."""
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _run(self, before: asyncio.Task[None] | None, work: Work, completion: Completion) -> None:
        if before is not None:
            await asyncio.wait({before})
        if self._failed is not None:
            completion.fail(self._failed)
            return
        try:
            await work()
        except Unprocessable as error:
            completion.fail(error)
        except Exception as error:  # noqa: BLE001 - the loop that waits for the completion raises it
            self._failed = error
            completion.fail(error)
        else:
            completion.complete()

    def _ended(self, story_id: str, task: asyncio.Task[None], urgent: bool) -> None:
        self._running.discard(task)
        if self._last.get(story_id) is task:
            del self._last[story_id]
        if not urgent:
            self._slots.release()
