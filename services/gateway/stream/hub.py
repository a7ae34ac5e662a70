"""What goes to whom, and when? One reader of the released topics feeds one ring; clients hang on it in groups."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, NamedTuple

from services.gateway.stream import frames
from services.gateway.stream.acknowledged import Acknowledged
from services.gateway.stream.admission import Admission, start_of
from services.gateway.stream.broadcast import Broadcast
from services.gateway.stream.clients import LAST_WORDS_S, Client
from services.gateway.stream.dialects import WS
from services.gateway.stream.door import Door
from services.gateway.stream.feed import Feed
from services.gateway.stream.frames import LANE_OF
from services.gateway.stream.gate import Gate
from services.gateway.stream.options import DEFAULTS, StreamOptions
from services.gateway.stream.ports import Authorize, HeaderView, History, Log, Problem, WhyNot
from services.gateway.stream.positions import id_of, parse_id
from services.gateway.stream.replay import Replays
from services.gateway.stream.ring import Ring
from services.gateway.stream.socket_client import SocketClient
from services.gateway.stream.stragglers import Stragglers
from services.gateway.stream.wakefulness import Reach, Wakefulness
from services.gateway.stream.wheel import Wheel
from services.gateway.stream.wire import Wire
from shared.domain.story import Lane
from shared.domain.subscription import Filter
from shared.platform.health import Health
from shared.platform.records import Record

CHECK: Final = "stream"
"""Name of the hub's check in `Health`."""
TICK_AT_MOST: Final = 24
"""Releases that wait for each other; a flash goes out behind what waits, so that may not be many."""


class Logs(NamedTuple):
    """The topics the hub reads: all of the flash lane once, both lanes for ever, and what the gate must know.

    `ends` are those of states, kills and flashes: after a standstill nothing is shown before they are reached.
    """

    flashes: Log
    released: Log
    standings: Log
    ends: tuple[Reach, ...] = ()


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
        why_not: WhyNot | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`epoch`: name of the log's present life, see `positions.epoch_of`; ids of another one are told a gap.

        `why_not` tells whom to let go at its next heartbeat: its key is revoked, or its products are others now. `now`
        tells seconds, by which the hub knows whether it stood still.
        """
        self.options = options
        self._why_not = why_not
        self._logs = logs
        self._health = health
        self._wire = Wire(Ring(options.ring_bytes, options.ring_age_s), Gate(), epoch)
        self._feed = Feed(self._wire.ring, self._wire.gate)
        self._live = Broadcast(self._wire, options.checkpoint_every)
        self.wakefulness = Wakefulness(logs.ends, self._resume, now)
        self._stragglers = Stragglers(self._wire, self._live, self.wakefulness.fresh, self.flush)
        self._replays = Replays(
            self._wire, history, self.wakefulness.until_fresh, at_once=options.replays, retry_s=options.retry_s
        )
        self._acknowledged = Acknowledged()
        self._door = Door(authorize, options.most_per_key, self._acknowledged)
        self._wheel: Wheel[Client] = Wheel(options.heartbeat_s, self._beat, self._tick)
        self._timer: asyncio.TimerHandle | None = None
        self._later: deque[Record] = deque()
        self._clients: dict[Client, None] = {}
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._opened = asyncio.Event()
        self._say("starting")

    # The job

    async def run(self, stop: asyncio.Event) -> None:
        """Read all that the gate and the ring need, admit clients, follow; after `stop`, until they have left.

        Raises what the logs raise. Clients that are still there after `drain_s` are let go.
        """
        self.wakefulness.start()
        await self._logs.standings.load(self._feed.know)
        await self._logs.flashes.load(self._feed.place)
        since = datetime.now(UTC) - timedelta(seconds=self.options.ring_age_s)
        await self._logs.released.load(self._load, since)
        self._loaded()
        left = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._logs.standings.follow(self._feed.know, left))
                group.create_task(self._logs.released.follow(self.accept, left, between=self.wakefulness.until_fresh))
                watching = group.create_task(self.wakefulness.watch())
                await self._until_left(stop, left)
                watching.cancel()
        finally:
            self._close()

    async def until_open(self) -> None:
        """Return once `run` has read what it must, and clients are admitted."""
        await self._opened.wait()

    def accept(self, record: Record) -> None:
        """Take a record of a released topic to whom it concerns; repeated records are passed over.

        What is routine waits while nothing may be shown, so that a flash that comes meanwhile need not wait for it.
        """
        if LANE_OF[record.topic] is Lane.ROUTINE and not self.wakefulness.fresh():
            self._later.append(record)
        else:
            self._take(record)

    def _take(self, record: Record) -> None:
        before = self._wire.ring.head
        entry = self._feed.take(record)
        if entry is None:
            return
        self._live.add(entry, before)
        self._feed.evict()
        if entry.lane is Lane.FLASH or self._live.waiting >= TICK_AT_MOST:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.options.coalesce_s, self.flush)

    def flush(self) -> None:
        """Write all that waits to the live clients, in ring order; after a standstill it waits on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.wakefulness.fresh():
            return
        self._live.send()
        self._stragglers.go_on()

    def _resume(self) -> None:
        """Show what waits, then the handful of routine that was read already."""
        self.flush()
        while self._later:
            self._take(self._later.popleft())

    def _load(self, record: Record) -> None:
        self._feed.take(record)

    def _loaded(self) -> None:
        self._feed.reach({LANE_OF[at.topic]: offset for at, offset in self._logs.released.positions().items()})
        self._feed.evict()
        self._door.open = True
        self._opened.set()
        self._say("")
        self._tick()
        self._wheel.start()

    # The protocol's side

    def admit(self, view: HeaderView) -> Admission | Problem:
        """Judge the head of a request for the stream."""
        return self._door.admit(view)

    def no_room(self, key: str) -> Problem | None:
        """Why this key may open no stream at the moment, if so; asked again where something was awaited meanwhile."""
        return self._door.no_room(key)

    def open(self, admission: Admission, transport: asyncio.Transport, connections: set[Any]) -> Client:
        """Make a stream of a connection whose response head is written; `connections` is the server's own set."""
        group = self._live.groups.join(admission.wanted, admission.dialect, self._live.count)
        kind = SocketClient if admission.dialect is WS else Client
        client = kind(self, transport, admission, group, connections, next(self._numbers))
        connections.add(client)
        self._clients[client] = None
        self._door.enter(client.key)
        self._empty.clear()
        group.dialect.clients.inc()
        self._wheel.add(client)
        self.flush()
        wire = self._wire
        now = self._live.flushed if self.wakefulness.fresh() else wire.ring.head
        start = start_of(admission, wire.epoch, now, wire.ring.floor)
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
        if not self._door.open:
            client.shutdown()
        return client

    def clients(self) -> Mapping[Client, None]:
        """Those connected now, in the order in which they came."""
        return self._clients

    def cursor_of(self, client: Client) -> str:
        """The exact resume point behind what the client was written."""
        return self._live.cursor() if client.position is None else id_of(self._wire.epoch, client.position)

    # The clients' side

    def leave_live(self, client: Client) -> None:
        """Give a client a position of its own, the one behind what it was last written."""
        self._stragglers.forget(client)
        if client.position is None:
            client.group.exit(client)
            client.position = self._live.flushed
            client.behind_since = time.monotonic()

    def catch_up(self, client: Client) -> None:
        """Send what the client lacks from the ring, flash first; live once it lacks nothing."""
        self._stragglers.catch_up(client)

    def change_filter(self, client: Client, asked: Filter) -> None:
        """What was written so far was judged by the filter before, what follows is by this one; the client is told."""
        self.flush()
        self.leave_live(client)
        before, groups = client.group, self._live.groups
        client.group = groups.join(before.wanted.narrowed(asked), before.dialect, self._live.count)
        groups.leave(before)
        before.dialect.count("filter")
        client.write(frames.filter_changed(before.dialect, self.cursor_of(client), asked))
        self.catch_up(client)

    def acknowledge(self, client: Client, cursor: str) -> bool:
        """Remember how far a client has come, if this is an id that it may have been sent."""
        found, sent = parse_id(cursor), parse_id(self.cursor_of(client))
        if found is None or sent is None or found[0] != sent[0] or found[1].no_earlier_than(sent[1]) != sent[1]:
            return False
        client.acked = cursor
        self._acknowledged.note(client.subscriber, client.name, cursor)
        return True

    def closed(self, client: Client) -> None:
        """Forget a client whose connection is gone."""
        self.leave_live(client)
        self._wheel.discard(client)
        self._clients.pop(client, None)
        if not self._clients:
            self._empty.set()
        self._door.leave(client.key)
        self._live.groups.leave(client.group)
        client.group.dialect.clients.dec()

    # Heartbeats

    def _tick(self) -> None:
        self.flush()
        self._feed.evict()
        self._live.tick()

    def _beat(self, client: Client) -> None:
        if self._why_not is not None and (why := self._why_not(client.key, client.group.wanted.products)):
            client.end(why)
        elif client.takes() and client.greeted:
            self._live.beat(client)

    # Stopping

    async def _until_left(self, stop: asyncio.Event, left: asyncio.Event) -> None:
        await stop.wait()
        self._door.open = False
        self._say("stopping")
        for client in tuple(self._clients):
            client.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.options.drain_s + LAST_WORDS_S):
                await self._empty.wait()
        left.set()

    def _close(self) -> None:
        self._door.open = False
        self.wakefulness.stop()
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
