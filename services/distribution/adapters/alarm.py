"""When is a connection's time up, if every answer puts that off again?"""

import asyncio
import math
from collections.abc import Callable
from time import perf_counter
from typing import Final

GRAIN_S: Final = 0.001  # uvloop's timers count milliseconds


class Alarm:
    """One timer that is put off thousands of times for each time it rings.

    Putting it off is an assignment: the loop's timer stays where it is, and looks again when it fires. Only an
    earlier time than that moves it. To be made inside a running event loop; times are `perf_counter` seconds.
    """

    __slots__ = ("_at", "_handle", "_looks_at", "_loop", "_ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._at = self._looks_at = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Ring at `at`, and not at the time set before."""
        self._at = at
        if at < self._looks_at:
            self._look_at(at)

    def cancel(self) -> None:
        """Never ring; the end of whatever this is the alarm of."""
        self._at = self._looks_at = math.inf
        if self._handle is not None:
            self._handle.cancel()

    def _look_at(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._looks_at = at
        self._handle = self._loop.call_later(max(at - perf_counter(), 0.0), self._look)

    def _look(self) -> None:
        self._looks_at = math.inf
        if self._at - perf_counter() > GRAIN_S:
            self._look_at(self._at)
        else:
            self._ring()
