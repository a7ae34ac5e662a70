"""May a page of another origin ask this? Preflights, and what answers say to browsers (the Fetch standard, CORS)."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.origins import readable_by
from shared.platform.problems import Code, Problem

_METHODS: Final = b"GET, HEAD, POST, PATCH, DELETE"
_HEADERS: Final = b"Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID"
_REMEMBERED_S: Final = b"600"


class Cors:
    """ASGI layer; without origins it does nothing. A page that may not is told by its browser, not by a status."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self.app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] == "OPTIONS" and origin and "access-control-request-method" in headers:
            await self._preflight(origin, scope, receive, send)
            return
        allowed = readable_by(self._origins, origin)

        async def readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_varied(message["headers"]), *allowed]
            await send(message)

        await self.app(scope, receive, readable)

    async def _preflight(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not (allowed := readable_by(self._origins, origin)):
            refused = Problem(Code.FORBIDDEN, "this origin is not among those in WIRE_CORS_ORIGINS")
            await refused.response()(scope, receive, send)
            return
        head = [
            *allowed[:1],
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", _REMEMBERED_S),
            (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": head})
        await send({"type": "http.response.body", "body": b""})


def _varied(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, with the origin among what the answer depends on, also where none was sent."""
    vary = b", ".join([*(value for name, value in headers if name == b"vary"), b"Origin"])
    return [*((name, value) for name, value in headers if name != b"vary"), (b"vary", vary)]
