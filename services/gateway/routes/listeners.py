"""Who listens to the stream of this process, and how far behind is each? `/v1/stream/clients`, for operators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.gateway.refusals import unfit_parameter
from services.gateway.routes.asking import Operator, link_next
from services.gateway.stream.listing import Row
from shared.domain.item import WireTime
from shared.platform.problems import responses

router = APIRouter(tags=["stream"])


class StreamClient(BaseModel):
    """One connection. `age_s`: for how long it has been behind, 0 for one that is up to date."""

    client_id: int = Field(description="counts up within this process")
    channel: str = Field(examples=["sse", "ws", "poll"])
    subscriber: str
    key_id: str
    name: str = Field(description="what it calls itself in `client`; empty for most")
    since: WireTime
    queue_bytes: int = Field(description="written and not yet taken by the network")
    age_s: float
    position: str = Field(examples=["e1-12-4031"])
    acknowledged: str | None
    skipped: int = Field(description="releases left out because a newer one of the story followed")
    gaps: int


class StreamClients(BaseModel):
    items: list[StreamClient]
    next: str | None


@router.get("/v1/stream/clients", responses=responses(422))
async def stream_clients(
    request: Request,
    answer: Response,
    _: Operator,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: str | None = None,
) -> StreamClients:
    """The stream clients of the process that answers, in the order in which they came.

    With several processes on one port, each shows its own.
    """
    found = request.app.state.listeners(_number(cursor), limit + 1)
    more = str(found[limit - 1].number) if len(found) > limit else None
    link_next(request, answer, more)
    return StreamClients(items=[_shown(row) for row in found[:limit]], next=more)


def _shown(row: Row) -> StreamClient:
    return StreamClient(
        client_id=row.number,
        channel=row.channel,
        subscriber=row.subscriber,
        key_id=row.key_id,
        name=row.name,
        since=row.since,
        queue_bytes=row.queue_bytes,
        age_s=row.age_s,
        position=row.position,
        acknowledged=row.acknowledged,
        skipped=row.skipped,
        gaps=row.gaps,
    )


def _number(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise unfit_parameter("cursor", "not a cursor of this list")
    return int(cursor)
