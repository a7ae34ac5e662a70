"""What is one stream connection, and what does it do when its reader is slow, goes away, or we do?"""

import asyncio
import random
import socket
import time
from typing import Any, Final, Protocol

from services.gateway.stream import frames
from services.gateway.stream.admission import Admission
from services.gateway.stream.dialects import Why
from services.gateway.stream.filter_groups import FilterGroup
from services.gateway.stream.options import StreamOptions
from services.gateway.stream.positions import Position
from shared.domain.subscription import Filter
from shared.platform.metrics import STREAM_DISCONNECTS

LAST_WORDS_S: Final = 1.0
"""How long a client that is let go may still take what was written to it."""


class Home(Protocol):
    """The hub, as its clients see it."""

    @property
    def options(self) -> StreamOptions: ...

    def leave_live(self, client: "Client") -> None:
        """Give the client a position of its own: it is full."""
        ...

    def catch_up(self, client: "Client") -> None:
        """Send what the client lacks, until it is up to date or full."""
        ...

    def change_filter(self, client: "Client", asked: Filter) -> None:
        """From here on another filter of its own narrows what the client is shown."""
        ...

    def acknowledge(self, client: "Client", cursor: str) -> bool:
        """The client has done with all before a cursor; False when that is none of its."""
        ...

    def closed(self, client: "Client") -> None: ...


class Client(asyncio.Protocol):
    """A connection that has become a stream: its transport, its filter group, and a position while it is behind.

    `position` is None while it is live: then it is where the hub is. No task, no queue, no timer of its own.
    """

    __slots__ = (
        "_evicting",
        "_home",
        "_leaving",
        "_transport",
        "acked",
        "behind_since",
        "busy",
        "checked",
        "connections",
        "ended",
        "full",
        "gaps",
        "greeted",
        "group",
        "key",
        "name",
        "number",
        "outrun",
        "position",
        "since",
        "skipped",
        "slot",
        "subscriber",
        "untold",
        "writable",
        "write",
    )

    def __init__(
        self,
        home: Home,
        transport: asyncio.Transport,
        admission: Admission,
        group: FilterGroup,
        connections: set[Any],
        number: int,
    ) -> None:
        """`connections`: the server's own set, so that its shutdown reaches this client (`shutdown`)."""
        self._home = home
        self._transport = transport
        self._leaving = False
        self._evicting: asyncio.TimerHandle | None = None
        self.write = transport.write
        self.number = number
        self.subscriber, self.key, self.name = admission.subscriber, admission.key, admission.name
        self.since = time.time()
        self.group = group
        self.connections = connections
        self.position: Position | None = Position()
        self.behind_since = time.monotonic()
        self.busy = False  # somebody else is catching it up
        self.greeted = False
        self.full = False
        self.outrun = False  # it was live, and is behind because it was slow
        self.ended = False
        self.checked = 0
        self.slot = 0
        self.acked: str | None = None
        self.skipped = self.untold = self.gaps = 0
        self.writable: asyncio.Future[None] | None = None
        _tune(transport, home.options)
        transport.set_protocol(self)

    def takes(self) -> bool:
        """Whether it can be written to now."""
        return not self.full and not self.ended

    def queued(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    # What the transport says

    def data_received(self, data: bytes) -> None:
        """A stream has nothing to hear from its reader."""

    def pause_writing(self) -> None:
        self.full = True
        self.outrun = self.outrun or self.position is None
        self._home.leave_live(self)
        if self._evicting is None and not self.ended:
            self._evicting = asyncio.get_running_loop().call_later(self._home.options.evict_s, self.end, "slow")

    def resume_writing(self) -> None:
        self.full = False
        self._keep()
        if self.writable is not None and not self.writable.done():
            self.writable.set_result(None)
        elif not self.ended:
            self._home.catch_up(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended:
            self.ended = True
            STREAM_DISCONNECTS.labels("left").inc()
        self._keep()
        if self.writable is not None and not self.writable.done():
            self.writable.set_result(None)
        self.connections.discard(self)
        self._home.closed(self)

    # What the server and the hub ask for

    async def until_writable(self) -> None:
        """Return once the client takes bytes again, or has ended."""
        if self.full and not self.ended:
            self.writable = asyncio.get_running_loop().create_future()
            await self.writable
            self.writable = None

    def end(self, why: Why) -> None:
        """Say when to come back, and close; what the client does not take soon is dropped."""
        retry_ms = frames.jittered_ms(self._home.options.retry_s)
        self.hang_up(why, self.group.dialect.goodbye(why, retry_ms))

    def hang_up(self, why: Why, last_words: bytes) -> None:
        """Write these last, and close, once."""
        if self.ended:
            return
        self.ended = True
        STREAM_DISCONNECTS.labels(why).inc()
        self._keep()
        self._home.leave_live(self)
        self.write(last_words)
        self.close()
        asyncio.get_running_loop().call_later(LAST_WORDS_S, self._transport.abort)

    def close(self) -> None:
        """All that is to be written is written."""
        self._transport.close()

    def shutdown(self) -> None:
        """Called by server and hub when they stop: leave at a moment of one's own within the drain time."""
        if self._leaving:
            return
        self._leaving = True
        asyncio.get_running_loop().call_later(random.uniform(0, self._home.options.drain_s), self.end, "drain")

    def _keep(self) -> None:
        if self._evicting is not None:
            self._evicting.cancel()
            self._evicting = None


def _tune(transport: asyncio.Transport, options: StreamOptions) -> None:
    """Keep little unsent per client: what the kernel holds, nobody can take back or count."""
    transport.set_write_buffer_limits(high=options.write_buffer)
    raw = transport.get_extra_info("socket")
    if raw is None:
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.socket_buffer)
    if hasattr(socket, "TCP_USER_TIMEOUT") and raw.family in {socket.AF_INET, socket.AF_INET6}:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(options.dead_s * 1000))
