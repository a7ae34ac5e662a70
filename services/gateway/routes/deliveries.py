"""What became of webhooks? `/v1/deliveries`, each subscriber's own."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.gateway.context import Gateway
from services.gateway.deliveries_view import DeliveryLog
from services.gateway.refusals import NotFound, unfit_parameter
from services.gateway.registry import owns
from services.gateway.routes.asking import Ours, Subscriber, SubscriberReader, link_next
from services.gateway.routes.times import Time
from shared.domain.events import DeliveryAttempted
from shared.domain.item import WireTime
from shared.domain.state import Principal
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


class Attempt(BaseModel):
    """One try."""

    n: int
    at: WireTime
    status: int | None = Field(examples=[200])
    outcome: str
    ms: dict[str, float] = Field(examples=[{"dns": 0.4, "connect": 1.1, "tls": 2.0, "first_byte": 8.3, "total": 8.5}])
    answer: str = Field(description="how the answer began")


class Delivery(BaseModel):
    """One release owed to one endpoint, and its tries, oldest first."""

    delivery_id: str
    endpoint_id: str
    story_id: str
    version: int | None
    release_no: int | None
    kind: str
    state: str = Field(examples=["delivered"])
    at: WireTime
    outcome: str
    next_attempt_at: WireTime | None
    attempts: list[Attempt]


class Deliveries(BaseModel):
    items: list[Delivery]
    next: str | None = None


@router.get("", responses=responses(404, 422))
async def deliveries(
    request: Request,
    answer: Response,
    by: SubscriberReader,
    ours: Ours,
    endpoint_id: str | None = None,
    story_id: str | None = None,
    state: str | None = None,
    since: Time | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Deliveries:
    """The newest deliveries of your endpoints (up to 1,000 of each), newest first."""
    if endpoint_id is not None:
        ours.registry.endpoint(by, endpoint_id)
    ids = [endpoint_id] if endpoint_id else [part.value.endpoint_id for part in ours.registry.endpoints(by)]
    before = None if cursor is None else _place(cursor)
    found = [
        log
        for log in ours.deliveries.newest(ids)
        if (story_id is None or log.newest.story_id == story_id)
        and (state is None or log.state == state)
        and (since is None or log.at >= since)
        and (before is None or _key(log) < before)
    ]
    rest = found[limit:]
    following = _cursor(found[limit - 1]) if rest else None
    link_next(request, answer, following)
    return Deliveries(items=[_shown(log) for log in found[:limit]], next=following)


@router.get("/{delivery_id}", responses=responses(404))
async def delivery(delivery_id: str, by: SubscriberReader, ours: Ours) -> Delivery:
    """One delivery."""
    return _shown(_own(ours, by, delivery_id))


@router.post("/{delivery_id}/retry", status_code=202, responses=responses(404, 409, 503))
async def retry(delivery_id: str, by: Subscriber, ours: Ours) -> Delivery:
    """Try once more now, under the same id: instead of when it is due, or after it was given up."""
    log = _own(ours, by, delivery_id)
    await ours.retries.now(log)
    return _shown(log)


def _own(ours: Gateway, by: Principal, delivery_id: str) -> DeliveryLog:
    log = ours.deliveries.get(delivery_id)
    if log is None or not owns(by, log.subscriber):
        raise NotFound("there is no such delivery")
    return log


def _shown(log: DeliveryLog) -> Delivery:
    newest = log.newest
    return Delivery(
        delivery_id=log.delivery_id,
        endpoint_id=log.endpoint_id,
        story_id=newest.story_id,
        version=newest.version,
        release_no=newest.release_no,
        kind=newest.data.kind,
        state=log.state,
        at=log.at,
        outcome=newest.data.outcome,
        next_attempt_at=newest.data.next_attempt_at,
        attempts=[_attempt(row) for row in log.tries],
    )


def _attempt(row: DeliveryAttempted) -> Attempt:
    data = row.data
    return Attempt(
        n=data.n, at=row.occurred_at, status=data.status, outcome=data.outcome, ms=data.ms, answer=data.answer
    )


def _key(log: DeliveryLog) -> tuple[str, str]:
    return log.at.isoformat(), log.delivery_id


def _cursor(log: DeliveryLog) -> str:
    return base64.urlsafe_b64encode("\t".join(_key(log)).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[str, str]:
    try:
        at, _, delivery_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("\t")
    except (ValueError, binascii.Error):
        raise unfit_parameter("cursor", "not a cursor of this list") from None
    return at, delivery_id
