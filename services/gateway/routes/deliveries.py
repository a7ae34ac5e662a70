"""What became of webhooks? `/v1/deliveries`, each subscriber's own."""

import base64
import binascii
from datetime import datetime
from itertools import islice
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from services.gateway.context import Gateway
from services.gateway.deliveries_view import DeliveryLog, Try
from services.gateway.refusals import Conflict, NotFound, unfit_parameter
from services.gateway.registry import owns
from services.gateway.routes.asking import Ours, Subscriber, SubscriberReader, link_next
from services.gateway.routes.endpoint_shapes import ShownCatchUp, ShownWait, wait_shown
from services.gateway.routes.owed import owed_to
from services.gateway.routes.times import Time
from services.gateway.waiting import wait_of
from shared.domain.item import WireTime
from shared.domain.state import Principal
from shared.domain.subscription import EndpointState
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


State = Literal["pending", "sending", "retrying", "delivered", "superseded", "filtered", "killed", "expired", "failed"]


class Milliseconds(BaseModel):
    """Where the time of one try went, in milliseconds; null: there was no such step, as on a kept connection."""

    dns: float | None = Field(default=None, examples=[0.4])
    connect: float | None = Field(default=None, examples=[1.1])
    tls: float | None = Field(default=None, examples=[2.0])
    first_byte: float | None = Field(
        default=None, examples=[8.3], description="from sending to the answer's first byte"
    )
    total: float | None = Field(default=None, examples=[11.9])


class Attempt(BaseModel):
    """One try. `outcome` is the answer's status, or what went wrong before there was one."""

    n: int = Field(examples=[1])
    at: WireTime
    status: int | None = Field(examples=[200])
    outcome: str = Field(examples=["200", "timeout", "connect", "tls", "dns", "reset", "truncated"])
    ms: Milliseconds
    answer: str = Field(description="the first KiB of the answer", examples=["ok"])


class Delivery(BaseModel):
    """One release owed to one endpoint, and its tries, oldest first."""

    delivery_id: str
    endpoint_id: str
    story_id: str
    version: int | None
    release_no: int | None
    kind: str
    state: State = Field(
        examples=["delivered"], description="`pending`: put off without a try; `failed`: a test that did"
    )
    at: WireTime = Field(description="when it came to this state")
    outcome: str
    next_attempt_at: WireTime | None = Field(description="while it is retrying or pending")
    attempts: list[Attempt]


class Deliveries(BaseModel):
    items: list[Delivery]
    next: str | None = None
    owed: ShownCatchUp | None = Field(
        default=None, description="with `endpoint_id`: what it is owed and is not listed before it is sent"
    )


class Retried(Delivery):
    """The delivery that is tried once more."""

    waits: ShownWait | None = Field(description="null: it goes now")


@router.get("", responses=responses(404, 422))
async def deliveries(
    request: Request,
    answer: Response,
    by: SubscriberReader,
    ours: Ours,
    endpoint_id: str | None = None,
    story_id: str | None = None,
    state: State | None = None,
    since: Time | None = None,
    until: Time | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Deliveries:
    """The newest deliveries of your endpoints (up to 1,000 of each), newest first; `since` ≤ at < `until`.

    A delivery is listed from its first try on, or from when it was put off. What waits for an endpoint that is paused,
    pending or left alone for a while is not: with `endpoint_id`, `owed` says what that is and why nothing comes.
    """
    if endpoint_id is not None:
        ours.registry.endpoint(by, endpoint_id)
    ids = [endpoint_id] if endpoint_id else [part.value.endpoint_id for part in ours.registry.endpoints(by)]
    before = None if cursor is None else _place(cursor)
    found = (
        log
        for log in ours.deliveries.newest(ids, story_id)
        if (state is None or log.state == state)
        and (since is None or log.at >= since)
        and (until is None or log.at < until)
        and (before is None or log.place < before)
    )
    page = list(islice(found, limit + 1))
    following = _cursor(page[limit - 1]) if len(page) > limit else None
    link_next(request, answer, following)
    owed = None if endpoint_id is None else owed_to(ours, endpoint_id)
    return Deliveries(items=[_shown(log) for log in page[:limit]], next=following, owed=owed)


@router.get("/{delivery_id}", responses=responses(404))
async def delivery(delivery_id: str, by: SubscriberReader, ours: Ours) -> Delivery:
    """One delivery."""
    return _shown(_own(ours, by, delivery_id))


@router.post("/{delivery_id}/retry", status_code=202, responses=responses(404, 409, 503))
async def retry(delivery_id: str, by: Subscriber, ours: Ours) -> Retried:
    """Try once more now, under the same id: instead of when it is due, or after it was given up.

    To an endpoint that is left alone for the time being it goes when that is tried next, as `waits` says.
    """
    log = _own(ours, by, delivery_id)
    endpoint = ours.registry.find(log.endpoint_id)
    if endpoint is None or endpoint.state is EndpointState.DISABLED:
        raise Conflict(f"this endpoint is {endpoint.state if endpoint else 'deleted'}; nothing is sent to it")
    await ours.retries.now(log)
    waits = wait_shown(wait_of(endpoint, ours.replays.view.health(log.endpoint_id)))
    return Retried(**_shown(log).model_dump(), waits=waits)


def _own(ours: Gateway, by: Principal, delivery_id: str) -> DeliveryLog:
    log = ours.deliveries.get(delivery_id)
    if log is None or not owns(by, log.subscriber):
        raise NotFound("there is no such delivery")
    return log


def _shown(log: DeliveryLog) -> Delivery:
    return Delivery(
        delivery_id=log.delivery_id,
        endpoint_id=log.endpoint_id,
        story_id=log.story_id,
        version=log.version,
        release_no=log.release_no,
        kind=log.kind,
        state=cast("State", log.state),
        at=log.at,
        outcome=log.outcome,
        next_attempt_at=log.next_attempt_at,
        attempts=[_attempt(one) for one in log.tries],
    )


def _attempt(one: Try) -> Attempt:
    return Attempt(
        n=one.n,
        at=one.at,
        status=one.status,
        outcome=one.outcome,
        ms=Milliseconds(**one.ms._asdict()),
        answer=one.answer,
    )


def _cursor(log: DeliveryLog) -> str:
    at, delivery_id = log.place
    return base64.urlsafe_b64encode(f"{at.isoformat()}\t{delivery_id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        text, _, delivery_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("\t")
        at = datetime.fromisoformat(text)
    except (ValueError, binascii.Error):
        raise unfit_parameter("cursor", "not a cursor of this list") from None
    if at.tzinfo is None:
        raise unfit_parameter("cursor", "not a cursor of this list")
    return at, delivery_id
