"""What does the log itself still hold of the released topics? For clients that begin before the ring."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from services.gateway.stream.frames import TOPIC_OF
from services.gateway.stream.positions import Position
from shared.domain.story import Lane
from shared.platform.reading import Apply, Since, Tail, TopicPartition, beginning_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings

MOST: Final = 500
"""Records of one read."""
EARLIEST_KEPT_S: Final = 10.0
"""How long the log's beginning is believed: a crowd that comes back at once asks for it once."""


class _Enough(Exception):
    """All that was asked for is read."""


class KafkaHistory:
    """The released topics by offset and time. Each read opens a reader of its own and closes it."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._earliest = Position()
        self._asked_at = -EARLIEST_KEPT_S
        self._asking = asyncio.Lock()

    async def earliest(self) -> Position:
        """The first offsets the log still has, as of the last seconds."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= EARLIEST_KEPT_S:
                found = await beginning_offsets(self._kafka, TOPIC_OF.values())
                self._earliest = Position(found[_place(Lane.FLASH)], found[_place(Lane.ROUTINE)])
                self._asked_at = time.monotonic()
            return self._earliest

    async def at(self, when: datetime) -> Position:
        """The first offsets whose records are not older than `when`; the end of a lane where there is none."""
        return Position(await self._first(Lane.FLASH, when), await self._first(Lane.ROUTINE, when))

    async def read(self, lane: Lane, since: int, until: int) -> Sequence[Record]:
        """The next at most `MOST` records of [since, until)."""
        found: list[Record] = []

        def take(record: Record) -> None:
            if record.offset >= until:
                raise _Enough
            found.append(record)
            if len(found) >= MOST:
                raise _Enough

        if since < until:
            await self._read(lane, {_place(lane): since}, take)
        return found

    async def _first(self, lane: Lane, when: datetime) -> int:
        first: list[int] = []

        def take(record: Record) -> None:
            first.append(record.offset)
            raise _Enough

        ends = await self._read(lane, when, take)
        return first[0] if first else ends

    async def _read(self, lane: Lane, since: Since, take: Apply) -> int:
        """Read until `take` has enough or the end; the position behind it."""
        async with Tail(self._kafka, [TOPIC_OF[lane]]) as tail:
            with suppress(_Enough):
                await tail.load(take, since)
            return tail.positions()[_place(lane)]


def _place(lane: Lane) -> TopicPartition:
    return TopicPartition(TOPIC_OF[lane], 0)  # the released topics have one partition: its order is the public order
