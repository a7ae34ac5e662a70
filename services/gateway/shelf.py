"""Is the answer at hand? A list or a story that was just read goes out before routes and models are asked."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.read_cache import Kept, ReadCache
from services.gateway.representations import Representation
from services.gateway.routes.kept import key_of
from services.gateway.visible import Visible

_UNDER: Final = "/v1/stories"


class Shelf:
    """ASGI layer behind the knock and the rates: nothing is awaited between the look and the first byte."""

    def __init__(self, app: ASGIApp, kept: ReadCache, visible: Visible) -> None:
        self.app = app
        self._kept = kept
        self._visible = visible

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(_UNDER):
            kept = self._kept.hit(key_of(scope, self._visible(scope["state"]["principal"])))
            if kept is not None and await _sent(scope, send, kept):
                return
        await self.app(scope, receive, send)


async def _sent(scope: Scope, send: Send, kept: Kept) -> bool:
    """Send it, if it is there in the coding that is asked for; a refusal is the routes' to tell."""
    answer = kept.answer
    if not isinstance(answer, Representation):
        return False
    accept = if_none_match = None
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accept = value.decode("latin-1")
        elif name == b"if-none-match":
            if_none_match = value.decode("latin-1")
    coding = answer.coding(accept)
    head = answer.not_modified(coding, if_none_match)
    body = b"" if head is not None else answer.made(coding)
    if body is None:
        return False
    scope["route"] = kept.route
    status = 200 if head is None else 304
    await send({"type": "http.response.start", "status": status, "headers": head or answer.head(coding)})
    await send({"type": "http.response.body", "body": body})
    return True
