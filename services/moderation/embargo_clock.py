"""When is the owner of a story told that an embargo is over? At T0 + 5 ms by the broker's clock, until it has acted."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

from services.moderation.agenda import Agenda
from services.moderation.ports import Lifts
from services.moderation.state_book import StateBook
from shared.domain.state import StoryState
from shared.platform.clock import Clock

FIRST_PROBES: Final = 5
PROBE_EVERY: Final = timedelta(seconds=20)
"""A measurement of the broker's clock counts for a minute."""

LOOK_AGAIN: Final = timedelta(seconds=1)
"""Longest sleep while something is planned: clocks are set, and machines are suspended."""


class EmbargoClock:
    """A job of its own beside the desk: it only sends, the desk decides (and never on this process's time)."""

    def __init__(self, book: StateBook, lifts: Lifts, clock: Clock) -> None:
        self._lifts = lifts
        self._clock = clock
        self._agenda = Agenda(book.is_embargoed)
        self._planned = asyncio.Event()
        book.watch(self._plan)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what becomes due, and keep the broker's time measured, until `stop`. Raises what sending raises."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self.tick()
                await self._rest(stopping)
        finally:
            stopping.cancel()

    async def tick(self) -> None:
        """Send what is due now, as far as there is room for it."""
        if due := self._agenda.due(self._clock.now()):
            await self._lifts.send(due)

    async def keep_time(self, stop: asyncio.Event) -> None:
        """Job: ask the broker for its time at the start and every 20 s, until `stop`.

        Asked several times at first: the first answer of a new connection takes tens of milliseconds, and the
        quickest answer says best what time it is.
        """
        for _ in range(FIRST_PROBES - 1):
            await self._lifts.probe()
        while not stop.is_set():
            await self._lifts.probe()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_EVERY.total_seconds()):
                    await stop.wait()

    def _plan(self, state: StoryState) -> None:
        if self._agenda.plan(state):
            self._planned.set()

    async def _rest(self, stopping: asyncio.Task[bool]) -> None:
        """Sleep until the next one is due, something is planned, or the process stops."""
        self._planned.clear()
        at = self._agenda.next_at()
        seconds = None if at is None else max(0.0, min(at - self._clock.now(), LOOK_AGAIN).total_seconds())
        planned = asyncio.create_task(self._planned.wait())
        await asyncio.wait({planned, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        planned.cancel()
