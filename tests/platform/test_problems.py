"""What does a service say instead of what was asked for? The problems every HTTP service shares."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Query

from shared.domain.errors import NotAllowed, Refusal, UnknownStory
from shared.platform.logs import configure_logs
from shared.platform.problems import Code, Problem, answer_problems, code_of, describe_problems, invalid_parameter
from shared.platform.publishing import PublishTimeout


class Own(Refusal):
    """A refusal of one application."""


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """An application that raises what its path names."""
    configure_logs("test")
    app = FastAPI()
    raised: dict[str, Exception] = {
        "problem": invalid_parameter("urgency", "1 to 8"),
        "unknown": UnknownStory("no"),
        "not-allowed": NotAllowed("no"),
        "refused": Refusal("no"),
        "own": Own("no"),
        "unconfirmed": PublishTimeout("no"),
        "teapot": HTTPException(418, "no"),
        "fault": RuntimeError("secret"),
    }

    @app.get("/raise/{what}")
    async def raise_it(what: str, number: Annotated[int, Query(ge=1)] = 1) -> None:
        raise raised[what]

    answer_problems(app, {Own: lambda _: Problem(Code.KILLED, "gone")})
    describe_problems(app)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://wire.test") as client:
        yield client


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("problem", Code.INVALID),
        ("unknown", Code.NOT_FOUND),
        ("not-allowed", Code.FORBIDDEN),
        ("refused", Code.CONFLICT),
        ("own", Code.KILLED),
        ("unconfirmed", Code.UNAVAILABLE),
        ("teapot", Code.BAD_REQUEST),
        ("fault", Code.INTERNAL),
    ],
)
async def test_an_error_is_a_problem_of_its_kind(http: httpx2.AsyncClient, what: str, code: Code) -> None:
    """Status, title and type go together; nothing is kept by a cache."""
    answer = await http.get(f"/raise/{what}")
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.status_code, body["status"], body["title"], body["type"]) == (
        code.status, code.status, code.title, f"/errors/{code.page}",
    )  # fmt: skip
    assert "secret" not in answer.text


async def test_the_type_of_an_answer_leads_to_its_page(http: httpx2.AsyncClient) -> None:
    """Relative to the host that gave the answer."""
    answer = await http.get("/raise/unknown")
    page = await http.get(answer.json()["type"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert page.text.startswith("# Not Found\n")


@pytest.mark.parametrize("page", ["nothing", "..%2F..%2FREADME", "not-found.md"])
async def test_only_the_pages_of_codes_are_served(http: httpx2.AsyncClient, page: str) -> None:
    """No other file has an address."""
    answer = await http.get(f"/errors/{page}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_wrong_parameter_is_named_without_its_value(http: httpx2.AsyncClient) -> None:
    """422 with `parameter`."""
    answer = await http.get("/raise/problem", params={"number": "hunter2"})
    assert [error["parameter"] for error in answer.json()["errors"]] == ["number"]
    assert "hunter2" not in answer.text


async def test_the_framework_refuses_in_the_same_form(http: httpx2.AsyncClient) -> None:
    """An unknown path and a wrong method."""
    unknown, wrong = await http.get("/nowhere"), await http.put("/raise/fault")
    assert (unknown.json()["type"], wrong.json()["type"]) == ("/errors/not-found", "/errors/method-not-allowed")
    assert wrong.headers["allow"] == "GET"


async def test_the_document_shows_the_problem_that_is_sent(http: httpx2.AsyncClient) -> None:
    """The framework's own error shapes are never sent, so they are not described."""
    document = (await http.get("/openapi.json")).json()
    assert set(document["components"]["schemas"]) == {"Problem"}
    [answer] = document["paths"]["/raise/{what}"]["get"]["responses"]["422"]["content"]
    assert answer == "application/problem+json"


def test_every_status_has_a_kind() -> None:
    """One without its own is of its class."""
    assert (code_of(422), code_of(418), code_of(502)) == (Code.INVALID, Code.BAD_REQUEST, Code.INTERNAL)
