"""How does a service say no over HTTP? problem+json (RFC 9457) for every error, with one page per type."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.domain.errors import NotAllowed, Refusal, UnknownStory
from shared.platform.logs import logger
from shared.platform.publishing import PublishError

CONTENT_TYPE: Final = "application/problem+json"
PREFIX: Final = "/errors/"
"""`type` is a relative reference: it resolves on whatever host gave the answer."""
PAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "errors"

_UNREADABLE: Final = "There was an error parsing the body"
_NOT_JSON: Final = "the body is not JSON in UTF-8"


class Code(Enum):
    """Every kind of problem: its name in `type`, its status and its title. Each has its page in docs/errors."""

    BAD_REQUEST = ("bad-request", 400, "Bad Request")
    UNAUTHORIZED = ("unauthorized", 401, "Unauthorized")
    FORBIDDEN = ("forbidden", 403, "Forbidden")
    NOT_FOUND = ("not-found", 404, "Not Found")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "Method Not Allowed")
    NOT_ACCEPTABLE = ("not-acceptable", 406, "Not Acceptable")
    REQUEST_TIMEOUT = ("request-timeout", 408, "Request Timeout")
    CONFLICT = ("conflict", 409, "Conflict")
    KILLED = ("killed", 410, "Killed")
    CHANGED = ("changed", 412, "Changed Meanwhile")
    TOO_LARGE = ("too-large", 413, "Content Too Large")
    UNSUPPORTED_TYPE = ("unsupported-type", 415, "Unsupported Media Type")
    INVALID = ("invalid", 422, "Cannot Be Understood")
    UNPARSABLE = ("unparsable", 422, "Story Cannot Be Read")
    KEY_REUSED = ("idempotency-key-reused", 422, "Idempotency Key Reused")
    UPGRADE_REQUIRED = ("upgrade-required", 426, "Upgrade Required")
    TOO_MANY_REQUESTS = ("too-many-requests", 429, "Too Many Requests")
    HEAD_TOO_LARGE = ("head-too-large", 431, "Request Head Too Large")
    INTERNAL = ("internal", 500, "Our Mistake")
    UNAVAILABLE = ("unavailable", 503, "Not Available At The Moment")

    def __init__(self, page: str, status: int, title: str) -> None:
        self.page = page
        self.status = status
        self.title = title

    @property
    def type(self) -> str:
        return f"{PREFIX}{self.page}"


def code_of(status: int) -> Code:
    """Return the general code of a status; for one that has none, that of its class."""
    fallback = Code.INTERNAL if status >= 500 else Code.BAD_REQUEST
    return next((code for code in Code if code.status == status), fallback)


class Problem(Exception):
    """An answer that is not the one asked for: a code, a sentence, what is wrong where, and what else helps.

    `errors` have `pointer` (RFC 6901, into the body), `parameter` or `line`, and `message`.
    """

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> dict[str, Any]:
        """The members of the problem object; `errors` only where there are any."""
        code = self.code
        members = {"type": code.type, "title": code.title, "status": code.status, "detail": self.detail, **self.more}
        return members | ({"errors": self.errors} if self.errors else {})

    def response(self) -> Response:
        headers = {"cache-control": "no-store", **self.headers}
        return JSONResponse(self.body(), self.code.status, headers, CONTENT_TYPE)


def unauthorized(detail: str = "send a key: Authorization: Bearer sl_…") -> Problem:
    """401: no key, or none that is known."""
    return Problem(Code.UNAUTHORIZED, detail, headers={"www-authenticate": "Bearer"})


def unavailable(detail: str, retry_after_s: int = 2) -> Problem:
    """503 with `Retry-After`: nothing was lost, ask again."""
    return Problem(Code.UNAVAILABLE, detail, headers={"retry-after": str(retry_after_s)})


def invalid_parameter(name: str, message: str) -> Problem:
    """422 for one query parameter or header."""
    return Problem(Code.INVALID, f"{name}: {message}", errors=[{"parameter": name, "message": message}])


def pointer_of(path: Sequence[int | str]) -> str:
    """Return the JSON pointer (RFC 6901) of a path into a document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


Judge = Callable[[Any], Problem]


def answer_problems(app: FastAPI, own: Mapping[type[Exception], Judge] | None = None) -> None:
    """Make every error of `app`, the framework's own included, a problem, and serve the pages of their types.

    `own` says what the application's own errors are; of an error's classes the nearest counts.
    """
    for kind, judge in {**_JUDGES, **(own or {})}.items():
        app.add_exception_handler(kind, _answering(judge))
    app.router.routes.append(Route(PREFIX + "{page}", _page, methods=["GET"], include_in_schema=False))


def _answering(judge: Judge) -> Callable[[Request, Exception], Any]:
    async def answer(_: Request, error: Exception) -> Response:
        return judge(error).response()

    return answer


async def _page(request: Request) -> Response:
    """What a problem means and what to do: docs/errors, for the names that `Code` knows."""
    page = request.path_params["page"]
    if page not in {code.page for code in Code}:
        raise Problem(Code.NOT_FOUND, "there is no such kind of problem")
    return Response((PAGES / f"{page}.md").read_bytes(), media_type="text/markdown; charset=utf-8")


def _refused(code: Code) -> Judge:
    return lambda refusal: Problem(code, str(refusal))


def _invalid(error: RequestValidationError) -> Problem:
    errors = [_in_words(one["loc"], one["msg"]) for one in error.errors()]
    said = "; ".join(f"{one.get('pointer') or one.get('parameter') or 'body'}: {one['message']}" for one in errors[:5])
    return Problem(Code.INVALID, said, errors=errors)


def _in_words(loc: Sequence[int | str], message: str) -> dict[str, str]:
    """Say where and what, never the value, which may be a secret."""
    where, *path = loc or ("body",)
    if where == "body":
        if path and message.startswith("JSON decode error"):
            return {"pointer": "", "message": f"not JSON at character {path[0]}"}
        return {"pointer": pointer_of(path), "message": message}
    return {"parameter": ".".join(str(part) for part in path), "message": message}


def _http(error: HTTPException) -> Problem:
    if error.status_code == 400 and error.detail == _UNREADABLE:
        return Problem(Code.INVALID, _NOT_JSON, errors=[{"pointer": "", "message": _NOT_JSON}])
    says_more = error.detail != HTTPStatus(error.status_code).phrase
    return Problem(code_of(error.status_code), str(error.detail) if says_more else "", headers=error.headers)


def _not_kept(error: Exception) -> Problem:
    logger().warning("request.not_kept", error=type(error).__name__)
    return unavailable("the broker does not answer; repeat the request")


def _failed(error: Exception) -> Problem:
    logger().error("request.failed", exc_info=error)
    return Problem(Code.INTERNAL, "this is our fault; it has been logged")


_JUDGES: Final[Mapping[type[Exception], Judge]] = {
    Problem: lambda problem: problem,
    UnknownStory: _refused(Code.NOT_FOUND),
    NotAllowed: _refused(Code.FORBIDDEN),
    Refusal: _refused(Code.CONFLICT),
    PublishError: _not_kept,
    TimeoutError: _not_kept,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _failed,
}


class ProblemBody(BaseModel):
    """What every error looks like."""

    type: str = Field(description="its page: what it means and what to do", examples=[Code.INVALID.type])
    title: str = Field(examples=[Code.INVALID.title])
    status: int = Field(examples=[422])
    detail: str = Field(default="", examples=["/filter/colour: no such field"])
    errors: list[dict[str, Any]] | None = Field(
        default=None, examples=[[{"pointer": "/filter/colour", "message": "no such field"}]]
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems a route may answer, for its OpenAPI; those of a missing key or scope are among them."""
    return {
        status: {
            "description": code_of(status).title,
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in (401, 403, *statuses)
    }


def describe_problems(app: FastAPI, operations: Mapping[str, Any] | None = None) -> None:
    """Put the problem's shape into the OpenAPI document, in place of the framework's, which is never sent.

    `operations` are paths that other code than the application's routes answers.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            document["paths"] |= operations or {}
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = ProblemBody.model_json_schema()
            for path in document["paths"].values():
                for operation in path.values():
                    _replace_frameworks(operation["responses"])
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        assert app.openapi_schema is not None, "made above"
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _replace_frameworks(answers: dict[str, Any]) -> None:
    if "application/json" in answers.get("422", {}).get("content", {}):
        answers["422"] = responses(422)[422]
