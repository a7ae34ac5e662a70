"""The door: `POST /v1/intake/stories` and `/corrections`, for keys with scope `desk`."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from starlette.responses import JSONResponse, Response

from services.ingest import partial, reading
from services.ingest.handlers import Accepted, Asked, Door, MovedOn
from services.ingest.parsed import Parsed, TooLarge, Unparsable
from services.ingest.ports import Answers, Quarantine
from services.ingest.reading import UnsupportedType
from shared.domain.errors import Undecodable
from shared.domain.keys import require
from shared.domain.state import Principal
from shared.domain.story import Kind
from shared.platform.api_page import ApiPage, serve_api_page
from shared.platform.health import Health
from shared.platform.http import mount_ops
from shared.platform.problems import (
    Code,
    Problem,
    answer_problems,
    describe_problems,
    invalid_parameter,
    unauthorized,
    unavailable,
)
from shared.platform.publishing import PublishError
from shared.platform.raw_path import RawPath

MAX_BODY = 10 * 1024 * 1024
PARSING_AT_ONCE = 4
FILED_AS = (Kind.PUBLISH, Kind.UPDATE, Kind.REFILE, Kind.REPEAT)

Who = Callable[[str], Principal | None]


@dataclass(frozen=True, slots=True)
class Intake:
    """Everything a request needs. Until `known` says that all keys are read, one that `who` cannot place is 503."""

    door: Door
    quarantine: Quarantine
    answers: Answers
    who: Who
    known: Callable[[], bool]
    parsing: asyncio.Semaphore


def create_app(intake: Intake, health: Health) -> FastAPI:
    """Return the application; its routes answer problem+json for every refusal."""
    app = FastAPI(
        title="Slugline intake", version="1", openapi_url="/v1/intake/openapi.json", docs_url=None, redoc_url=None
    )
    app.add_middleware(RawPath)
    answer_problems(app)
    describe_problems(app)
    _routes(app, intake)
    serve_api_page(app, ApiPage("/v1/intake/docs", scope="desk"))
    mount_ops(app, health)
    return app


def _routes(app: FastAPI, intake: Intake) -> None:
    @app.post("/v1/intake/stories", status_code=202)
    async def file_story(
        request: Request,
        urgency: Annotated[int | None, Query(ge=1, le=8)] = None,
        embargo_until: Annotated[str | None, Query(description="RFC 3339 with offset")] = None,
        source: Annotated[str | None, Query(max_length=100, pattern=r"^[\w.-]+$")] = None,
        story_id: Annotated[str | None, Query(max_length=1024)] = None,
        kind: Kind | None = None,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
        if_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """File a story: ninjs 3.x or a story page as text. 202 once the broker has it; its receipt tells the rest."""
        principal = _principal(request, intake)
        body = await _body(request)
        if kind is not None and kind not in FILED_AS:
            raise invalid_parameter("kind", f"one of {', '.join(FILED_AS)}")
        asked = Asked(
            urgency=urgency,
            embargo_until=_instant(embargo_until),
            source=_source(source, principal),
            story_id=_story_id(story_id),
            kind=kind,
            idempotency=idempotency_key,
            if_match=_version(if_match),
        )
        content_type = request.headers.get("content-type", "")

        async def accept() -> Accepted:
            parsed = await _parsed(intake, body, content_type, asked)
            if parsed.pub_status != "usable":
                return await intake.door.cancel(parsed, asked, principal)
            return await intake.door.file(parsed, asked, principal)

        return await _answered(intake, principal, asked, body, accept)

    @app.post("/v1/intake/stories/{story_id:id}/corrections", status_code=202)
    async def correct_story(
        request: Request,
        story_id: str,
        urgency: Annotated[int | None, Query(ge=1, le=8)] = None,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
        if_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """File a correction: what was wrong, the fields it may change, and their new values. Merged by moderation."""
        principal = _principal(request, intake)
        body = await _body(request)
        asked = Asked(urgency=urgency, idempotency=idempotency_key, if_match=_version(if_match))
        known = _story_id(story_id)
        assert known is not None

        async def accept() -> Accepted:
            try:
                correction, fields = partial.parse(body)
            except Unparsable as error:
                raise await _quarantined(intake, body, error) from None
            return await intake.door.correct(known, fields, correction, asked, principal)

        return await _answered(intake, principal, asked, body, accept)


async def _answered(
    intake: Intake, principal: Principal, asked: Asked, body: bytes, accept: Callable[[], Any]
) -> Response:
    """Answer once per `Idempotency-Key`; a broker that is away is 503, and the same request may come again."""
    digest = hashlib.sha256(body).hexdigest()
    source = asked.source or principal.source
    if asked.idempotency and (before := await intake.answers.first(source, asked.idempotency)):
        if before["body"] != digest:
            detail = "this Idempotency-Key was used for another body; take a new key for a new filing"
            raise Problem(Code.KEY_REUSED, detail)
        return JSONResponse(before["answer"], 200)
    try:
        accepted: Accepted = await accept()
    except MovedOn as error:
        raise Problem(Code.CHANGED, str(error)) from None
    except PublishError:
        raise unavailable("the log does not confirm at the moment; nothing was promised, send the same again") from None
    answer = accepted.body()
    if asked.idempotency:
        await intake.answers.keep(source, asked.idempotency, {"body": digest, "answer": answer})
    return JSONResponse(answer, 200 if accepted.duplicate else 202)


async def _parsed(intake: Intake, body: bytes, content_type: str, asked: Asked) -> Parsed:
    """Parse off the loop: a page of megabytes takes a second, and others are waiting."""
    try:
        async with intake.parsing:
            return await asyncio.to_thread(reading.parse, body, content_type)
    except UnsupportedType as error:
        raise Problem(Code.UNSUPPORTED_TYPE, str(error)) from None
    except TooLarge as error:
        raise Problem(Code.TOO_LARGE, str(error)) from None
    except Unparsable as error:
        raise await _quarantined(intake, body, error) from None


async def _quarantined(intake: Intake, body: bytes, error: Unparsable) -> Problem:
    """Keep the bytes for replay, then say what is wrong with them."""
    reference = f"quarantine_{secrets.token_hex(8)}"
    errors = [_error(each.pointer, each.line, each.message) for each in error.errors]
    if body:
        try:
            await intake.quarantine.park_bytes(reference, body, Undecodable(str(error)), "parse")
        except PublishError:
            return unavailable("it cannot be read, and the quarantine does not confirm; send the same again")
    return Problem(Code.UNPARSABLE, str(error)[:500], errors=errors, quarantine=reference if body else None)


def _error(pointer: str | None, line: int | None, message: str) -> dict[str, Any]:
    place = {"pointer": pointer} if pointer is not None else {"line": line} if line is not None else {"pointer": ""}
    return {**place, "message": message}


def _principal(request: Request, intake: Intake) -> Principal:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    sent = key.strip() if scheme.lower() == "bearer" else ""
    principal = intake.who(sent) if sent else None
    if principal is None and sent and not intake.known():
        raise unavailable("the keys are being read; send the same again")
    if principal is None:
        raise unauthorized()
    require(principal, "desk")
    return principal


async def _body(request: Request) -> bytes:
    """Read at most `MAX_BODY`; what claims or turns out to be more is 413 before it is all read."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise Problem(Code.TOO_LARGE, f"the body is {declared} bytes; at most {MAX_BODY} are taken")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise Problem(Code.TOO_LARGE, f"the body is over {MAX_BODY} bytes, the most that is taken")
    return bytes(body)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a + in a query arrives as a space
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        message = "give an RFC 3339 time with its offset, like 2026-11-24T12:00:00Z"
        raise invalid_parameter("embargo_until", message)
    return at


def _source(source: str | None, principal: Principal) -> str | None:
    """A key may file only as its own source, unless it is the desk's, which files for all."""
    if source is None or principal.source in {source, "desk"}:
        return source
    raise Problem(Code.FORBIDDEN, f"this key files as {principal.source}")


def _story_id(text: str | None) -> str | None:
    if text is None:
        return None
    if not text or len(text) > 1024 or any(ord(each) < 33 or ord(each) == 127 for each in text):
        message = "a story_id is 1 to 1024 characters without spaces or control characters"
        raise invalid_parameter("story_id", message)
    return text


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    number = if_match.strip().strip('"')
    if not number.isdigit():
        raise invalid_parameter("If-Match", 'takes a version number in quotes: "3"')
    return int(number)
