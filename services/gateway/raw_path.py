"""How is an id with slashes one segment of a path? Routes match the raw path; ids are decoded one by one."""

from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

READ_BY_URI: Final = ("/v1/stories", "/v1/desk/stories")
"""Where `?uri=` may stand instead of the segment with the id."""

_PARTS: Final = frozenset(
    {"versions", "diff", "recipients", "release", "reject", "hold", "withhold", "urgency", "embargo", "kill"}
)


class RawPath:
    """ASGI layer: gives routing the path as it was sent, so that `%2F` inside an id is no border of segments.

    Declare such parameters as `{story_id:id}`; they arrive decoded. `?uri=` is put in as the missing segment.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("raw_path"):
            raw = scope["raw_path"].decode("ascii", "replace").partition("?")[0]
            scope = {**scope, "path": _with_uri(raw, scope["query_string"])}
        await self.app(scope, receive, send)


def _with_uri(path: str, query: bytes) -> str:
    base = next((base for base in READ_BY_URI if path == base or path.startswith(f"{base}/")), None)
    if base is None or b"uri=" not in query:
        return path
    rest = path.removeprefix(base)
    uri = dict(parse_qsl(query.decode("ascii", "replace"))).get("uri")
    if not uri or rest.split("/")[1:2] not in ([], [""], *([part] for part in _PARTS)):
        return path
    return f"{base}/{quote(uri, safe='')}{rest.rstrip('/')}"


class _Id(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="replace")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("id", _Id())
