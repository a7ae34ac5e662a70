"""How does a refusal look over HTTP? problem+json (RFC 9457), and the only place that knows a refusal's status."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from services.gateway.refusals import Changed, Conflict, Gone, Later, NotFound, NotReady, Unfit
from shared.domain.errors import IllegalMove, NotAllowed, Refusal, UnknownStory
from shared.platform.logs import logger
from shared.platform.problems import pointer_of
from shared.platform.publishing import PublishError

STATUS: Final[dict[type[Refusal], int]] = {
    NotFound: 404,
    UnknownStory: 404,
    NotAllowed: 403,
    IllegalMove: 409,
    Conflict: 409,
    Gone: 410,
    Changed: 412,
    Unfit: 422,
    Later: 501,
}

_UNREADABLE: Final = "There was an error parsing the body"


class Problem(BaseModel):
    """What every error looks like."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(default="", examples=["/filter/colour: no such field"])
    errors: list[dict[str, Any]] | None = Field(
        default=None, examples=[[{"pointer": "/filter/colour", "message": "no such field"}]]
    )


class ProblemResponse(JSONResponse):
    """A problem as a response."""

    media_type = "application/problem+json"


def problem(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None, title: str = "", **more: Any
) -> ProblemResponse:
    """Return the response; `more` are extension members."""
    shown = {"type": "about:blank", "title": title or HTTPStatus(status).phrase, "status": status, "detail": detail}
    return ProblemResponse({**shown, **more}, status_code=status, headers=dict(headers or {}))


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems a route may answer, for its OpenAPI."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in (401, 403, *statuses)
    }


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(NotReady, _not_ready)
    app.add_exception_handler(PublishError, _not_published)
    app.add_exception_handler(TimeoutError, _not_published)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 409)
    more: dict[str, Any] = {}
    if isinstance(error, Unfit):
        more["errors"] = [dict(one) for one in error.errors]
    elif isinstance(error, Gone):
        more |= error.notice
    return problem(status, str(error), **more)


async def _not_ready(_: Request, error: Exception) -> JSONResponse:
    wait = error.retry_after if isinstance(error, NotReady) else 1
    return problem(503, str(error), {"retry-after": str(wait)})


async def _not_published(_: Request, error: Exception) -> JSONResponse:
    logger().warning("request.not_kept", error=type(error).__name__)
    return problem(503, "the broker does not answer; repeat the request", {"retry-after": "2"})


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [_in_words(one["loc"], one["msg"]) for one in found]
    detail = "; ".join(f"{one.get('pointer') or one.get('parameter') or 'body'}: {one['message']}" for one in errors)
    return problem(422, detail, errors=errors)


def _in_words(loc: Sequence[int | str], message: str) -> dict[str, str]:
    where, *path = loc or ("body",)
    if where == "body":
        if path and message.startswith("JSON decode error"):
            return {"pointer": "", "message": f"not JSON at character {path[0]}"}
        return {"pointer": pointer_of(path), "message": message}
    return {"parameter": ".".join(str(part) for part in path), "message": message}


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400 and error.detail == _UNREADABLE:
        wrong = [{"pointer": "", "message": "the body is not JSON in UTF-8"}]
        return problem(422, "the body is not JSON in UTF-8", errors=wrong)
    return problem(error.status_code, _more_than(error), error.headers)


def _more_than(error: HTTPException) -> str:
    """The detail, where it says more than the status does."""
    return "" if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    logger().error("request.failed", exc_info=error)
    return problem(500, "this is our fault; it has been logged")
