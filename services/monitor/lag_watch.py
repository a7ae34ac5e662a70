"""What is the lag now? Reads it every few seconds, remembers a minute of it, and answers from memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.monitor import lag
from services.monitor.lag import LagRow, Place, Reading
from services.monitor.ports import Committed, LagReader, Unreadable
from services.monitor.verdicts import WINDOW_S, Judgement, Point, judge
from shared.platform.clock import Clock
from shared.platform.health import Health
from shared.platform.logs import logger
from shared.platform.metrics import LAG_AGE_SECONDS, LAG_RECORDS
from shared.platform.provisioning import readers

CHECK: Final = "lag"
STALE_AFTER_PASSES: Final = 5
STALE_AFTER_S: Final = 5.0  # at the least: a reading may take a while on a busy machine
ONLY_SHOW: Final = frozenset(reader.own for reader in readers() if reader.group == "views")
PATIENCE_S: Final = {
    "wire.delivery.due.v1": 60.0,
    "wire.delivery.due.flash.v1": 60.0,
    "wire.delivery.retry.10s.v1": 15.0,
    "wire.delivery.retry.1m.v1": 65.0,
    "wire.delivery.retry.10m.v1": 605.0,
    "wire.delivery.retry.1h.v1": 3605.0,
    "wire.delivery.retry.6h.v1": 21605.0,
}
"""Seconds a record may rightly wait in a topic: a block owed to a slow endpoint, a retry tier's fixed delay."""


class LagWatch:
    """Holds the newest reading. A scrape or an API call only looks at it: neither asks Kafka for anything."""

    def __init__(
        self,
        reader: LagReader,
        clock: Clock,
        health: Health,
        every_s: float,
        told: Callable[[Committed], None] = lambda _: None,
    ) -> None:
        """`told` is called after each reading with what our readers have committed."""
        self._reader = reader
        self._clock = clock
        self._every_s = every_s
        self._told = told
        self._past: dict[Place, deque[Point]] = {}
        self._judged: dict[Place, Judgement] = {}
        self._reading: Reading | None = None
        self._trouble = "it has not been read yet"
        health.watch(CHECK, self._why_not_ready)

    async def run(self, stop: asyncio.Event) -> None:
        """Job: read until `stop`; a broker that is away leaves the last reading in place and says so in readiness."""
        while not stop.is_set():
            await self.step()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await stop.wait()

    async def step(self) -> None:
        """Read once and judge."""
        try:
            reading = await self._reader.read()
        except Unreadable as error:
            logger().warning("lag.unreadable", error=str(error))
            self._trouble = str(error)
            return
        self._take(reading)
        self._trouble = ""
        self._told(committed(reading))

    def rows(self) -> list[LagRow] | None:
        """The table as of now, worst first; None before the first reading."""
        return lag.rows(self._reading, self._judged, self._clock.now()) if self._reading else None

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest reading."""
        return (self._clock.now() - self._reading.at).total_seconds() if self._reading else None

    def _why_not_ready(self) -> str:
        """Judged by the newest reading's age, so that one that hangs is noticed as well."""
        limit = max(STALE_AFTER_S, STALE_AFTER_PASSES * self._every_s)
        if self.age_s is not None and self.age_s <= limit:
            return ""
        return f"the lag cannot be read: {self._trouble or f'no answer for {limit:g} s'}"

    def _take(self, reading: Reading) -> None:
        self._reading = reading
        self._past = {one.place: self._past.get(one.place, deque()) for one in reading.places}
        self._judged = {}
        for observed in reading.places:
            past = self._past[observed.place]
            point = lag.point_of(observed, reading.at)
            if point is None:
                past.clear()
                continue
            past.append(point)
            while past[0].at < point.at - WINDOW_S:
                past.popleft()
            patience = PATIENCE_S.get(observed.place.topic, 0.0)
            self._judged[observed.place] = judge(tuple(past), members=observed.members, patience_s=patience)
        self._measure(reading)

    def _measure(self, reading: Reading) -> None:
        """Set the gauges anew, all in one turn of the event loop: a group that is gone leaves no series behind."""
        LAG_RECORDS.clear()
        LAG_AGE_SECONDS.clear()
        for observed in reading.places:
            group, topic, partition = observed.place
            records, age = lag.lag_of(observed.committed, observed.end), lag.age_of(observed, reading.at)
            if records is not None:
                LAG_RECORDS.labels(group, topic, str(partition)).set(records)
            if age is not None:
                LAG_AGE_SECONDS.labels(group, topic, str(partition)).set(age)


def committed(reading: Reading) -> dict[tuple[str, int], int]:
    """The commit per (topic, partition) of those who take a story further; a place without one counts as 0."""
    lowest: dict[tuple[str, int], int] = {}
    for observed in reading.places:
        if observed.ours and observed.place.group not in ONLY_SHOW:
            at = (observed.place.topic, observed.place.partition)
            lowest[at] = min(lowest.get(at, observed.committed or 0), observed.committed or 0)
    return lowest
