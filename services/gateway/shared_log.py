"""How do two readers share one reading of a topic? The first one drives, the other is told of every record."""

import asyncio
from collections.abc import Callable, Mapping

from services.gateway.ports import Apply
from services.gateway.stream.ports import Log
from shared.platform.reading import Pause, Since, TopicPartition
from shared.platform.records import Record


class SharedLog:
    """A `Log` whose records also go to `also`, before they go to whoever loads and follows it."""

    def __init__(self, log: Log, also: Apply, loaded: Callable[[], None]) -> None:
        """`loaded` is called once the end was reached."""
        self._log = log
        self._also = also
        self._loaded = loaded

    async def load(self, apply: Apply, since: Since = "beginning") -> None:
        await self._log.load(self._both(apply), since)
        self._loaded()

    async def follow(self, apply: Apply, stop: asyncio.Event, *, between: Pause | None = None) -> None:
        await self._log.follow(self._both(apply), stop, between=between)

    def positions(self) -> Mapping[TopicPartition, int]:
        return self._log.positions()

    def _both(self, apply: Apply) -> Apply:
        def both(record: Record) -> None:
            self._also(record)
            apply(record)

        return both
