"""What goes to whom, and when? One reader of the released topics feeds one ring; clients hang on it in groups."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from services.gateway.stream import frames
from services.gateway.stream.admission import Admission, admit, start_of
from services.gateway.stream.catch_up import Portion, portion
from services.gateway.stream.clients import LAST_WORDS_S, Client
from services.gateway.stream.feed import Feed
from services.gateway.stream.filter_groups import FilterGroups, Judged
from services.gateway.stream.frames import LANE_OF, Entry
from services.gateway.stream.gate import Gate
from services.gateway.stream.options import DEFAULTS, StreamOptions
from services.gateway.stream.ports import Authorize, HeaderView, History, Log, Problem
from services.gateway.stream.positions import Position, id_of
from services.gateway.stream.replay import Replays, Wire
from services.gateway.stream.ring import Ring
from services.gateway.stream.wheel import Wheel
from shared.domain.story import Lane
from shared.platform.health import Health
from shared.platform.metrics import (
    GATE_REFUSALS,
    STALENESS_SECONDS,
    STREAM_CLIENTS,
    STREAM_FRAMES,
)
from shared.platform.records import Record

CHECK: Final = "stream"
"""Name of the hub's check in `Health`."""


class Logs(NamedTuple):
    """The topics the hub reads: all of the flash lane once, both lanes for ever, and what the gate must know."""

    flashes: Log
    released: Log
    standings: Log


class StreamHub:
    """The stream of one process. `run` feeds it; `admit` and `open` are for the protocol."""

    def __init__(
        self,
        *,
        epoch: str,
        authorize: Authorize,
        logs: Logs,
        history: History,
        options: StreamOptions = DEFAULTS,
        health: Health | None = None,
    ) -> None:
        """`epoch`: name of the log's present life, see `positions.epoch_of`; ids of another one are told a gap."""
        self.options = options
        self._authorize = authorize
        self._logs = logs
        self._health = health
        self._wire = Wire(Ring(options.ring_bytes, options.ring_age_s), Gate(), epoch)
        self._feed = Feed(self._wire.ring, self._wire.gate)
        self._replays = Replays(self._wire, history, options.replays, options.retry_s)
        self._groups = FilterGroups()
        self._wheel: Wheel[Client] = Wheel(options.heartbeat_s, self._beat, self._tick)
        self._heartbeat = b""
        self._pending: list[tuple[Entry, Position]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushed = Position()
        self._count = 0  # releases flushed so far
        self._clients: set[Client] = set()
        self._ahead: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._open = False
        self._say("starting")

    # The job

    async def run(self, stop: asyncio.Event) -> None:
        """Read all that the gate and the ring need, admit clients, follow; after `stop`, until they have left.

        Raises what the logs raise. Clients that are still there after `drain_s` are let go.
        """
        await self._logs.standings.load(self._feed.know)
        await self._logs.flashes.load(self._feed.place)
        since = datetime.now(UTC) - timedelta(seconds=self.options.ring_age_s)
        await self._logs.released.load(self._load, since)
        self._loaded()
        left = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._logs.standings.follow(self._feed.know, left))
                group.create_task(self._logs.released.follow(self.accept, left))
                group.create_task(self._until_left(stop, left))
        finally:
            self._close()

    def accept(self, record: Record) -> None:
        """Take a record of a released topic to whom it concerns; repeated records are passed over."""
        before = self._wire.ring.head
        entry = self._feed.take(record)
        if entry is None:
            return
        self._pending.append((entry, before))
        self._feed.evict()
        if entry.lane is Lane.FLASH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.options.coalesce_s, self.flush)

    def _load(self, record: Record) -> None:
        self._feed.take(record)

    def _loaded(self) -> None:
        self._feed.reach({LANE_OF[at.topic]: offset for at, offset in self._logs.released.positions().items()})
        self._feed.evict()
        self._flushed = self._wire.ring.head
        self._open = True
        self._say("")
        self._tick()
        self._wheel.start()

    # The protocol's side

    def admit(self, view: HeaderView) -> Admission | Problem:
        """Judge the head of a request for the stream."""
        admission = admit(view, self._authorize)
        if isinstance(admission, Admission) and not self._open:
            wait = (("retry-after", "1"),)
            return Problem(503, "The stream is not open", "This process is starting or stopping.", headers=wait)
        return admission

    def open(self, admission: Admission, transport: asyncio.Transport, connections: set[Any]) -> Client:
        """Make a stream of a connection whose response head is written; `connections` is the server's own set."""
        group = self._groups.join(admission.key, self._count)
        client = Client(self, transport, admission.key, group, connections)
        connections.add(client)
        self._clients.add(client)
        self._empty.clear()
        STREAM_CLIENTS.labels("sse").inc()
        self._wheel.add(client)
        self.flush()
        wire = self._wire
        start = start_of(admission, wire.epoch, self._flushed, wire.ring.floor)
        position = start.position
        if position is not None and position == position.no_earlier_than(wire.ring.floor):
            retry_ms = frames.jittered_ms(self.options.retry_s)
            wire.greet(client, start, position, "epoch" if start.foreign else None, retry_ms)
            self.catch_up(client)
        else:
            client.busy = True
            task = asyncio.create_task(self._replays.serve(client, start, self.catch_up), name="stream.replay")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not self._open:
            client.shutdown()
        return client

    # The clients' side

    def leave_live(self, client: Client) -> None:
        """Give a client a position of its own, the one behind what it was last written."""
        self._ahead.discard(client)
        if client in client.group.live:
            del client.group.live[client]
            client.position = self._flushed

    def catch_up(self, client: Client) -> None:
        """Send what the client lacks from the ring, flash first; live once it lacks nothing."""
        if client.busy or not client.takes() or client.position is None:
            return
        self.flush()
        while not (made := self._portion(client)).done:
            if not client.takes():
                return
            if not made.events:  # looked at much for nothing: others have their turn first
                asyncio.get_running_loop().call_soon(self.catch_up, client)
                return
        if not client.takes():
            return
        if client.position == self._flushed:
            client.position = None
            client.checked = self._count
            client.group.live[client] = None
        else:  # it heard another process that is further: it waits for this one
            self._ahead.add(client)

    def cursor_of(self, client: Client) -> str:
        """The exact resume point behind what the client was written."""
        return self._cursor() if client.position is None else id_of(self._wire.epoch, client.position)

    def closed(self, client: Client) -> None:
        """Forget a client whose connection is gone."""
        self.leave_live(client)
        self._wheel.discard(client)
        self._clients.discard(client)
        if not self._clients:
            self._empty.set()
        self._groups.leave(client.key)
        STREAM_CLIENTS.labels("sse").dec()

    # Sending

    def flush(self) -> None:
        """Write all that waits, in ring order, to the live clients that want it; every check is made now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushed = self._wire.ring.head
        pending, self._pending = self._pending, []
        if pending:
            self._send([judged for entry, before in pending if (judged := self._judged(entry, before))], len(pending))
        ahead, self._ahead = self._ahead, set()
        for client in ahead:
            self.catch_up(client)

    def _judged(self, entry: Entry, before: Position) -> Judged | None:
        refused = self._wire.gate.judge(entry, before)
        if refused is not None:
            GATE_REFUSALS.labels("stream", refused).inc()
            return None
        at = id_of(self._wire.epoch, before.at(entry.lane, entry.offset + 1))
        return Judged(entry, frames.story(at, entry))

    def _send(self, releases: list[Judged], passed: int) -> None:
        self._count += passed
        written = 0
        for group in self._groups:
            listening = len(group.live)
            written += listening * group.send(releases, self._count)
            if self._count - group.sent_through >= self.options.checkpoint_every:
                group.sent_through = self._count
                group.write(frames.checkpoint(self._cursor()))
        STREAM_FRAMES.labels("sse", "story").inc(written)
        now = time.time()
        for judged in releases:
            if judged.entry.accepted_us is not None:
                late = now - judged.entry.accepted_us / 1_000_000
                STALENESS_SECONDS.labels("stream", judged.entry.lane).observe(max(late, 0.0))

    def _portion(self, client: Client) -> Portion:
        """Send the next portion out of the ring."""
        wire = self._wire
        data = self._overwritten(client)
        assert client.position is not None, "a client that is behind has a position"
        made = portion(wire.ring, wire.gate, client.group, wire.epoch, client.position)
        client.position = made.position
        for refused in made.refused:
            GATE_REFUSALS.labels("stream", refused).inc()
        if made.events:
            STREAM_FRAMES.labels("sse", "story").inc(len(made.events))
        data += b"".join(made.events)
        if made.done and made.silent:
            data += frames.checkpoint(id_of(wire.epoch, made.position))
        if data:
            client.write(data)
        return made

    def _overwritten(self, client: Client) -> bytes:
        """Move a client that the ring has overtaken to where the ring begins; the gap to tell it."""
        assert client.position is not None, "a client that is behind has a position"
        reached = client.position.no_earlier_than(self._wire.ring.floor)
        if reached == client.position:
            return b""
        epoch = self._wire.epoch
        since, client.position = id_of(epoch, client.position), reached
        return self._wire.gap(since, id_of(epoch, reached), "slow")

    # Heartbeats

    def _tick(self) -> None:
        self.flush()
        self._feed.evict()
        self._heartbeat = frames.heartbeat(self._cursor())

    def _beat(self, client: Client) -> None:
        if not client.takes() or not client.greeted:
            return
        STREAM_FRAMES.labels("sse", "heartbeat").inc()
        if client.position is not None:
            client.write(frames.heartbeat(id_of(self._wire.epoch, client.position)))
        elif self._count > max(client.group.sent_through, client.checked):
            client.checked = self._count
            client.write(frames.checkpoint(self._cursor()) + self._heartbeat)
        else:
            client.write(self._heartbeat)

    def _cursor(self) -> str:
        return id_of(self._wire.epoch, self._flushed)

    # Stopping

    async def _until_left(self, stop: asyncio.Event, left: asyncio.Event) -> None:
        await stop.wait()
        self._open = False
        self._say("stopping")
        for client in tuple(self._clients):
            client.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.options.drain_s + LAST_WORDS_S):
                await self._empty.wait()
        left.set()

    def _close(self) -> None:
        self._open = False
        self._wheel.stop()
        if self._timer is not None:
            self._timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        for client in tuple(self._clients):
            client.end("drain")

    def _say(self, trouble: str) -> None:
        if self._health is not None:
            self._health.set(CHECK, not trouble, trouble)
