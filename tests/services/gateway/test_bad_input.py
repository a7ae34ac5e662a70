"""What cannot be read, is too much, or is asked in the wrong way: a problem each time, and nothing written."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from services.gateway.body_rules import MOST_BYTES
from shared.platform.logs import configure_logs
from tests.services.gateway.stories import URN, filed
from tests.services.gateway.twins import World

JSON = {"content-type": "application/json"}


async def post(wire: World, content: bytes, path: str = "/v1/keys", **headers: str) -> httpx2.Response:
    return await wire.http.post(path, content=content, headers=wire.operator | JSON | headers)


def is_problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """Check the shape of RFC 9457 and return the problem."""
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"]) == (status, status)
    assert body["title"]
    return body


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b"", ""),
        (b"null", ""),
        (b"[]", ""),
        (b"{", ""),
        (b'{"person": "\xff\xfe"}', ""),
        (b'{"person": "ann"}', "/scopes"),
        (b'{"person": "ann", "scopes": ["root"]}', "/scopes/0"),
        (b'{"person": "a\\u0000nn", "scopes": ["desk"]}', "/person"),
        (b'{"person": "ann", "scopes": ["desk"], "colour": 1}', "/colour"),
    ],
)
async def test_a_body_that_cannot_be_read_is_422_with_the_place(wire: World, content: bytes, pointer: str) -> None:
    """Empty, not JSON, not UTF-8, a field missing, wrong or unknown."""
    problem = is_problem(await post(wire, content), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert wire.topics.written == []


async def test_no_answer_repeats_what_was_sent(wire: World) -> None:
    """A validation error of FastAPI would show the input, which may hold a secret."""
    answer = await post(wire, b'{"person": {"secret": "hunter2"}, "scopes": ["desk"]}')
    assert "hunter2" not in answer.text


async def test_a_body_of_11_mib_is_413(wire: World) -> None:
    """By its length, before it is read."""
    is_problem(await post(wire, b" " * (11 * 1024 * 1024)), 413)


async def test_a_body_without_a_length_is_counted(wire: World) -> None:
    """Chunked transfer is no way around the limit."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // 65_536 + 2):
            yield b" " * 65_536

    answer = await wire.http.post("/v1/keys", content=endless(), headers=wire.operator | JSON)
    is_problem(answer, 413)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_another_content_type_is_415(wire: World, content_type: str) -> None:
    """Only JSON is read."""
    is_problem(await post(wire, b'{"person": "ann", "scopes": ["desk"]}', **{"content-type": content_type}), 415)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/merge-patch+json"])
async def test_json_by_its_other_names_is_read(wire: World, content_type: str) -> None:
    """Parameters and suffixes are no other type."""
    body = json.dumps({"person": "ann", "scopes": ["desk"]}).encode()
    assert (await post(wire, body, **{"content-type": content_type})).status_code == 201


@pytest.mark.parametrize("path", ["/v1", "/v2/stories", "/v1/stories/", "/v1/desk/stories/urn:x:1/publish", "/%00"])
async def test_an_unknown_path_is_404(wire: World, path: str) -> None:
    """As a problem."""
    is_problem(await wire.http.get(path, headers=wire.operator), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/keys"), ("DELETE", "/v1/stories"), ("GET", "/v1/desk/stories/x/kill")]
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(wire: World, method: str, path: str) -> None:
    """As a problem, with Allow."""
    answer = await wire.http.request(method, path, headers=wire.operator)
    is_problem(answer, 405)
    assert answer.headers["allow"]


async def test_a_fault_of_ours_is_500_and_says_nothing_else(wire: World) -> None:
    """The stack is in the log, not in the answer."""
    configure_logs("gateway")
    wire.gateway.texts.kept = None  # type: ignore[attr-defined]  # breaks the desk's look at a text
    wire.know(filed())
    answer = await wire.http.get(f"/v1/desk/stories/{URN}", headers=wire.key("dan", "desk"))
    problem = is_problem(answer, 500)
    assert "NoneType" not in json.dumps(problem)


@pytest.mark.parametrize("embargo", ["2026-11-24T12:00:00", "2026-11-24", "tomorrow", "5", 5, None])
async def test_an_embargo_without_an_offset_is_422(wire: World, embargo: object) -> None:
    """A time that could mean several is none."""
    body = json.dumps({"embargo_until": embargo}).encode()
    answer = await post(wire, body, "/v1/desk/stories/urn:x:1/embargo", **wire.key("eve", "editor"))
    problem = is_problem(answer, 422)
    assert problem["errors"][0]["pointer"] == "/embargo_until"


@pytest.mark.parametrize("urgency", [0, 9, "soon"])
async def test_an_urgency_that_is_none_is_422(wire: World, urgency: object) -> None:
    """1 to 8."""
    body = json.dumps({"urgency": urgency}).encode()
    answer = await post(wire, body, "/v1/desk/stories/urn:x:1/urgency", **wire.key("eve", "editor"))
    assert is_problem(answer, 422)["errors"][0]["pointer"] == "/urgency"


async def test_the_documents_describe_what_is_answered(wire: World) -> None:
    """Every operation names its problems, needs a key, and has real models; FastAPI's own error shape is nowhere."""
    document = (await wire.http.get("/openapi.json")).json()
    assert "HTTPValidationError" not in json.dumps(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not path.startswith("/feeds"):
                assert operation["security"], path
            kinds = {kind for answer in operation["responses"].values() for kind in answer.get("content", {})}
            assert "application/problem+json" in kinds, path
    assert "Problem" in document["components"]["schemas"]
