"""What is in the audit? Read from the broker when somebody asks; nothing of it is kept in memory."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from aiokafka.errors import KafkaError

from services.monitor.ports import Unreadable
from shared.platform.reading import Lookup, Tail, beginning_offsets, end_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

WITHIN_S: Final = 300.0
"""A year of audit is read in seconds; a broker that goes away meanwhile is not waited for any longer."""


class KafkaAuditReader:
    """`AuditReader` on the broker: connects for each reading."""

    def __init__(self, kafka: KafkaSettings, within: float = WITHIN_S) -> None:
        self._kafka = kafka
        self._within = within

    async def begins(self, since: datetime | None) -> datetime | None:
        try:
            async with asyncio.timeout(self._within):
                kept = await self._kept_since()
        except (KafkaError, TimeoutError) as error:
            raise Unreadable(f"{type(error).__name__} while reading {Topic.AUDIT}") from error
        return max((at for at in (kept, since) if at is not None), default=None)

    async def read(self, apply: Callable[[Record], None], since: datetime | None) -> None:
        try:
            async with asyncio.timeout(self._within), Tail(self._kafka, (Topic.AUDIT,)) as tail:
                await tail.load(apply, since or "beginning")
        except (KafkaError, TimeoutError) as error:
            raise Unreadable(f"{type(error).__name__} while reading {Topic.AUDIT}") from error

    async def _kept_since(self) -> datetime | None:
        """When the first record was written that is still there in a partition whose beginning is not."""
        begins, ends = (
            await beginning_offsets(self._kafka, [Topic.AUDIT]),
            await end_offsets(self._kafka, [Topic.AUDIT]),
        )
        shortened = {at: offset for at, offset in begins.items() if offset > 0}
        if not shortened:
            return None
        times: list[int] = []
        async with Lookup(self._kafka) as lookup:
            for at, offset in shortened.items():
                record = await lookup.read_one(at.topic, at.partition, offset) if offset < ends[at] else None
                if record is not None:
                    times.append(record.timestamp_ms)
        if len(times) < len(shortened):
            return datetime.now(UTC)  # a partition is empty by now: anything may be gone
        return datetime.fromtimestamp(max(times) / 1000, UTC)
