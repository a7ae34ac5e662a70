"""What does operations ask, and what is answered? Monitor's HTTP: from memory, but for dead letters and the audit."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request

from services.monitor.answers import FlightAnswer, WaitAnswer, flight_answer, wait_answer
from services.monitor.audit_routes import audit_routes
from services.monitor.board import Board
from services.monitor.dead_routes import dead_routes
from services.monitor.lag import LagRow
from services.monitor.lag_watch import LagWatch
from services.monitor.ports import AuditReader, DeadReader, Unreadable
from services.monitor.redrive import Redriver
from services.monitor.redriven import Redriven
from services.monitor.staleness import StalenessRow
from shared.domain.keys import require
from shared.domain.state import Principal
from shared.platform.api_page import ApiPage, serve_api_page
from shared.platform.health import Health
from shared.platform.http import mount_ops
from shared.platform.principals import PrincipalBook
from shared.platform.problems import Code, Problem, answer_problems, describe_problems, unauthorized, unavailable
from shared.platform.raw_path import RawPath

STORIES = "/v1/ops/stories"
KEYS = "keys"
"""The check of readiness that says whether every key is known."""
Uri = Annotated[str | None, Query(description="a story id; the same as asking for the story by path")]


@dataclass(frozen=True, slots=True)
class Dead:
    """What handles dead letters: who reads one, which have gone back, and who sends them."""

    reader: DeadReader
    redriven: Redriven
    redriver: Redriver


def create_app(
    board: Board, lag: LagWatch, dead: Dead, audit: AuditReader, principals: PrincipalBook, health: Health
) -> FastAPI:
    """Return the application; /livez, /readyz and /metrics need no key, everything else scope `operator`."""

    def operator(request: Request) -> Principal:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        principal = principals.who(key.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            if KEYS in health.ready()[1]:  # a good key that is not known yet would be given up as a bad one
                raise unavailable("The keys have not been read yet.")
            raise unauthorized()
        require(principal, "operator")
        return principal

    app = FastAPI(title="Slugline monitor", docs_url=None, redoc_url=None, openapi_url="/v1/ops/openapi.json")
    answer_problems(app, {Unreadable: lambda error: unavailable(f"The broker does not answer: {error}.")})
    describe_problems(app)
    serve_api_page(app, ApiPage("/v1/ops/docs", scope="operator"))
    guarded = [Depends(operator)]

    @app.get("/v1/ops/lag", dependencies=guarded)
    async def lags(group: str | None = None, topic: str | None = None) -> list[LagRow]:
        """Every group on every partition, worst first, as of the newest reading."""
        rows = lag.rows()
        if rows is None:
            raise unavailable("The lag has not been read yet.")
        return [row for row in rows if group in (None, row.group) and topic in (None, row.topic)]

    @app.get("/v1/ops/staleness", dependencies=guarded)
    async def staleness() -> list[StalenessRow]:
        """How old stories were when they left, over the last ten minutes, with the time spent in each stage."""
        return board.staleness.rows()

    @app.get(STORIES, dependencies=guarded, response_model=list[WaitAnswer] | FlightAnswer)
    async def stories(
        uri: Uri = None,
        stuck_s: Annotated[float, Query(ge=0, description="seconds a story must have waited")] = 10.0,
        stage: str | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 500,
    ) -> list[WaitAnswer] | FlightAnswer:
        """Stories that wait, and for what; with `uri` one story's flight record."""
        if uri is not None:
            return _flight(board, uri)
        return [wait_answer(wait) for wait in board.stuck(timedelta(seconds=stuck_s), stage)[:limit]]

    @app.get(f"{STORIES}/{{story_id:id}}", dependencies=guarded)
    async def story(story_id: str) -> FlightAnswer:
        """One story's flight record: its hops with topic, partition, offset and time, and what it waits for."""
        return _flight(board, story_id)

    app.include_router(dead_routes(board.dead, dead.redriven, dead.reader, dead.redriver, operator))
    app.include_router(audit_routes(audit, operator))
    app.add_middleware(RawPath)
    mount_ops(app, health)
    return app


def _flight(board: Board, story_id: str) -> FlightAnswer:
    found = board.flight(story_id)
    if found is None:
        raise Problem(
            Code.NOT_FOUND, f"Nothing of {story_id} has been seen since monitor's memory begins; is the id right?"
        )
    return flight_answer(*found)
