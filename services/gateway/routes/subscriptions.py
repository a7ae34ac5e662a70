"""What does a subscriber want? `/v1/subscriptions`, each subscriber's own; and tickets for the stream."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.context import Gateway
from services.gateway.registry import Part
from services.gateway.routes.asking import Anybody, IfMatch, Ours, Subscriber, SubscriberReader, subscriber_of
from shared.domain.item import WireTime
from shared.domain.subscription import Filter, Ordering, Subscription
from shared.platform.problems import responses

router = APIRouter(tags=["subscriptions"])

Name = Annotated[str, Field(min_length=1, max_length=200)]
FILTER_EXAMPLE = {"subjects": ["medtop:16000000"], "places": ["TJ"], "languages": ["en"], "urgency_max": 3}


class NewSubscription(BaseModel):
    """What is wanted and where it goes; without an endpoint it is for the stream."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["Central Asia"])
    endpoint_id: str | None = None
    ordering: Ordering = Ordering.LATEST
    filter: Filter = Field(default=Filter(), examples=[FILTER_EXAMPLE])


class SubscriptionChange(BaseModel):
    """What is to change; what is left out stays. `endpoint_id` null makes it stream only."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    endpoint_id: str | None = None
    ordering: Ordering | None = None
    filter: Filter | None = None


class ShownSubscription(BaseModel):
    """A subscription; everything released at or after the cursor `from` counts."""

    model_config = ConfigDict(populate_by_name=True)

    subscription_id: str
    subscriber: str
    name: str
    endpoint_id: str | None
    ordering: Ordering
    filter: Filter
    created_at: datetime
    since: str = Field(alias="from")


class Subscriptions(BaseModel):
    items: list[ShownSubscription]


class Ticket(BaseModel):
    """Opens one stream, in `?ticket=`, until it ends."""

    ticket: str
    expires_at: WireTime


@router.post("/v1/subscriptions", status_code=201, responses=responses(422, 503))
async def subscribe(new: NewSubscription, by: Subscriber, ours: Ours, answer: Response) -> ShownSubscription:
    """Subscribe: everything accepted from now on counts."""
    part = await ours.subscriptions.subscribe(
        by, subscriber_of(by), new.name, new.endpoint_id, new.ordering, new.filter
    )
    answer.headers["location"] = f"/v1/subscriptions/{part.value.subscription_id}"
    return _tagged(ours, part, answer)


@router.get("/v1/subscriptions", responses=responses())
async def subscriptions(by: SubscriberReader, ours: Ours) -> Subscriptions:
    """Your subscriptions, oldest first."""
    return Subscriptions(items=[_shown(ours, part) for part in ours.registry.subscriptions(by)])


@router.get("/v1/subscriptions/{subscription_id}", responses=responses(404))
async def subscription(subscription_id: str, by: SubscriberReader, ours: Ours, answer: Response) -> ShownSubscription:
    """One subscription; its ETag is for `If-Match`."""
    return _tagged(ours, ours.registry.subscription(by, subscription_id), answer)


@router.patch("/v1/subscriptions/{subscription_id}", responses=responses(404, 412, 422, 503))
async def change(
    subscription_id: str,
    new: SubscriptionChange,
    by: Subscriber,
    ours: Ours,
    answer: Response,
    if_match: IfMatch = None,
) -> ShownSubscription:
    """Change a subscription; another filter counts for what is released from now on."""
    given: dict[str, Any] = {
        name: getattr(new, name)
        for name in new.model_fields_set
        if getattr(new, name) is not None or name == "endpoint_id"
    }
    return _tagged(ours, await ours.subscriptions.change(by, subscription_id, if_match, given), answer)


@router.delete("/v1/subscriptions/{subscription_id}", status_code=204, responses=responses(404, 412, 503))
async def delete(subscription_id: str, by: Subscriber, ours: Ours, if_match: IfMatch = None) -> Response:
    """End a subscription."""
    await ours.subscriptions.delete(by, subscription_id, if_match)
    return Response(status_code=204)


@router.post("/v1/stream-tickets", status_code=201, responses=responses())
async def ticket(by: Anybody, ours: Ours) -> Ticket:
    """A ticket for readers that cannot send a header: single use, 30 seconds."""
    value, until = ours.tickets.issue(by)
    return Ticket(ticket=value, expires_at=until)


def _tagged(ours: Gateway, part: Part[Subscription], answer: Response) -> ShownSubscription:
    answer.headers["etag"] = part.etag
    return _shown(ours, part)


def _shown(ours: Gateway, part: Part[Subscription]) -> ShownSubscription:
    known = {name: getattr(part.value, name) for name in ShownSubscription.model_fields if name != "since"}
    return ShownSubscription(**known, since=ours.subscriptions.cursor_of(part.value.start))
