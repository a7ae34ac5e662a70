"""What is to be done at a later time, in memory: tiers being held, last seconds of a chain."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.distribution.ports import Clock

Action = Callable[[], Awaitable[None]]
LONGEST_NAP = timedelta(seconds=1)


class Waiting:
    """A heap of (when, shard, action); `run` performs them, one job for all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[datetime, int, int, Action]] = []
        self._count = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, when: datetime, shard: int, action: Action) -> None:
        heapq.heappush(self._heap, (when, next(self._count), shard, action))
        self._changed.set()

    def drop(self, shards: frozenset[int]) -> None:
        """Forget what waits for these shards: their new owner holds it."""
        self._heap = [entry for entry in self._heap if entry[2] not in shards]
        heapq.heapify(self._heap)

    async def perform_due(self) -> None:
        """Do what is due by now, in order of time."""
        while self._heap and self._heap[0][0] <= self._clock.now():
            *_, action = heapq.heappop(self._heap)
            await action()

    async def run(self, stop: asyncio.Event) -> None:
        """Job: perform what is due, in order of time, until `stop`; an action's error ends the job."""
        while not stop.is_set():
            await self.perform_due()
            self._changed.clear()
            nap = LONGEST_NAP if not self._heap else min(LONGEST_NAP, self._heap[0][0] - self._clock.now())
            try:
                async with asyncio.timeout(max(0.0, nap.total_seconds())):
                    await self._changed.wait()
            except TimeoutError:
                continue
