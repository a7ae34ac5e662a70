"""How is a flash heard at once while thousands of routine releases wait? Each lane is read by a reader of its own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from services.gateway.stream.ports import Log
from shared.platform.reading import Pause, Since, TopicPartition
from shared.platform.records import Record

HANDFUL: Final = 12
"""Routine releases that are taken at once; as many at most as `routine` hands over in one batch."""


class BreakingFirst:
    """Two lanes as one `Log`: one after the other while they load, then each at its own pace.

    Where routine releases wait in numbers, flashes are read to their end of that moment before each further handful: so
    a flash passes all of them but the handful in hand and the one before which its lane was looked at too early. A
    reader of both topics would get what it has fetched of one before it asks for the other again.
    """

    def __init__(self, flash: Log, routine: Log, flash_end: Pause) -> None:
        """`flash_end` returns once all is applied that was in the flash lane at the call."""
        self._flash = flash
        self._routine = routine
        self._flash_end = flash_end
        self._taken = 0
        self._full = 0

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        await self._flash.load(apply, since)
        await self._routine.load(apply, since)

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        def take(record: Record) -> None:
            self._taken += 1
            apply(record)

        async def give_way() -> None:
            if between is not None:
                await between()
            if self._is_behind():
                await self._flash_end()

        async with asyncio.TaskGroup() as group:
            group.create_task(self._flash.follow(apply, stop))
            group.create_task(self._routine.follow(take, stop, between=give_way))

    def positions(self) -> Mapping[TopicPartition, int]:
        return {at: offset for log in (self._flash, self._routine) for at, offset in log.positions().items()}

    def _is_behind(self) -> bool:
        """Whether the last two batches were full; one alone is what comes together in a moment."""
        self._full = self._full + 1 if self._taken >= HANDFUL else 0
        self._taken = 0
        return self._full >= 2
