"""Whose request is this? Every route needs a key, but for those named here."""

from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.domain.state import Principal
from shared.platform.problems import PREFIX, Problem, unauthorized, unavailable

OPEN: Final = frozenset({"/livez", "/readyz", "/metrics", "/docs", "/docs.css", "/openapi.json", "/v1/poll"})
"""Poll judges its callers as the stream does: by key or by ticket."""
PUBLIC_SITE: Final = ("/feeds/", "/sections/", "/stories/")
"""Pages and feeds that WIRE_PUBLIC_SITE=1 opens to everybody, beside the start page."""

Who = Callable[[str], Principal | None]
Known = Callable[[], bool]


class Knock:
    """ASGI layer: puts the key's owner into `request.state.principal`, or answers 401.

    `who` finds the owner of a key. Until `known` says that keys and tables are loaded the answer is 503: a table that
    is being read would answer 404 for what is there.
    """

    def __init__(self, app: ASGIApp, who: Who, known: Known, public_site: bool) -> None:
        self.app = app
        self._who = who
        self._known = known
        self._public_site = public_site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        key = bearer(Headers(scope=scope).get("authorization", ""))
        principal = self._who(key) if key else None
        scope.setdefault("state", {})["principal"] = principal
        if not self._is_open(scope["path"]) and (problem := self._refusal(key, principal)):
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        open_to_all = path in OPEN or path.startswith(PREFIX)
        return open_to_all or (self._public_site and (path == "/" or path.startswith(PUBLIC_SITE)))

    def _refusal(self, key: str | None, principal: Principal | None) -> Problem | None:
        if not key:
            return unauthorized()
        if not self._known():
            return unavailable("what this gateway must know is being read", 1)
        return None if principal else unauthorized("this key is not known")


def bearer(authorization: str) -> str | None:
    """Return the key in an Authorization header, if it holds one (RFC 6750)."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
