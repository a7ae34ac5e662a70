"""How does a client that is behind come up to those who are live? In portions out of the ring, flash first."""

import asyncio
from collections.abc import Callable
from typing import Final

from services.gateway.stream import frames
from services.gateway.stream.broadcast import Broadcast
from services.gateway.stream.catch_up import Portion, portion
from services.gateway.stream.clients import Client
from services.gateway.stream.filter_groups import FilterGroup
from services.gateway.stream.positions import Position, id_of
from services.gateway.stream.wire import Wire
from shared.platform.metrics import GATE_REFUSALS, STREAM_SKIPPED

MOST_SHARED: Final = 256
"""Portions kept for the next client that asks for the same."""


class Stragglers:
    """Clients with a position of their own, from where the ring begins to where the live ones are.

    A crowd that comes back from one position with one filter is served the same bytes: a portion is kept until a
    release comes or the gate learns something.
    """

    def __init__(self, wire: Wire, live: Broadcast, fresh: Callable[[], bool], flush: Callable[[], None]) -> None:
        """`fresh`: whether anything may be shown now. `flush` brings the live clients to the ring's head."""
        self._wire = wire
        self._live = live
        self._fresh = fresh
        self._flush = flush
        self._waiting: set[Client] = set()
        self._shared: dict[tuple[FilterGroup, Position], Portion] = {}
        self._shared_as_of: tuple[Position, Position, int] | None = None

    def catch_up(self, client: Client) -> None:
        """Send what the client lacks; live once it lacks nothing."""
        if client.busy or not client.takes() or client.position is None:
            return
        if not self._fresh():
            self._waiting.add(client)
            return
        self._flush()
        while not (made := self._send(client)).done:
            if not client.takes():
                return
            if not made.events:  # looked at much for nothing: others have their turn first
                asyncio.get_running_loop().call_soon(self.catch_up, client)
                return
        if not client.takes():
            return
        if client.position == self._live.flushed:
            self.join(client)
        else:  # it heard another process that is further: it waits for this one
            self._waiting.add(client)

    def join(self, client: Client) -> None:
        """Make a client live that was told everything."""
        client.position = None
        client.outrun = False
        client.checked = self._live.count
        client.group.enter(client)

    def forget(self, client: Client) -> None:
        """It waits for nothing any more."""
        self._waiting.discard(client)

    def go_on(self) -> None:
        """Look again at those who were further than this process, or came while nothing might be shown."""
        waiting, self._waiting = self._waiting, set()
        for client in waiting:
            self.catch_up(client)

    def _send(self, client: Client) -> Portion:
        """Send the next portion."""
        data = self._overwritten(client)
        assert client.position is not None, "a client that is behind has a position"
        group, epoch = client.group, self._wire.epoch
        if client.outrun:
            made = portion(self._wire, group, client.position, newest_only=True)
        else:
            made = self._portion(group, client.position)
        client.position = made.position
        for refused in made.refused:
            GATE_REFUSALS.labels("stream", refused).inc()
        if made.skipped:
            client.skipped += made.skipped
            client.untold += made.skipped
            STREAM_SKIPPED.inc(made.skipped)
        group.dialect.count("story", len(made.events))
        data += made.data
        if made.done and (made.silent or client.untold):
            data += frames.checkpoint(group.dialect, id_of(epoch, made.position), client.untold)
            client.untold = 0
        if data:
            client.write(data)
        return made

    def _portion(self, group: FilterGroup, position: Position) -> Portion:
        """The portion from there, made now or kept from the client before."""
        wire = self._wire
        as_of = (wire.ring.head, wire.ring.floor, wire.gate.changes)
        if as_of != self._shared_as_of or len(self._shared) >= MOST_SHARED:
            self._shared.clear()
            self._shared_as_of = as_of
        made = self._shared.get((group, position))
        if made is None:
            made = self._shared[group, position] = portion(wire, group, position)
        return made

    def _overwritten(self, client: Client) -> bytes:
        """Move a client that the ring has overtaken to where the ring begins; the gap to tell it."""
        assert client.position is not None, "a client that is behind has a position"
        reached = client.position.no_earlier_than(self._wire.ring.floor)
        if reached == client.position:
            return b""
        since, client.position = id_of(self._wire.epoch, client.position), reached
        return self._wire.gap(client, since, id_of(self._wire.epoch, reached), "slow")
