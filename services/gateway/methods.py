"""Which methods has a path? HEAD is GET without its body, and a 405 names all that there are."""

from collections.abc import Iterable
from typing import Final

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOT_ALLOWED: Final = 405


class Methods:
    """ASGI layer. Routing itself would name the methods of one route only, and know no HEAD."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self._routes = [one for one in routes if isinstance(one, Route)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"

        async def adapted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == _NOT_ALLOWED:
                message["headers"] = self._with_allow(scope["path"], message["headers"])
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"} if is_head else scope, receive, adapted)

    def _with_allow(self, path: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        found = [one for one in self._routes if one.path_regex.match(path)]
        nearest = min((len(one.param_convertors) for one in found), default=0)  # a name before any value of that place
        methods = {method for one in found if len(one.param_convertors) == nearest for method in one.methods or ()}
        if "GET" in methods:
            methods.add("HEAD")
        return [*((name, value) for name, value in headers if name != b"allow"),
                (b"allow", ", ".join(sorted(methods)).encode())]  # fmt: skip
