"""Is JSON what the caller takes? What the API answers with is JSON, and who wants none of it is told so (406)."""

from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.weights import weights_of
from shared.platform.problems import Code, Problem

_UNDER: Final = "/v1/"
_RANGES: Final = ("application/json", "application/*", "*/*")
"""The most specific first."""


class Accepted:
    """ASGI layer for `/v1`; pages and feeds have media types of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["path"].startswith(_UNDER)
        if is_asked and not takes_json(",".join(Headers(scope=scope).getlist("accept"))):
            refused = Problem(Code.NOT_ACCEPTABLE, "the answer is application/json, which Accept leaves out")
            await refused.response()(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@lru_cache(maxsize=256)
def takes_json(accept: str) -> bool:
    """Tell whether an Accept header (RFC 9110, 12.5.1) lets JSON through; the most specific range counts."""
    weights = weights_of(accept)
    if not weights:
        return True
    return next((weights[name] for name in _RANGES if name in weights), 0.0) > 0
