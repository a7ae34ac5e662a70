"""What was released? `/v1/stories`, for every key."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.read_cache import Made
from services.gateway.refusals import Unfit, unfit_parameter
from services.gateway.representations import Representation
from services.gateway.routes.asking import Anybody, Ours, StoryId, next_link
from services.gateway.routes.kept import answered, reading
from services.gateway.routes.times import Time
from services.gateway.stories import Span
from services.gateway.stream.filter_query import filter_of
from services.gateway.stream.ports import Problem
from services.gateway.what_changed import How, what_changed
from shared.domain.item import Item
from shared.domain.subscription import LISTS, Filter

router = APIRouter(prefix="/v1/stories", tags=["stories"])

OTHERS: Final = frozenset({"since", "until", "limit", "cursor", "uri"})
_EXAMPLES: Final = {
    "sections": "world",
    "subjects": "medtop:16000000",
    "places": "TJ",
    "sources": "desk",
    "languages": "en",
    "lanes": "flash",
    "keywords": "consulate",
}
FILTER_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": prefix + name,
        "in": "query",
        "description": f"{says} of these; may be repeated",
        "schema": {"type": "array", "items": {"type": "string", "examples": [_EXAMPLES[name]]}},
    }
    for prefix, says in (("", "any"), ("not.", "none"))
    for name in LISTS
] + [
    {
        "name": "urgency_max",
        "in": "query",
        "description": "1 (flash) up to this",
        "schema": {"type": "integer", "minimum": 1, "maximum": 8, "examples": [3]},
    }
]


class ItemPage(BaseModel):
    """Items, newest first, and the cursor of what follows."""

    items: list[Item]
    next: str | None = Field(default=None, examples=["MTc2Mzk4NTYwMDAwMDAwMDp1cm46c2x1Z2xpbmU6MQ"])


class Versions(BaseModel):
    """The released versions, oldest first."""

    items: list[Item]


class ShownPiece(BaseModel):
    """A piece of a text: `same` in both versions, `removed` since the first, or `added` in the second."""

    how: How
    text: str


class ShownText(BaseModel):
    """One text that was changed, as the pieces of both versions in reading order."""

    field: str = Field(examples=["headline"], description="`headline`, `slugline`, `byline` or `body`")
    pieces: list[ShownPiece] = Field(
        examples=[
            [
                {"how": "same", "text": "Bridge "},
                {"how": "removed", "text": "opens"},
                {"how": "added", "text": "closes"},
            ]
        ]
    )


class Diff(BaseModel):
    """What changed between two versions: JSON pointers into `story`, and its texts in pieces for the eye."""

    model_config = ConfigDict(populate_by_name=True)

    story_id: str
    since: int = Field(alias="from", examples=[1])
    to: int = Field(examples=[2])
    changes: list[dict[str, Any]] = Field(
        examples=[[{"pointer": "/headlines/0/value", "was": "Bridge opens", "is": "Bridge closes"}]]
    )
    texts: list[ShownText]
    corrects: dict[str, Any] | None = Field(
        default=None, description="what `to` says that it corrects", examples=[{"version": 1, "note": "a wrong name"}]
    )


@router.get("", response_model=ItemPage, responses=reading(422), openapi_extra={"parameters": FILTER_PARAMETERS})
async def stories(
    request: Request,
    by: Anybody,
    ours: Ours,
    since: Annotated[Time | None, Query(description="released at or after this time")] = None,
    until: Annotated[Time | None, Query(description="released before this time")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Response:
    """The newest released stories that the filter wants; withheld and killed ones are absent."""
    wanted, span, within = _filter(request), _span(since, until), ours.visible(by)

    async def make() -> Made:
        page = await ours.stories.page(wanted, within, span, limit, cursor)
        return _made(ItemPage(items=page.items, next=page.next), page.items, next_link(request, page.next))

    return await answered(request, ours, within, make)


@router.get("/{story_id:id}", response_model=Item, responses=reading(404, 410))
async def story(story_id: StoryId, request: Request, by: Anybody, ours: Ours) -> Response:
    """The newest release of a story; while it is withheld the notice; 410 once it was killed."""
    within = ours.visible(by)

    async def make() -> Made:
        item = await ours.stories.story(story_id, within)
        return _made(item, [item])

    return await answered(request, ours, within, make)


@router.get("/{story_id:id}/versions", response_model=Versions, responses=reading(404, 410))
async def versions(story_id: StoryId, request: Request, by: Anybody, ours: Ours) -> Response:
    """The newest release of each released version."""
    within = ours.visible(by)

    async def make() -> Made:
        items = await ours.stories.versions(story_id, within)
        return _made(Versions(items=items), items)

    return await answered(request, ours, within, make)


@router.get("/{story_id:id}/versions/{version}", response_model=Item, responses=reading(404, 410, 422))
async def version(story_id: StoryId, version: int, request: Request, by: Anybody, ours: Ours) -> Response:
    """One released version."""
    within = ours.visible(by)

    async def make() -> Made:
        item = await ours.stories.version(story_id, version, within)
        return _made(item, [item])

    return await answered(request, ours, within, make)


@router.get("/{story_id:id}/diff", response_model=Diff, responses=reading(404, 410, 422))
async def diff(
    story_id: StoryId,
    request: Request,
    by: Anybody,
    ours: Ours,
    since: Annotated[int | None, Query(alias="from", ge=1, description="default: the version before `to`")] = None,
    to: Annotated[int | None, Query(ge=1, description="default: the newest")] = None,
) -> Response:
    """What changed between two released versions."""
    within = ours.visible(by)

    async def make() -> Made:
        was, now = await ours.stories.two_versions(story_id, since, to, within)
        return _made(await asyncio.to_thread(_diff, was, now), [was, now])

    return await answered(request, ours, within, make)


def _diff(was: Item, now: Item) -> Diff:
    found = what_changed(was, now)
    texts = [
        ShownText(field=each.field, pieces=[ShownPiece(how=piece.how, text=piece.text) for piece in each.pieces])
        for each in found.texts
    ]
    return Diff(
        story_id=now.story_id, since=was.version, to=now.version, changes=found.changes, texts=texts,
        corrects=now.corrects,
    )  # fmt: skip


def _made(body: BaseModel, items: Iterable[Item], link: str | None = None) -> Made:
    answer = Representation(body.model_dump_json(by_alias=True).encode(), link=link)
    return Made(answer, frozenset(item.story_id for item in items))


def _filter(request: Request) -> Filter:
    found = filter_of(request.query_params.multi_items(), OTHERS)
    if isinstance(found, Problem):
        raise Unfit(found.more["errors"])
    return found


def _span(since: datetime | None, until: datetime | None) -> Span:
    if since is not None and until is not None and until <= since:
        raise unfit_parameter("until", "must be later than since")
    return Span(since, until)
