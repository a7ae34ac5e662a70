"""The gateway's application: routes, layers around them, problems for every error."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.accepted import Accepted
from services.gateway.answer_headers import AnswerHeaders
from services.gateway.body_rules import BodyRules
from services.gateway.context import Gateway
from services.gateway.cors import Cors
from services.gateway.described import OPERATIONS, PAGE, name_scopes
from services.gateway.knock import Knock
from services.gateway.methods import Methods
from services.gateway.problems import PROBLEMS
from services.gateway.raw_path import with_uri
from services.gateway.repeated import Answers, Repeated
from services.gateway.request_rates import HeldBack, RequestRates
from services.gateway.routes import (
    deliveries,
    desk,
    endpoints,
    feeds,
    filters,
    keys,
    listeners,
    products,
    receipts,
    replays,
    schedule,
    secrets,
    stories,
    subscriptions,
)
from services.gateway.shelf import Shelf
from services.gateway.stream.admission import POLL_PATH
from services.gateway.stream.listing import Row
from services.gateway.stream.wakefulness import Wakefulness
from services.gateway.timing import Timing
from services.gateway.up_to_date import UpToDate
from shared.platform.api_page import serve_api_page
from shared.platform.health import Health
from shared.platform.http import mount_ops
from shared.platform.problems import answer_problems, describe_problems
from shared.platform.raw_path import RawPath

_ROUTES = (
    keys,
    receipts,
    desk,
    stories,
    subscriptions,
    products,
    filters,
    endpoints,
    replays,
    deliveries,
    schedule,
    feeds,
    secrets,
    listeners,
)
ROUTERS = tuple(routes.router for routes in _ROUTES)
Poll = Callable[[Request], Awaitable[Response]]
Listening = Callable[[int, int], Sequence[Row]]
"""Stream clients behind a number, so many at most."""


def nobody(after: int, limit: int) -> Sequence[Row]:
    """Nobody listens."""
    return ()


DESCRIPTION = """
An open newswire. Every route needs a key (`Authorization: Bearer sl_…`) but for health, metrics, these documents
and, on a public site, the feeds. Errors are `application/problem+json`. Story ids are percent-encoded in paths; where
a story is read, `?uri=` may stand in place of the id's segment. The stream is `GET /v1/stream` (server-sent events),
`GET /v1/ws` (WebSocket) or `GET /v1/poll`.
"""


def create_app(
    gateway: Gateway,
    health: Health,
    *,
    known: Callable[[], bool],
    public_site: bool,
    poll: Poll | None = None,
    listening: Listening = nobody,
    origins: frozenset[str] = frozenset(),
    rates: RequestRates | None = None,
    answers: Answers | None = None,
    wakefulness: Wakefulness | None = None,
) -> FastAPI:
    """Return the application over what `main` put together; it opens nothing itself. `poll` answers /v1/poll,
    `listening` tells of the stream's clients.

    `origins`: of pages that may read the answers; `rates`: what one key may ask, None for no limit;
    `answers`: first answers by idempotency key, beside those in memory; `wakefulness`: of this process, so that
    nothing is answered from what it knew before a standstill.
    """
    app = FastAPI(
        title="Slugline", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None, redirect_slashes=False,
        separate_input_output_schemas=False,
    )  # fmt: skip
    app.state.gateway = gateway
    app.state.listeners = listening
    for router in ROUTERS:
        app.include_router(router)
    if poll is not None:
        app.router.routes.append(Route(POLL_PATH, poll, methods=["GET"], include_in_schema=False))
    mount_ops(app, health)
    serve_api_page(app, PAGE)
    answer_problems(app, PROBLEMS)
    app.add_middleware(Shelf, kept=gateway.kept, visible=gateway.visible)
    app.add_middleware(UpToDate, wakefulness=wakefulness)
    app.add_middleware(Timing)
    app.add_middleware(Repeated, answers=answers)
    app.add_middleware(HeldBack, rates=rates)
    app.add_middleware(Knock, who=gateway.keys.book.who, known=known, public_site=public_site)
    app.add_middleware(BodyRules)
    app.add_middleware(Accepted)
    app.add_middleware(Methods, routes=[*app.routes, *(route for router in ROUTERS for route in router.routes)])
    app.add_middleware(RawPath, rewrite=with_uri)
    app.add_middleware(Cors, origins=origins)
    app.add_middleware(AnswerHeaders)  # added last, so that it is the first
    describe_problems(app, OPERATIONS)
    name_scopes(app, ROUTERS)
    return app
