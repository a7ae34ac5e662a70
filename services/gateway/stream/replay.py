"""How does a client get what the ring no longer holds? From the log itself, some at a time, flash first."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from services.gateway.stream import frames
from services.gateway.stream.admission import Start
from services.gateway.stream.catch_up import portion
from services.gateway.stream.clients import Client
from services.gateway.stream.gate import Passed
from services.gateway.stream.ports import GapReason, History
from services.gateway.stream.positions import LANES, Position, id_of
from services.gateway.stream.wanted import Judged
from services.gateway.stream.wire import Wire
from shared.domain.errors import Unprocessable
from shared.domain.story import Lane
from shared.platform.logs import logger
from shared.platform.metrics import GATE_REFUSALS
from shared.platform.records import Record

AT_ONCE: Final = 16
"""Records encoded before the event loop gets a turn."""


class Replays:
    """Serves clients that begin before the ring; a task for each while that lasts, few reads of the log at once."""

    def __init__(
        self, wire: Wire, history: History, until_fresh: Callable[[], Awaitable[None]], *, at_once: int, retry_s: float
    ) -> None:
        """`until_fresh` returns once what is released may be shown; `at_once`: reads of the log at a time."""
        self._wire = wire
        self._history = history
        self._until_fresh = until_fresh
        self._reading = asyncio.Semaphore(at_once)
        self._retry_s = retry_s

    async def serve(self, client: Client, start: Start, done: Callable[[Client], None]) -> None:
        """Greet the client and bring it up to the ring, then hand it to `done`; a failure ends the client only."""
        try:
            await self._begin(client, start)
            await self._bring_up(client)
        except Exception as error:  # noqa: BLE001 - whatever it is, this client resumes by itself and no other is touched
            logger().warning("stream.replay_failed", exc_info=error)
            client.end("failed")
        client.busy = False
        done(client)

    async def _begin(self, client: Client, start: Start) -> None:
        async with self._reading:
            earliest = await self._history.earliest()
            self._wire.gate.forget(Position(earliest.flash, 0))
            wanted = start.position or (await self._history.at(start.since) if start.since else earliest)
        begun = wanted.no_earlier_than(start.floor).no_earlier_than(earliest)
        reason: GapReason | None = "history" if begun != wanted.no_earlier_than(start.floor) else None
        await client.until_writable()
        if not client.ended:
            retry_ms = frames.jittered_ms(self._retry_s)
            self._wire.greet(client, start, begun, "epoch" if start.foreign else reason, retry_ms)

    async def _bring_up(self, client: Client) -> None:
        run = _Run(self._wire, client, self._until_fresh)
        while not client.ended and (lane := run.lacking()) is not None:
            await run.until_free()
            if lane is Lane.ROUTINE and not run.flash_first():
                continue
            position, until = run.position, self._wire.ring.floor.of(lane)
            async with self._reading:
                records = await self._history.read(lane, position.of(lane), until)
            await run.send(records)
            if not records:
                client.position = position.at(lane, until)
        run.close()


class _Run:
    """One client's way through the log."""

    def __init__(self, wire: Wire, client: Client, until_fresh: Callable[[], Awaitable[None]]) -> None:
        self._wire = wire
        self._client = client
        self._until_fresh = until_fresh
        self._passed = Passed()
        self._silent = False

    @property
    def position(self) -> Position:
        assert self._client.position is not None, "a client that is served here is not live"
        return self._client.position

    def lacking(self) -> Lane | None:
        """The lane in which the client is still before the ring, flash first."""
        floor = self._wire.ring.floor
        return next((lane for lane in LANES if self.position.of(lane) < floor.of(lane)), None)

    async def until_free(self) -> None:
        """Return once the client may be written to, or has ended."""
        await self._client.until_writable()
        await self._until_fresh()

    def flash_first(self) -> bool:
        """Send every flash that has come meanwhile; False when the client was full before the last."""
        wire, client = self._wire, self._client
        while client.takes():
            made = portion(wire, client.group, self.position, (Lane.FLASH,))
            client.position = made.position
            self._silent = made.silent or (self._silent and not made.events)
            self._write(made.events)
            if made.done:
                return True
        return False

    async def send(self, records: Sequence[Record]) -> None:
        """Send what may be sent of these, in small portions."""
        for first in range(0, len(records), AT_ONCE):
            await self.until_free()
            if self._client.ended:
                return
            self._write([event for record in records[first : first + AT_ONCE] for event in self._event(record)])
            await asyncio.sleep(0)

    def close(self) -> None:
        """Tell where the client is, if the last of it was silent."""
        if self._silent and not self._client.ended:
            dialect = self._client.group.dialect
            self._client.write(frames.checkpoint(dialect, id_of(self._wire.epoch, self.position)))

    def _event(self, record: Record) -> list[bytes]:
        lane = frames.LANE_OF[record.topic]
        before = self.position
        if record.offset < before.of(lane):
            return []
        self._client.position = before.at(lane, record.offset + 1)
        self._silent = True
        try:
            entry = frames.entry_of(record)
        except Unprocessable:
            return []
        refused = self._wire.gate.judge(entry, before, self._passed)
        self._passed.note(entry)
        if refused is not None:
            GATE_REFUSALS.labels("stream", refused).inc()
            return []
        if not self._client.group.shows(Judged(entry)):
            return []
        self._silent = False
        return [frames.story(self._client.group.dialect, id_of(self._wire.epoch, self.position), entry)]

    def _write(self, events: Sequence[bytes]) -> None:
        if events:
            self._client.group.dialect.count("story", len(events))
            self._client.write(b"".join(events))
