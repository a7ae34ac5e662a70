"""A process that can be stopped, and a log that takes its time: what the gateway's wakefulness is tried with."""

import asyncio
from dataclasses import dataclass


@dataclass
class Sleeper:
    """The clock of a process that can be stopped."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at

    def stand_still(self, seconds: float = 14) -> None:
        self.at += seconds


class Slow:
    """A log whose end is reached when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self._reached = asyncio.Event()

    async def reach_end(self) -> None:
        self.asked += 1
        await self._reached.wait()
        self._reached.clear()

    def reach(self) -> None:
        self._reached.set()
