"""How does a service say no over HTTP? problem+json (RFC 9457) for every error, with one page per type."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from shared.platform.logs import logger

CONTENT_TYPE = "application/problem+json"
TYPES = "https://slugline.example/errors/"
TITLES = {
    400: "Bad request",
    401: "No valid key",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Withdrawn",
    412: "It has changed meanwhile",
    413: "Too large",
    415: "Unsupported content type",
    422: "It cannot be taken as it is",
    428: "A condition is required",
    429: "Too many requests",
    431: "Request header too large",
    500: "Our mistake",
    501: "Not built yet",
    503: "Not available at the moment",
}


class Problem(Exception):
    """An answer that is not the one asked for: status, a stable code, a sentence, and what else helps."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> dict[str, Any]:
        """The members of the problem object; `errors` only where there are any."""
        members: dict[str, Any] = {
            "type": TYPES + self.code,
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        if self.errors:
            members["errors"] = self.errors
        return members

    def response(self) -> Response:
        return JSONResponse(self.body(), self.status, {**self.headers, "cache-control": "no-store"}, CONTENT_TYPE)


def unavailable(detail: str, retry_after_s: int = 2) -> Problem:
    """503 with `Retry-After`: nothing was lost, ask again."""
    return Problem(503, "unavailable", detail, headers={"retry-after": str(retry_after_s)})


def answer_problems(app: FastAPI) -> None:
    """Make every error of `app`, the framework's own included, a problem+json answer."""

    async def ours(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, Problem)
        return problem.response()

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [{"pointer": _pointer(each["loc"]), "message": each["msg"]} for each in error.errors()]
        said = "; ".join(f"{each['pointer']}: {each['message']}" for each in errors[:5])
        return Problem(422, "invalid", said, errors=errors).response()

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = TITLES.get(error.status_code, "error").lower().replace(" ", "-")
        return Problem(error.status_code, code, str(error.detail), headers=error.headers).response()

    async def unexpected(request: Request, error: Exception) -> Response:
        logger().error("http.failed", path=request.url.path, method=request.method, exc_info=error)
        return Problem(500, "internal", "Something went wrong on our side; it is logged.").response()

    app.add_exception_handler(Problem, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def pointer_of(path: Sequence[int | str]) -> str:
    """Return the JSON pointer (RFC 6901) of a path into a document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _pointer(place: Sequence[Any]) -> str:
    """FastAPI's place of an error as an RFC 6901 pointer into the body, or `?name` for a query parameter."""
    where, *rest = place or ("body",)
    if where == "query" and rest:
        return f"?{rest[0]}"
    if where == "header" and rest:
        return f"header {rest[0]}"
    return pointer_of(rest)
