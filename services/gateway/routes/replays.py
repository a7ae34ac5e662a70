"""How does an endpoint get again what it was owed? `/v1/endpoints/{endpoint_id}/replays`."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.context import Gateway
from services.gateway.routes.asking import Ours, Subscriber, SubscriberReader
from services.gateway.routes.times import Time
from services.gateway.stream.positions import Position, id_of
from shared.domain.item import WireTime
from shared.domain.replays import Replay, ReplayState
from shared.domain.story import Lane
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/endpoints/{endpoint_id}/replays", tags=["endpoints"])


class NewReplay(BaseModel):
    """From where on: a time, or a cursor of the stream, a poll or a subscription's `from`. Exactly one of them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"since": "2026-11-23T12:00:00Z"}]})

    since: Time | None = None
    cursor: Annotated[str, Field(max_length=100)] | None = None


class ShownReplay(BaseModel):
    """A replay and how far it is. What was killed, replaced or is gone from the log is skipped, not sent."""

    replay_id: str = Field(examples=["rpl_4c1e"])
    endpoint_id: str
    state: ReplayState
    since: WireTime | None
    cursor: str | None
    asked_at: WireTime
    updated_at: WireTime
    sent: int = Field(description="answered with 2xx so far")
    skipped: int
    left: int | None = Field(description="releases still to be looked at; null until it has begun")
    reason: str = Field(description="why it failed")


class ShownReplays(BaseModel):
    items: list[ShownReplay]


@router.post("", status_code=202, responses=responses(404, 409, 422, 503))
async def replay(endpoint_id: str, new: NewReplay, by: Subscriber, ours: Ours, answer: Response) -> ShownReplay:
    """Send again, in order, all that this endpoint was owed since then, delivered or not, under the same ids.

    There is no cap on how much; it takes its turn behind what is new, and goes on over restarts. One at a time for each
    endpoint. A receiver knows a delivery it has by its `webhook-id`.
    """
    asked = await ours.replays.request(by, endpoint_id, new.since, new.cursor)
    answer.headers["location"] = f"/v1/endpoints/{endpoint_id}/replays/{asked.replay_id}"
    return shown(ours, asked)


@router.get("", responses=responses(404))
async def replays(endpoint_id: str, by: SubscriberReader, ours: Ours) -> ShownReplays:
    """The last 20 replays of this endpoint, newest first."""
    return ShownReplays(items=[shown(ours, each) for each in ours.replays.of(by, endpoint_id)])


@router.get("/{replay_id}", responses=responses(404))
async def one(endpoint_id: str, replay_id: str, by: SubscriberReader, ours: Ours) -> ShownReplay:
    """One replay and how far it is."""
    return shown(ours, ours.replays.one(by, endpoint_id, replay_id))


@router.delete("/{replay_id}", responses=responses(404, 409, 503))
async def cancel(endpoint_id: str, replay_id: str, by: Subscriber, ours: Ours) -> ShownReplay:
    """End a replay that goes on; what is in flight is still answered."""
    return shown(ours, await ours.replays.cancel(by, endpoint_id, replay_id))


def shown(ours: Gateway, asked: Replay) -> ShownReplay:
    """A replay in the interface's words."""
    start = asked.start if asked.since is None else None
    place = None if start is None else Position(start.get(Lane.FLASH, 0), start.get(Lane.ROUTINE, 0))
    return ShownReplay(
        replay_id=asked.replay_id,
        endpoint_id=asked.endpoint_id,
        state=asked.state,
        since=asked.since,
        cursor=None if place is None else id_of(ours.replays.life, place),
        asked_at=asked.asked_at,
        updated_at=asked.updated_at,
        sent=asked.sent,
        skipped=asked.skipped,
        left=_left(asked),
        reason=asked.reason,
    )


def _left(asked: Replay) -> int | None:
    if not asked.goes_on:
        return 0 if asked.state == "done" else None
    if asked.end is None:
        return None
    return sum(max(end - asked.position.get(lane, end), 0) for lane, end in asked.end.items())
