"""What does a filter bring, and why? Explaining one story to a subscription, rehearsing a draft on the last days."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.explaining import Explained, Why, explained
from services.gateway.rehearsals import SAMPLE, Rehearsed
from services.gateway.routes.asking import Ours, SubscriberReader
from services.gateway.routes.subscriptions import FILTER_EXAMPLE
from shared.domain.item import Item, WireTime
from shared.domain.story import Kind, Lane, headline_of
from shared.domain.subscription import Clause, Filter
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])

_PLACES = {"field": "places", "passed": False, "wanted": ["TJ"], "found": ["US"]}
_SUBJECTS = {"field": "subjects", "passed": True, "wanted": ["medtop:16000000"], "found": ["medtop:16000000"]}


class Explanation(BaseModel):
    """Whether the newest release of a story goes out to a subscription, and what decides it.

    `why`: `filter` (every clause lets it pass), `earlier_release` (whatever the filter says: the endpoint was owed an
    earlier one, or this one before the filter changed), `clause` (those in `deciding` do not let it pass),
    `began_later` (it was released before the subscription began), `notice` (a withhold for a story it never had),
    `products` (none of its subscriber's products has it, whatever the filter says).
    """

    subscription_id: str
    story_id: str
    version: int
    release_no: int
    kind: Kind
    lane: Lane
    released_at: WireTime
    owed: bool
    why: Why = Field(examples=["clause"])
    words: str = Field(examples=["Does not go out: places wants TJ, the story has US."])
    deciding: list[Clause] = Field(examples=[[_PLACES]])
    clauses: list[Clause] = Field(examples=[[_SUBJECTS, _PLACES]])
    earlier_release_no: int | None = Field(description="the first release known to count, for `earlier_release`")
    products: list[str] | None = Field(
        description="the products of its subscriber that have it; null: none are set", examples=[["World in English"]]
    )


class Draft(BaseModel):
    """A filter to be tried, and how far back."""

    model_config = ConfigDict(extra="forbid")

    filter: Filter = Field(examples=[FILTER_EXAMPLE])
    days: int = Field(default=7, ge=1, le=30, examples=[7])


class Day(BaseModel):
    """Matches of one day (UTC), in all and by lane."""

    day: date
    matches: int
    lanes: dict[Lane, int] = Field(examples=[{"flash": 1, "routine": 11}])


class Match(BaseModel):
    """A story that the filter would have brought."""

    story_id: str
    headline: str
    version: int
    release_no: int
    kind: Kind
    lane: Lane
    released_at: WireTime


class Rehearsal(BaseModel):
    """What a filter would have brought. Each story counts once, by its newest release; what is withheld or killed now
    is no match. `complete` false: the bounds were reached before the days were, and nothing is known from before
    `looked_back_to`.
    """

    since: WireTime
    until: WireTime
    complete: bool
    looked_back_to: WireTime
    looked_at: int = Field(description="stories judged; of one section only where the filter names a single one")
    matches: int
    lanes: dict[Lane, int] = Field(examples=[{"flash": 3, "routine": 80}])
    days: list[Day] = Field(description="newest first; the first and the last in part")
    products: dict[str, int] | None = Field(
        description="matches by each of your products that has them; null: none are set", examples=[{"World": 83}]
    )
    sample: list[Match] = Field(description=f"the newest matches, at most {SAMPLE}")


@router.get("/{subscription_id}/explain", responses=responses(404, 410, 422, 503))
async def explain(
    subscription_id: str,
    story_id: Annotated[str, Query(description="the story", examples=["urn:slugline:kdc:9f2c"])],
    by: SubscriberReader,
    ours: Ours,
) -> Explanation:
    """Why the newest release of a story goes out to this subscription, or not, by its filter as it is now.

    Earlier releases count where the delivery log of the last 48 hours knows that the endpoint was owed one, or where
    the filter wants an earlier version that was released since the subscription began.
    """
    subscription = ours.registry.subscription(by, subscription_id).value
    products = ours.registry.products_of(subscription.subscriber)
    within = ours.visible(by)
    found = await explained(subscription, story_id, ours.stories, ours.deliveries, products, within)
    return _explanation(subscription_id, found)


@router.post("/rehearse", responses=responses(422, 503))
async def rehearse(draft: Draft, by: SubscriberReader, ours: Ours) -> Rehearsal:
    """What a draft filter would have brought in the last days.

    What is outside your products does not count. At most 10,000 stories are judged, the newest first, for at most three
    seconds; `complete` says whether that was all. One rehearsal runs at a time, whoever waits too long for his
    turn gets 503.
    """
    bounded = ours.visible(by) is not None
    products = ours.registry.products_of(by.subscriber) if bounded and by.subscriber else None
    return _rehearsal(await ours.rehearsals.rehearse(draft.filter, draft.days, products))


def _explanation(subscription_id: str, found: Explained) -> Explanation:
    item = found.newest.item
    return Explanation(
        subscription_id=subscription_id,
        story_id=item.story_id,
        version=item.version,
        release_no=item.release_no,
        kind=item.kind,
        lane=item.lane,
        released_at=item.released_at,
        owed=found.owed,
        why=found.why,
        words=found.words,
        deciding=found.deciding,
        clauses=found.clauses,
        earlier_release_no=found.earlier if found.why is Why.EARLIER_RELEASE else None,
        products=None if found.products is None else list(found.products),
    )


def _rehearsal(done: Rehearsed) -> Rehearsal:
    days = [Day(day=day, matches=sum(lanes.values()), lanes=lanes) for day, lanes in done.by_day()]
    return Rehearsal(
        since=done.since,
        until=done.until,
        complete=done.complete,
        looked_back_to=done.looked_back_to,
        looked_at=done.looked_at,
        matches=sum(day.matches for day in days),
        lanes={lane: sum(day.lanes[lane] for day in days) for lane in Lane},
        days=days,
        products=done.products,
        sample=[_match(item) for item in done.sample],
    )


def _match(item: Item) -> Match:
    return Match(
        story_id=item.story_id,
        headline=headline_of(item.story),
        version=item.version,
        release_no=item.release_no,
        kind=item.kind,
        lane=item.lane,
        released_at=item.released_at,
    )
