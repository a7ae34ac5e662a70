"""What is new, for feed readers? `/feeds`, without a key where the site is public."""

from collections.abc import Callable
from typing import Final, Literal

from fastapi import APIRouter, Request, Response

from services.gateway.feeds import atom, json_feed, rss
from services.gateway.feeds.entries import Feed, entry_of
from services.gateway.read_cache import Made
from services.gateway.refusals import NotFound
from services.gateway.representations import Representation
from services.gateway.routes.asking import Ours
from services.gateway.routes.kept import answered, reading
from shared.domain.facts import slug

router = APIRouter(prefix="/feeds", tags=["feeds"])

MOST_ENTRIES: Final = 50
Format = Literal["atom", "rss", "json"]
_FORMATS: Final[dict[Format, tuple[str, Callable[[Feed], bytes]]]] = {
    "atom": (atom.MEDIA_TYPE, atom.atom),
    "rss": (rss.MEDIA_TYPE, rss.rss),
    "json": (json_feed.MEDIA_TYPE, json_feed.json_feed),
}


@router.get("/latest.{form}", responses=reading(404), response_class=Response)
async def latest(form: Format, request: Request, ours: Ours) -> Response:
    """The newest stories; a withheld or killed one stays in as its notice, in Atom a kill also as a tombstone."""
    return await _feed(request, ours, "Slugline: latest", None, form)


@router.get("/sections/{section:id}.{form}", responses=reading(404), response_class=Response)
async def of_section(section: str, form: Format, request: Request, ours: Ours) -> Response:
    """The newest stories of one section, by its name or slug."""
    known_as = slug(section)
    if not known_as:
        raise NotFound("a section's name has letters or digits")
    return await _feed(request, ours, f"Slugline: {known_as}", known_as, form)


async def _feed(request: Request, ours: Ours, title: str, section: str | None, form: Format) -> Response:
    media_type, make = _FORMATS[form]
    base = ours.public_url or str(request.base_url).rstrip("/")
    within = ours.visible(request.state.principal)

    async def made() -> Made:
        items = await ours.stories.newest(section, MOST_ENTRIES, within)
        body = make(Feed(title, f"{base}{request.url.path}", tuple(entry_of(item) for item in items)))
        answer = Representation(body, f"{media_type}; charset=utf-8")
        return Made(answer, frozenset(item.story_id for item in items))

    return await answered(request, ours, within, made, base)
