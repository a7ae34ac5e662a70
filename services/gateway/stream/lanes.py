"""How is a flash heard at once while thousands of routine releases wait? Each lane is read by a reader of its own."""

import asyncio
from collections.abc import Callable, Mapping

from services.gateway.stream.ports import Log
from shared.platform.reading import Since, TopicPartition
from shared.platform.records import Record


class SideBySide:
    """Several logs as one `Log`: one after the other while they load, then each at its own pace.

    A reader of two topics gets what it has fetched of one before it asks for the other again.
    """

    def __init__(self, *logs: Log) -> None:
        self._logs = logs

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        for log in self._logs:
            await log.load(apply, since)

    async def follow(self, apply: Callable[[Record], None], stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for log in self._logs:
                group.create_task(log.follow(apply, stop))

    def positions(self) -> Mapping[TopicPartition, int]:
        return {at: offset for log in self._logs for at, offset in log.positions().items()}
