"""How does a person read what a service offers? One page made of its OpenAPI document, alone on its host."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from shared.platform.problems import code_of

TEMPLATES: Final = Path(__file__).parent / "templates"
SCOPES: Final = "x-scopes"
"""Extension of an operation: any one of these scopes is enough; an empty list means any key."""
SECURITY: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_DEEPEST: Final = 8
_BY_FORMAT: Final = {"date-time": "2026-11-24T12:00:00.000Z", "uuid": "0b0c6a0e-6f0e-4f5f-9d6c-2f6f0d1f7c11"}
_BY_TYPE: Final[Mapping[str, Any]] = {"string": "…", "integer": 1, "number": 1.5, "boolean": True, "null": None}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, in words."""

    name: str
    place: str
    required: bool
    kind: str
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path as the page shows it; examples are JSON, empty where there is no body."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    scopes: str
    parameters: list[Parameter]
    request: str
    answers: list[tuple[str, str, str]]
    problems: list[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class ApiPage:
    """Where the page is, which scope counts where an operation names none, and what stands before the operations."""

    path: str
    scope: str = ""
    guide: Markup = field(default_factory=Markup)


def serve_api_page(app: FastAPI, page: ApiPage) -> None:
    """Add the page at `page.path` and its style beside it; make the application with `docs_url=None`."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["words"] = words
    style = (TEMPLATES / "api.css").read_bytes()

    async def shown(_: Request) -> Response:
        document = app.openapi()
        text = environment.get_template("api.html").render(
            title=document["info"]["title"],
            about=document["info"].get("description", ""),
            style=f"{page.path}.css",
            document=app.openapi_url,
            guide=page.guide,
            groups=groups_of(document, page.scope),
        )
        return Response(text, media_type="text/html", headers=SECURITY)

    async def styled(_: Request) -> Response:
        return Response(style, media_type="text/css", headers=SECURITY)

    app.router.routes[:0] = [  # before all others, so that no parameter of theirs takes them for a value
        Route(page.path, shown, include_in_schema=False),
        Route(f"{page.path}.css", styled, include_in_schema=False),
    ]


def words(text: str) -> Markup:
    """Return a description as HTML: what stands between backticks is code, everything is escaped."""
    forms = (Markup("{}"), Markup("<code>{}</code>"))
    parts = (forms[number % 2].format(part) for number, part in enumerate(text.split("`")))
    return Markup("").join(parts)


def groups_of(document: Mapping[str, Any], scope: str = "") -> dict[str, list[Operation]]:
    """Return the document's operations by their first tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = next(iter(operation.get("tags", [])), "operations")
            groups.setdefault(tag, []).append(_operation(document, path, method, operation, scope))
    return groups


def example_of(schema: Mapping[str, Any], document: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value of the schema: its own example or default where it has one, else one made of its parts."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example_of(document["components"]["schemas"][name], document, depth + 1) if depth < _DEEPEST else {}
    if schema.get("examples"):
        return schema["examples"][0]
    for told in ("example", "const", "default"):
        if told in schema:
            return schema[told]
    if schema.get("enum"):
        return schema["enum"][0]
    for one_of in ("anyOf", "oneOf", "allOf"):
        if schema.get(one_of):
            return example_of(schema[one_of][0], document, depth)
    if "properties" in schema:
        return {name: example_of(part, document, depth) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], document, depth)] if schema.get("items") else []
    if schema.get("type") == "object":
        return {}
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE.get(schema.get("type", ""), "…"))


def _operation(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any], scope: str
) -> Operation:
    scopes = operation.get(SCOPES, [scope] if scope else [])
    return Operation(
        method=method.upper(),
        path=path,
        anchor=f"{method}-{path.strip('/').translate(str.maketrans('/{}.', '----'))}",
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        scopes=" or ".join(scopes) or "any key",
        parameters=[_parameter(one) for one in operation.get("parameters", [])],
        request=_body(operation.get("requestBody", {}), document),
        answers=[
            (status, answer.get("description", ""), _body(answer, document))
            for status, answer in operation["responses"].items()
            if status.startswith(("2", "3"))
        ],
        problems=_problems(operation["responses"]),
    )


def _problems(answers: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    codes = [code_of(int(status)) for status in sorted(answers) if status.startswith(("4", "5"))]
    return [(code.status, code.title, code.type) for code in codes]


def _parameter(told: Mapping[str, Any]) -> Parameter:
    required = bool(told.get("required"))
    description = told.get("description") or told.get("schema", {}).get("description", "")
    return Parameter(told["name"], told["in"], required, _kind(told.get("schema", {})), description)


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}))}, repeatable"
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    return str(schema.get("format") or schema.get("type") or "")


def _body(holder: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return the first example of a body, as JSON or as the text it is."""
    for media_type, content in holder.get("content", {}).items():
        example = content.get("example", None) or example_of(content.get("schema", {}), document)
        if isinstance(example, str) and "json" not in media_type:
            return example
        return json.dumps(example, indent=2, ensure_ascii=False)
    return ""
