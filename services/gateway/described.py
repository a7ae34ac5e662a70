"""What does the API's description say that the routes cannot? The stream, poll, scopes, and the page around them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from markupsafe import Markup

from services.gateway.examples import add_examples
from services.gateway.routes.asking import Needs
from services.gateway.routes.stories import FILTER_PARAMETERS
from shared.platform.api_page import SCOPES, ApiPage
from shared.platform.problems import responses

GUIDE: Final = Path(__file__).parent / "templates" / "guide.html"
PAGE: Final = ApiPage("/docs", guide=Markup(GUIDE.read_text(encoding="utf-8")))  # noqa: S704 - our own file

_EVENTS: Final = """id: e1-12-4020
event: hello
data: {"resumed_from": "e1-12-4020", "requested": "e1-12-4020"}

id: e1-12-4031
event: story
data: {"seq": 4030, "lane": "routine", "kind": "publish", …}
"""


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


_COMMON: Final = [
    _query("subscription", "one of your own subscriptions: its filter and where it begins"),
    _query("ticket", "from `POST /v1/stream-tickets`, instead of a key: single use, 30 seconds"),
    _query("client", "what the client calls itself; where it acknowledged under this name is where it goes on"),
    _query("cursor", "where to go on: an id of this stream, or `earliest`; left out: now"),
    _query("since", "begin with what was released at or after this time", type="string", format="date-time"),
    *FILTER_PARAMETERS,
]
_ID: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "the last id seen; wins over `cursor`",
    "schema": {"type": "string"},
}
_WAIT: Final = _query("wait", "seconds to wait for an event", type="number", minimum=0, maximum=60, default=0)
_ANSWER: Final = {
    "type": "object",
    "required": ["events", "cursor"],
    "properties": {
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "event", "data"],
                "properties": {
                    "id": {"type": ["string", "null"], "examples": ["e1-12-4031"]},
                    "event": {"type": "string", "enum": ["story", "gap", "checkpoint"]},
                    "data": {"type": "object", "description": "an Item, or what the event tells"},
                },
            },
        },
        "cursor": {"type": "string", "examples": ["e1-12-4031"]},
    },
}


def _ok(content: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "Successful Response", "content": content}}


def _reading(
    name: str, summary: str, description: str, parameters: list[Any], answer: dict[str, Any], *others: int
) -> dict[str, Any]:
    asked = responses(400, 404, 422, 429, 503, *others)
    problems = {str(status): told for status, told in asked.items() if status != 403 or 403 in others}
    return {
        "get": {
            "tags": ["stream"],
            "summary": summary,
            "description": description,
            "operationId": name,
            "security": [{"HTTPBearer": []}, {}],  # {}: with a ticket
            "parameters": parameters,
            "responses": {**answer, **problems},
        }
    }


OPERATIONS: Final[Mapping[str, Any]] = {
    "/v1/stream": _reading(
        "stream",
        "Stream",
        "Releases as server-sent events, as they happen. Any key may listen.",
        [*_COMMON, _ID],
        _ok({"text/event-stream": {"schema": {"type": "string"}, "example": _EVENTS}}),
    ),
    "/v1/ws": _reading(
        "socket",
        "Stream over WebSocket",
        'The stream\'s events as text frames `{"id", "event", "data"}`. In the subprotocol `slugline.v1` a client may '
        'say `{"ack": "<id>"}` and `{"filter": {…}}`. Any key may listen.',
        [*_COMMON, _ID],
        {"101": {"description": "Switching Protocols"}},
        403,
        426,
    ),
    "/v1/poll": _reading(
        "poll",
        "Poll",
        "The stream's events since `cursor`, as one answer. Any key may ask.",
        [*_COMMON, _WAIT],
        _ok({"application/json": {"schema": _ANSWER}}),
    ),
}


def scopes_of(routers: Iterable[APIRouter]) -> dict[tuple[str, str], list[str]]:
    """Return which scopes are enough, by path and method in lower case; an empty list means any key."""
    found: dict[tuple[str, str], list[str]] = {}
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                found[route.path_format, method.lower()] = _scopes(route.dependant)
    return found


def name_scopes(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Write the scope that each route asks for into the description of its operation, and examples of all bodies."""
    made, scopes = app.openapi, scopes_of(routers)

    def openapi() -> dict[str, Any]:
        document = made()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                operation[SCOPES] = scopes.get((path, method), [])
        add_examples(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _scopes(dependant: Dependant) -> list[str]:
    asked = [one.call for one in dependant.dependencies if isinstance(one.call, Needs)]
    return [scope for needs in asked for scope in needs.scopes]
