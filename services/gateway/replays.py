"""How does an endpoint get again what it was owed since some time? Asked for here, done by distribution."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.gateway.health_view import HealthView
from services.gateway.own_writes import OwnWrites
from services.gateway.refusals import Conflict, NotFound, unfit
from services.gateway.registry import Registry
from services.gateway.stream.positions import EARLIEST, LANES, NOWHERE, Position, parse_id
from services.gateway.turns import Turns
from shared.domain.replays import Replay
from shared.domain.state import Principal
from shared.domain.story import Lane
from shared.domain.subscription import EndpointState
from shared.platform.clock import Clock
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of

KEPT: Final = 20
"""Replays of an endpoint that are remembered, the one that goes on included."""
_SENT_TO: Final = frozenset({EndpointState.ACTIVE, EndpointState.PAUSED})


@dataclass(frozen=True, slots=True)
class Replays:
    """Requests in `endpoint.health`, one record each; distribution tells its progress in the same record.

    `life` names the present life of the log: a cursor of another one means no place in it.
    """

    registry: Registry
    view: HealthView
    writes: OwnWrites
    clock: Clock
    life: str
    turns: Turns = field(default_factory=Turns)

    async def request(self, by: Principal, endpoint_id: str, since: datetime | None, cursor: str | None) -> Replay:
        """Ask for what the endpoint was owed since a time or a place of the stream; exactly one is given.

        Raises NotFound, Unfit, Conflict while another one goes on or nothing would be sent, PublishError.
        """
        endpoint = self.registry.endpoint(by, endpoint_id).value
        start = self._start(since, cursor)
        async with self.turns.of(endpoint_id):
            if self.registry.endpoint(by, endpoint_id).value.state not in _SENT_TO:
                raise Conflict(f"this endpoint is {endpoint.state}; nothing would be sent to it")
            before = self.view.replays(endpoint_id)
            if under_way := next((one for one in before if one.goes_on), None):
                raise Conflict(f"{under_way.replay_id} goes on; wait for its end, or cancel it")
            now = self.clock.now()
            replay = Replay(
                replay_id=f"rpl_{secrets.token_hex(12)}",
                endpoint_id=endpoint_id,
                subscriber=endpoint.subscriber,
                since=since,
                start=start,
                asked_by=by.key_id,
                asked_at=now,
                updated_at=now,
            )
            await self.writes.write(_record(replay), *map(_tombstone, before[KEPT - 1 :]))
        return replay

    def check(self, by: Principal, endpoint_id: str, since: datetime) -> None:
        """Raise what `request` would raise of a time, before anything else is done."""
        self.registry.endpoint(by, endpoint_id)
        self._start(since, None)

    async def cancel(self, by: Principal, endpoint_id: str, replay_id: str) -> Replay:
        """End a replay that goes on; what is in flight is still answered. May be repeated.

        Raises NotFound, Conflict when it has ended by itself, PublishError.
        """
        async with self.turns.of(endpoint_id):
            replay = self.one(by, endpoint_id, replay_id)
            if replay.state == "cancelled":
                return replay
            if not replay.goes_on:
                raise Conflict(f"this replay is {replay.state}")
            cancelled = replay.model_copy(update={"state": "cancelled", "updated_at": self.clock.now()})
            await self.writes.write(_record(cancelled))
        return cancelled

    def of(self, by: Principal, endpoint_id: str) -> list[Replay]:
        """The newest replays of an endpoint, the newest first. Raises NotFound."""
        self.registry.endpoint(by, endpoint_id)
        return self.view.replays(endpoint_id)

    def one(self, by: Principal, endpoint_id: str, replay_id: str) -> Replay:
        """Raises NotFound for a replay or an endpoint that is not there, or not this principal's."""
        self.registry.endpoint(by, endpoint_id)
        replay = self.view.replay(endpoint_id, replay_id)
        if replay is None:
            raise NotFound("there is no such replay")
        return replay

    async def forget(self, endpoint_id: str) -> None:
        """Drop every replay of an endpoint that is deleted. Raises PublishError: then repeat."""
        await self.writes.write(*map(_tombstone, self.view.replays(endpoint_id)))

    def _start(self, since: datetime | None, cursor: str | None) -> dict[Lane, int] | None:
        if (since is None) == (cursor is None):
            raise unfit("", "give either since or cursor")
        if since is not None and since > self.clock.now():
            raise unfit("/since", "this time is yet to come")
        return None if cursor is None else self._places(cursor)

    def _places(self, cursor: str) -> dict[Lane, int]:
        position = NOWHERE if cursor == EARLIEST else self._position(cursor)
        return {lane: position.of(lane) for lane in LANES}

    def _position(self, cursor: str) -> Position:
        parsed = parse_id(cursor)
        if parsed is None:
            raise unfit("/cursor", "this is no cursor of the stream, of a subscription or of a poll")
        life, position = parsed
        if life != self.life:
            raise unfit("/cursor", "this cursor is of an earlier life of the log; give a time instead")
        return position


def _record(replay: Replay) -> Outgoing:
    return Outgoing(Topic.ENDPOINT_HEALTH, key_of(*replay.key_parts), replay.model_dump_json().encode())


def _tombstone(replay: Replay) -> Outgoing:
    return Outgoing(Topic.ENDPOINT_HEALTH, key_of(*replay.key_parts), None)
