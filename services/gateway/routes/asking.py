"""Who asks, with which scope, and of what? What every route takes as its first arguments."""

from typing import Annotated, cast

from fastapi import Depends, Header, Path, Request, Response, Security
from fastapi.security import HTTPBearer

import shared.platform.raw_path  # noqa: F401 - routes are compiled when imported: `:id` must be known by then
from services.gateway.context import Gateway
from shared.domain.errors import NotAllowed
from shared.domain.keys import Scope, require
from shared.domain.state import Principal

_KEY = HTTPBearer(auto_error=False, description="An API key: `sl_…`")


def _gateway(request: Request) -> Gateway:
    return cast("Gateway", request.app.state.gateway)


class Needs:
    """A dependency: the caller, who must have one of these scopes; none named means any key."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = scopes

    def __call__(self, request: Request, _: Annotated[object, Security(_KEY)]) -> Principal:
        principal = cast("Principal", request.state.principal)
        if self.scopes:
            require(principal, *self.scopes)
        return principal


def subscriber_of(principal: Principal) -> str:
    """Return whose things the caller makes; raises NotAllowed for a key of nobody in particular."""
    if principal.subscriber is None:
        raise NotAllowed("this needs a key that belongs to a subscriber")
    return principal.subscriber


def next_link(request: Request, cursor: str | None) -> str | None:
    """Return what `Link` says of the next page (RFC 8288), if there is one; relative, whatever host was asked."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    return f'<{url.path}?{url.query}>; rel="next"'


def link_next(request: Request, answer: Response, cursor: str | None) -> None:
    """Put it on an answer."""
    if (link := next_link(request, cursor)) is not None:
        answer.headers["link"] = link


Ours = Annotated[Gateway, Depends(_gateway)]
Anybody = Annotated[Principal, Depends(Needs())]
Desk = Annotated[Principal, Depends(Needs("desk"))]
DeskReader = Annotated[Principal, Depends(Needs("desk", "operator"))]
Editor = Annotated[Principal, Depends(Needs("editor"))]
Operator = Annotated[Principal, Depends(Needs("operator"))]
Subscriber = Annotated[Principal, Depends(Needs("subscriber"))]
SubscriberReader = Annotated[Principal, Depends(Needs("subscriber", "operator"))]

StoryId = Annotated[
    str,
    Path(description="percent-encoded; a URN or a URL", examples=["urn:slugline:kdc:9f2c", "https://example.com/1"]),
]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="the ETag that the change is based on")]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=255, description="the same request again has no second effect"),
]
