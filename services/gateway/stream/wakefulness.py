"""Did this process stand still? What it knows is old then, and nothing is shown before it has caught up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from shared.platform.logs import logger

STILL_S: Final = 0.5
"""Seconds without a sign of life after which others may have killed what this process would still show."""
BEAT_S: Final = STILL_S / 5

Reach: TypeAlias = Callable[[], Awaitable[None]]
"""Returns once all is applied that was in some topics at the call; `shared.platform.reading.Tail.reach_end` is one."""


class Wakefulness:
    """Notices that the process was stopped (SIGSTOP, a frozen machine, a blocked loop) before anything is written.

    `fresh` is asked at every writing. Once a gap was found it says no until `watch` has seen every one of `ends`
    reached, asked for after the gap; then `resume` is called.
    """

    def __init__(
        self,
        ends: Sequence[Reach],
        resume: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ends`: of all that says what may not be shown; `now` in seconds."""
        self._ends = ends
        self._resume = resume
        self._now = now
        self._seen = now()
        self._gaps = 0
        self._gap = asyncio.Event()
        self._awake = asyncio.Event()
        self._awake.set()
        self._timer: asyncio.TimerHandle | None = None

    def fresh(self) -> bool:
        """Whether all is known that could be `STILL_S` ago."""
        before, self._seen = self._seen, self._now()
        if self._seen - before > STILL_S:
            self._gaps += 1
            self._awake.clear()
            self._gap.set()
            logger().warning("stream.stood_still", seconds=round(self._seen - before, 1))
        return self._awake.is_set()

    async def until_fresh(self) -> None:
        """Return once `fresh` says yes; at once, without giving up the turn, if it does."""
        while not self.fresh():
            await self._awake.wait()

    def start(self) -> None:
        """Give signs of life from now on, on the running loop, until `stop`."""
        self._seen = self._now()
        self._beat()

    def stop(self) -> None:
        """Give no more signs of life."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def watch(self) -> None:
        """Catch up after every gap, for ever. Raises what `ends` raise."""
        while True:
            await self._gap.wait()
            self._gap.clear()
            gaps = self._gaps
            await asyncio.gather(*(reach() for reach in self._ends))
            self.fresh()
            if gaps == self._gaps:  # not stopped again since the ends were measured
                self._awake.set()
                self._resume()

    def _beat(self) -> None:
        self.fresh()
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
