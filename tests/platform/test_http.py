"""Do the operations routes tell the truth, and does the server start, drain and stop as its job is told?"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from deploy.local.ports import free_port, is_free
from shared.platform.health import Health
from shared.platform.http import DRAIN_SECONDS, mount_ops, ops_app, serve
from shared.platform.problems import CONTENT_TYPE
from tests.waiting import wait_until

WITHIN = 10


@asynccontextmanager
async def served(
    app: ASGIApp, drain: int = DRAIN_SECONDS
) -> AsyncIterator[tuple[httpx2.AsyncClient, Callable[[], None], asyncio.Task[None]]]:
    """A client of `app` on a free port, what stops the server, and the server's task."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, drain=drain, listening=port.set_result))
    try:
        number = await asyncio.wait_for(port, WITHIN)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{number}", timeout=WITHIN) as client:
            yield client, stop.set, task
    finally:
        stop.set()
        await asyncio.wait_for(task, WITHIN)


async def test_readyz_gives_the_reasons_until_the_process_is_ready() -> None:
    """503 with each failing check in words, then 200."""
    health = Health("broker")
    async with served(ops_app(health)) as (client, _, _):
        waiting = await client.get("/readyz")
        health.set("broker", True)
        ready = await client.get("/readyz")
    assert (waiting.status_code, waiting.json()) == (503, {"ready": False, "reasons": {"broker": "starting"}})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": {}})


async def test_livez_is_about_the_process_not_about_its_surroundings() -> None:
    """200 while it waits for a broker; 503 once it says that it cannot recover."""
    health = Health("broker")
    async with served(ops_app(health)) as (client, _, _):
        waiting = await client.get("/livez")
        health.condemn("reader", "lost its place")
        lost = await client.get("/livez")
    assert waiting.status_code == 200
    assert (lost.status_code, lost.json()["reasons"]) == (503, {"reader": "lost its place"})


async def test_metrics_are_in_prometheus_text() -> None:
    """What `exposition` says, with its content type, and never from a cache."""
    async with served(ops_app(Health())) as (client, _, _):
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    assert "wire_ready 1.0" in answer.text


@pytest.mark.parametrize("make", [FastAPI, Starlette])
async def test_operations_routes_come_before_a_catch_all(make: Callable[[], FastAPI | Starlette]) -> None:
    """Pages of the public site can hide neither health nor metrics, on either kind of application."""

    async def page(_: Request) -> Response:
        return PlainTextResponse("a page")

    app = make()
    app.router.routes.append(Route("/{path:path}", page))
    mount_ops(app, Health())
    async with served(app) as (client, _, _):
        assert (await client.get("/livez")).json() == {"live": True, "reasons": {}}
        assert (await client.get("/anything")).text == "a page"


async def test_a_request_in_hand_is_answered_before_the_server_is_gone() -> None:
    """Stopping refuses new connections and waits for what has begun."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        began.set()
        await go_on.wait()
        return PlainTextResponse("done")

    async with served(Starlette(routes=[Route("/", slow)])) as (client, stop, task):
        answer = asyncio.create_task(client.get("/"))
        await began.wait()
        stop()
        await wait_until(lambda: refused(client), WITHIN)
        go_on.set()
        assert (await answer).text == "done"
        await asyncio.wait_for(task, WITHIN)


async def test_a_request_that_outlasts_the_drain_is_503_and_may_be_sent_again() -> None:
    """It is not our mistake, and nobody knows whether it was done."""
    began = asyncio.Event()

    async def endless(_: Request) -> Response:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody ends it")

    async with served(Starlette(routes=[Route("/", endless)]), drain=1) as (client, stop, _):
        waiting = asyncio.create_task(client.get("/"))
        await began.wait()
        stop()
        answer = await waiting
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (answer.headers["content-type"], answer.json()["type"]) == (CONTENT_TYPE, "/errors/unavailable")


async def test_connections_wait_while_the_process_says_that_it_is_not_there_yet() -> None:
    """Who connects early is answered late, and rightly, instead of being refused."""
    stop, there = asyncio.Event(), asyncio.Event()
    port = free_port()
    serving = asyncio.create_task(serve(ops_app(Health()), "127.0.0.1", port, stop, hold=lambda: wait_for(there)))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN) as client:
        await wait_until(lambda: not is_free(port), WITHIN)
        early = asyncio.create_task(client.get("/livez"))
        with pytest.raises(httpx2.ReadTimeout):
            await client.get("/livez", timeout=0.2)
        assert not early.done()
        there.set()
        assert (await early).status_code == 200
    stop.set()
    await asyncio.wait_for(serving, WITHIN)


async def test_a_process_that_is_told_to_stop_before_it_was_there_stops() -> None:
    """It need not become ready first."""
    stop = asyncio.Event()
    stop.set()
    never = asyncio.Event()
    held = serve(ops_app(Health()), "127.0.0.1", 0, stop, hold=lambda: wait_for(never))
    await asyncio.wait_for(held, WITHIN)


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()


async def test_an_answer_that_has_begun_ends_where_it_was_cut() -> None:
    """Its status is sent; what is missing shows in the connection that ends too early."""

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    async def begun(_: Request) -> Response:
        return StreamingResponse(half(), headers={"content-length": "8"})

    async with served(Starlette(routes=[Route("/", begun)]), drain=1) as (client, stop, _):
        async with client.stream("GET", "/") as answer:
            stop()
            with pytest.raises(httpx2.RemoteProtocolError):
                await answer.aread()
        assert answer.status_code == 200


async def refused(client: httpx2.AsyncClient) -> bool:
    """Whether a new connection is turned away."""
    async with httpx2.AsyncClient(base_url=client.base_url) as another:
        try:
            await another.get("/livez", timeout=0.5)
        except (httpx2.ConnectError, httpx2.TimeoutException):
            return True
    return False


async def test_a_taken_address_is_an_error_not_an_exit() -> None:
    """The job fails by name instead of ending the interpreter from within."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await serve(ops_app(Health()), "127.0.0.1", port, asyncio.Event())


async def test_an_application_that_cannot_start_is_an_error() -> None:
    """A failing lifespan ends the job."""

    with pytest.raises(RuntimeError, match="start-up failed"):
        await asyncio.wait_for(serve(Starlette(lifespan=Broken), "127.0.0.1", 0, asyncio.Event()), WITHIN)


class Broken:
    """A lifespan that does not get beyond its start."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    async def __aenter__(self) -> None:
        raise ValueError("no database")

    async def __aexit__(self, *_: object) -> None:
        return None
