"""What did a process use, and how much arrived, between two moments?"""

import time
from collections.abc import Callable

from tests.bench.machine import cpu_s


class Window:
    """What the process `pid` used and how far `arrived` went between `open` and `close`; times in epoch µs."""

    def __init__(self, pid: int, arrived: Callable[[], int]) -> None:
        self._pid = pid
        self._arrived = arrived
        self.seconds = self.cpu_s = 0.0
        self.arrived = self.from_us = self.to_us = 0

    def holds(self, at_us: int) -> bool:
        return self.from_us <= at_us < self.to_us

    @property
    def cpu_us(self) -> float:
        """CPU for each that arrived, µs."""
        return self.cpu_s / max(1, self.arrived) * 1e6

    @property
    def share(self) -> float:
        """Part of one core that was used."""
        return self.cpu_s / self.seconds

    def open(self) -> None:
        self._began = time.monotonic()
        self._cpu, self._count, self.from_us = cpu_s(self._pid), self._arrived(), time.time_ns() // 1000

    def close(self) -> None:
        self.seconds, self.to_us = time.monotonic() - self._began, time.time_ns() // 1000
        self.cpu_s, self.arrived = cpu_s(self._pid) - self._cpu, self._arrived() - self._count
