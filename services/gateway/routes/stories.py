"""What was released? `/v1/stories`, for every key."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.refusals import Unfit
from services.gateway.routes.asking import Anybody, Ours, StoryId, link_next
from services.gateway.routes.times import Time
from services.gateway.stream.filter_query import filter_of
from services.gateway.stream.ports import Problem
from shared.domain.item import Item
from shared.domain.subscription import LISTS, Filter
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/stories", tags=["stories"])

OTHERS = frozenset({"since", "limit", "cursor", "uri"})
FILTER_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "query",
        "description": "any of these" if not name.startswith("not.") else "none of these",
        "schema": {"type": "array", "items": {"type": "string"}},
    }
    for name in (*LISTS, *(f"not.{name}" for name in LISTS))
] + [{"name": "urgency_max", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 8}}]


class ItemPage(BaseModel):
    """Items, newest first, and the cursor of what follows."""

    items: list[Item]
    next: str | None = None


class Versions(BaseModel):
    """The released versions, oldest first."""

    items: list[Item]


class Diff(BaseModel):
    """What changed between two versions: JSON pointers into `story`."""

    model_config = ConfigDict(populate_by_name=True)

    story_id: str
    since: int = Field(alias="from")
    to: int
    changes: list[dict[str, Any]] = Field(
        examples=[[{"pointer": "/headlines/0/value", "was": "Bridge open", "is": "Bridge opens"}]]
    )


@router.get("", responses=responses(422, 503), openapi_extra={"parameters": FILTER_PARAMETERS})
async def stories(
    request: Request,
    answer: Response,
    _: Anybody,
    ours: Ours,
    since: Annotated[Time | None, Query(description="released at or after this time")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> ItemPage:
    """The newest released stories that the filter wants; withheld and killed ones are absent."""
    page = await ours.stories.page(_filter(request), since, limit, cursor)
    link_next(request, answer, page.next)
    return ItemPage(items=page.items, next=page.next)


@router.get("/{story_id:id}", responses=responses(404, 410, 503))
async def story(story_id: StoryId, _: Anybody, ours: Ours) -> Item:
    """The newest release of a story; while it is withheld the notice; 410 once it was killed."""
    return await ours.stories.story(story_id)


@router.get("/{story_id:id}/versions", responses=responses(404, 410, 503))
async def versions(story_id: StoryId, _: Anybody, ours: Ours) -> Versions:
    """The newest release of each released version."""
    return Versions(items=await ours.stories.versions(story_id))


@router.get("/{story_id:id}/versions/{version}", responses=responses(404, 410, 422, 503))
async def version(story_id: StoryId, version: int, _: Anybody, ours: Ours) -> Item:
    """One released version."""
    return await ours.stories.version(story_id, version)


@router.get("/{story_id:id}/diff", responses=responses(404, 410, 422, 503))
async def diff(
    story_id: StoryId,
    _: Anybody,
    ours: Ours,
    since: Annotated[int | None, Query(alias="from", ge=1, description="default: the version before `to`")] = None,
    to: Annotated[int | None, Query(ge=1, description="default: the newest")] = None,
) -> Diff:
    """What changed between two released versions."""
    return Diff.model_validate(await ours.stories.diff(story_id, since, to))


def _filter(request: Request) -> Filter:
    found = filter_of(request.query_params.multi_items(), OTHERS)
    if isinstance(found, Problem):
        raise Unfit(found.more["errors"])
    return found
