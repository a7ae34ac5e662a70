"""How is an answer about stories sent? From what is kept: whole, coded, or as "you have it" (304)."""

from collections.abc import Hashable
from typing import Any, Final

from fastapi import Request, Response
from starlette.types import Scope

from services.gateway.context import Gateway
from services.gateway.read_cache import Kept, Key, Make
from services.gateway.refusals import NotReady
from services.gateway.representations import Head, Representation
from shared.domain.products import Bounds
from shared.platform.problems import responses

_TRIES: Final = 3
_TEXT: Final = {"schema": {"type": "string"}}
_HEADERS: Final = {
    "ETag": {"description": "for `If-None-Match`", **_TEXT},
    "Cache-Control": {"description": "it may be kept, and must be asked for each time", **_TEXT},
    "Vary": {"description": "what else it depends on", **_TEXT},
}


def reading(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what such a route may answer beside its body, for its OpenAPI."""
    found: dict[int | str, dict[str, Any]] = {
        200: {"headers": _HEADERS},
        304: {"description": "You have it", "headers": _HEADERS},
    }
    return found | responses(*statuses, 503)


def key_of(scope: Scope, within: Bounds, *more: Hashable) -> Key:
    """Return what an answer is kept under: what was asked, and what the caller may see at all."""
    return (scope["path"], scope["query_string"], within, *more)


async def answered(request: Request, ours: Gateway, within: Bounds, make: Make, *more: Hashable) -> Response:
    """Answer from the cache. `more`: what else of the request the body depends on. Raises what `make` raises."""
    key = key_of(request.scope, within, *more)
    for _ in range(_TRIES):
        kept = await ours.kept.get(key, make)
        if not isinstance(kept.answer, Representation):
            raise kept.answer.with_traceback(None)
        kept.route = request.scope.get("route")
        status, head, body = await _as_asked(request, ours, kept, kept.answer)
        if ours.kept.may_go(kept):  # coding may have taken a while
            return _Sent(status, head, body)
    raise NotReady("this is killed or withheld faster than it can be read")


async def _as_asked(request: Request, ours: Gateway, kept: Kept, answer: Representation) -> tuple[int, Head, bytes]:
    coding = answer.coding(request.headers.get("accept-encoding"))
    if (head := answer.not_modified(coding, request.headers.get("if-none-match"))) is not None:
        return 304, head, b""
    body = answer.made(coding)
    if body is None:
        body = await answer.make(coding)
        ours.kept.grew(kept)
    return 200, answer.head(coding), body


class _Sent(Response):
    """A response whose head is known already."""

    def __init__(self, status: int, head: Head, body: bytes) -> None:
        self.status_code, self.body, self.raw_headers, self.background = status, body, head, None
