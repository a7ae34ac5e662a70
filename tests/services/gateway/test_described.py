"""Is the API's own description whole, true to the routes, and alone on its host?"""

from html.parser import HTMLParser
from typing import Any

import httpx2
import jsonschema
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.gateway.app import create_app
from shared.platform.api_page import example_of
from tests.services.gateway.twins import World


class Seen(HTMLParser):
    """What a page links, loads and shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.addresses.append(value)
            elif name == "id" and value:
                self.anchors.add(value)
            elif name == "style" or name.startswith("on"):
                self.inline.append(name)


async def document(wire: World) -> dict[str, Any]:
    told: dict[str, Any] = (await wire.http.get("/openapi.json")).json()
    return told


async def test_the_page_loads_its_style_and_nothing_else(wire: World) -> None:
    """No script, nothing inline, no other host; the policy would stop them besides."""
    answer = await wire.http.get("/docs")
    seen = Seen(answer.text)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert "script" not in seen.tags
    assert seen.inline == []
    assert not [address for address in seen.addresses if "//" in address]
    style = await wire.http.get("/docs.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in style.text


async def test_the_page_shows_every_operation_and_its_links_lead_somewhere(wire: World) -> None:
    """One article for each method of each path; contents link to them, problems to their pages."""
    text = (await wire.http.get("/docs")).text
    seen = Seen(text)
    count = sum(len(methods) for methods in (await document(wire))["paths"].values())
    assert text.count("<article ") == count
    assert {address[1:] for address in seen.addresses if address.startswith("#")} <= seen.anchors
    for page in {address for address in seen.addresses if address.startswith("/errors/")}:
        assert (await wire.http.get(page)).status_code == 200


async def test_the_document_has_the_shape_of_openapi_3_1(wire: World) -> None:
    """Every reference leads somewhere, ids are unique, path parameters are declared, schemas are schemas."""
    told = await document(wire)
    assert told["openapi"].startswith("3.1")
    ids: list[str] = []
    for path, methods in told["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["responses"]
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert named == {part[1:-1] for part in path.replace(".", "/").split("/") if part.startswith("{")}
    assert len(ids) == len(set(ids))
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert _references(told) <= {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/poll"])
async def test_the_stream_is_described_too(wire: World, path: str) -> None:
    """Other code than the routes answers them; any key may, or a ticket."""
    reading = (await document(wire))["paths"][path]["get"]
    assert reading["x-scopes"] == []
    assert {"cursor", "ticket", "subscription", "sections"} <= {one["name"] for one in reading["parameters"]}


@pytest.mark.parametrize(
    ("path", "method", "scopes"),
    [
        ("/v1/keys", "post", ["operator"]),
        ("/v1/desk/queue", "get", ["desk", "operator"]),
        ("/v1/stories", "get", []),
        ("/v1/endpoints", "post", ["subscriber"]),
    ],
)
async def test_an_operation_names_its_scopes(wire: World, path: str, method: str, scopes: list[str]) -> None:
    """Read from what the route asks for, so that the two cannot differ."""
    assert (await document(wire))["paths"][path][method]["x-scopes"] == scopes


async def test_an_example_fits_its_schema(wire: World) -> None:
    """What the page shows as a body is one that a client could meet."""
    told = await document(wire)
    schema = told["components"]["schemas"]["NewKey"]
    jsonschema.validate(example_of(schema, told), schema)


async def test_poll_is_answered_by_whom_main_names(wire: World) -> None:
    """It comes through without a key: it judges keys and tickets itself."""

    async def poll(request: Request) -> Response:
        return JSONResponse({"ticket": request.query_params["ticket"]})

    app = create_app(wire.gateway, wire.health, known=lambda: True, public_site=False, poll=poll)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://wire.test") as http:
        assert (await http.get("/v1/poll", params={"ticket": "tkt_1"})).json() == {"ticket": "tkt_1"}


def _references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(_references(one) for one in part.values()))
    return set().union(*(_references(one) for one in part)) if isinstance(part, list) else set()
