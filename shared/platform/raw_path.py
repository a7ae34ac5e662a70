"""How is an id with slashes one segment of a path? Routing sees the path as it was sent; ids are decoded one by one."""

from collections.abc import Callable
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

Rewrite = Callable[[str, bytes], str]


def as_sent(path: str, query: bytes) -> str:
    """Leave the path as it is."""
    return path


class RawPath:
    """ASGI layer: `%2F` inside an id is no border of segments. Declare such parameters as `{story_id:id}`.

    `rewrite` may change the (raw) path by the query string before it is routed.
    """

    def __init__(self, app: ASGIApp, rewrite: Rewrite = as_sent) -> None:
        self.app = app
        self._rewrite = rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("raw_path"):
            raw = scope["raw_path"].decode("ascii", "replace").partition("?")[0]
            scope = {**scope, "path": self._rewrite(raw, scope["query_string"])}
        await self.app(scope, receive, send)


class _Id(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="replace")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("id", _Id())
