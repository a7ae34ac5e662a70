"""Does the page about an API say what its document says, and nothing that a document could smuggle in?"""

from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Query

from shared.platform.api_page import ApiPage, example_of, groups_of, serve_api_page, words


def made() -> FastAPI:
    app = FastAPI(title="Tiny <b>", docs_url=None, openapi_url="/v1/tiny/openapi.json")

    @app.get("/v1/tiny/{name}", tags=["things"])
    async def thing(name: str, most: Annotated[int | None, Query(description="not more than `most`")] = None) -> None:
        """One thing, <i>as it is</i>."""

    serve_api_page(app, ApiPage("/v1/tiny/docs", scope="desk"))
    return app


async def test_the_page_is_text_whatever_the_document_holds() -> None:
    """Titles and descriptions are escaped; the document is linked."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(made()), base_url="http://wire.test") as http:
        text = (await http.get("/v1/tiny/docs")).text
        style = await http.get("/v1/tiny/docs.css")
    assert "Tiny &lt;b&gt; API" in text
    assert "<i>" not in text
    assert 'href="/v1/tiny/openapi.json"' in text
    assert style.status_code == 200


def test_an_operation_is_told_with_scope_and_parameters() -> None:
    """Where an operation names no scope, the page's counts."""
    [thing] = groups_of(made().openapi(), "desk")["things"]
    assert (thing.method, thing.path, thing.scopes) == ("GET", "/v1/tiny/{name}", "desk")
    assert [(one.name, one.place, one.required, one.kind) for one in thing.parameters] == [
        ("name", "path", True, "string"),
        ("most", "query", False, "integer"),
    ]


def test_backticks_are_code() -> None:
    """And what is in them is escaped too."""
    assert words("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string", "examples": ["x"]}, "x"),
        ({"type": "string", "default": "d"}, "d"),
        ({"enum": ["first", "second"]}, "first"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"properties": {"at": {"type": "string", "format": "date-time"}}}, {"at": "2026-11-24T12:00:00.000Z"}),
        ({"$ref": "#/components/schemas/Loop"}, None),
    ],
)
def test_an_example_is_made_of_what_the_schema_tells(schema: dict[str, Any], example: Any) -> None:
    """A schema that contains itself ends somewhere."""
    loop = {"properties": {"again": {"$ref": "#/components/schemas/Loop"}}}
    found = example_of(schema, {"components": {"schemas": {"Loop": loop}}})
    assert found == example if example is not None else "again" in found
