"""What gets a client that asks now and then, instead of holding a connection open? The same events, as one answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from services.gateway.stream.admission import POLL_PATH, Admission
from services.gateway.stream.filter_query import pairs_of, unprocessable
from services.gateway.stream.hub import StreamHub
from services.gateway.stream.ports import HeaderView, Problem

MOST_WAIT_S: Final = 60.0
AT_LEAST_S: Final = 5.0
"""How long an answer that has to be read from the log may take, whatever `wait` says."""
MOST_BYTES: Final = 1024 * 1024
_UNREAD: Final = Problem(
    503,
    "The log cannot be read",
    "What this process no longer holds in memory was not to be had from the log; your cursor stays as it is.",
    headers=(("retry-after", "1"),),
)
NO_STORE: Final = {"cache-control": "no-store"}


class Basket(asyncio.Transport):
    """A transport that keeps what a client of the hub is written; full at `MOST_BYTES`."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.worth_an_answer = asyncio.Event()
        self._protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """One bound holds for every basket."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        was_full = len(self.written) > MOST_BYTES
        self.written += data
        if self.written:
            self.worth_an_answer.set()
        if not was_full and len(self.written) > MOST_BYTES and isinstance(self._protocol, asyncio.Protocol):
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def close(self) -> None:
        """The hub lets the client go: what there is, is the answer."""
        self.worth_an_answer.set()

    def abort(self) -> None:
        self.close()


async def poll(hub: StreamHub, admission: Admission, wait_s: float, receive: Receive | None = None) -> bytes | Problem:
    """Return `{"events", "cursor"}` as soon as there is an event, or after `wait_s`; the cursor resumes exactly.

    `receive` is the request's: nobody waits for a client that has left. A problem where the stream closed or filled up
    while this process caught up, or where nobody knows yet where the client begins: there is no cursor to answer with.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(AT_LEAST_S):
            await hub.wakefulness.until_fresh()
    if refused := hub.no_room(admission.key):
        return refused
    basket = Basket()
    client = hub.open(admission, basket, set())
    leaving = None if receive is None else asyncio.create_task(_close_when_left(receive, basket), name="poll.leaving")
    try:
        within = max(wait_s, AT_LEAST_S) if client.busy else wait_s
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await basket.worth_an_answer.wait()
        if not client.greeted:
            return _UNREAD
        events = bytes(basket.written).rstrip().replace(b"\n", b",")  # a line each, and none within an event
        return b'{"events":[%b],"cursor":"%b"}' % (events, hub.cursor_of(client).encode())
    finally:
        if leaving is not None:
            leaving.cancel()
        client.connection_lost(None)


async def _close_when_left(receive: Receive, basket: Basket) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # what it sends with a GET is no matter
    basket.close()


def poll_endpoint(hub: StreamHub) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of `GET /v1/poll?cursor=&wait=` for a Starlette route; parameters as for the stream."""

    async def endpoint(request: Request) -> Response:
        query = pairs_of(request.scope["query_string"])
        if isinstance(query, Problem):
            return _problem(query)
        wait_s = _wait_of(query)
        if isinstance(wait_s, Problem):
            return _problem(wait_s)
        pairs = tuple(pair for pair in query if pair[0] != "wait")
        judged = hub.admit(HeaderView(request.method, POLL_PATH, pairs, dict(request.headers)))
        if isinstance(judged, Problem):
            return _problem(judged)
        if judged.claim is not None and (refused := await judged.claim()):
            return _problem(refused)
        answer = await poll(hub, judged, wait_s, request.receive)
        if isinstance(answer, Problem):
            return _problem(answer)
        return Response(answer, media_type="application/json", headers=NO_STORE)

    return endpoint


def _wait_of(query: tuple[tuple[str, str], ...]) -> float | Problem:
    """The last `wait`, in seconds; 0 without one."""
    told = [value for name, value in query if name == "wait"]
    try:
        wait_s = float(told[-1]) if told else 0.0
    except ValueError:
        wait_s = -1.0
    if 0 <= wait_s <= MOST_WAIT_S:
        return wait_s
    return unprocessable([{"parameter": "wait", "message": f"0 to {MOST_WAIT_S:g} seconds"}])


def _problem(problem: Problem) -> Response:
    return JSONResponse(
        problem.body(),
        problem.status,
        media_type="application/problem+json",
        headers=NO_STORE | dict(problem.headers),
    )
