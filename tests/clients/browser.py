"""How does a page in a real browser listen? Chromium shows it, and its own server gets its tickets and reports."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlencode

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from shared.platform.http import serve
from tests.clients.listening import PROGRAMS, Listener
from tests.npm import Unavailable

NAMES = ("chromium", "chromium-browser")
QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


def chromium() -> str:
    """Raises Unavailable."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise Unavailable("chromium is not here")
    return found


@asynccontextmanager
async def page_server(port: int, gateway: str, key: str) -> AsyncIterator[Listener]:
    """Serve the page on a port of its own while the block lasts; the key stays here, the page gets tickets."""
    listener = Listener()

    async def page(_: Request) -> Response:
        return HTMLResponse((PROGRAMS / "page.html").read_text())

    async def ticket(_: Request) -> Response:
        try:
            answer = await client.post("/v1/stream-tickets", headers={"authorization": f"Bearer {key}"})
        except httpx2.TransportError:
            return PlainTextResponse("the gateway is away", 502)
        if answer.status_code != 201:
            return PlainTextResponse("no ticket now", 502)
        return PlainTextResponse(answer.json()["ticket"])

    async def report(request: Request) -> Response:
        listener.take(await request.body())
        return Response(status_code=204)

    routes = [Route("/", page), Route("/ticket", ticket, methods=["POST"]), Route("/report", report, methods=["POST"])]
    stop, listening = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as opened:
        client = await opened.enter_async_context(httpx2.AsyncClient(base_url=gateway, timeout=30))
        app = Starlette(routes=routes)
        serving = asyncio.create_task(serve(app, "127.0.0.1", port, stop, drain=1, listening=lambda _: listening.set()))
        await listening.wait()
        try:
            yield listener
        finally:
            stop.set()
            await serving


@asynccontextmanager
async def browsing(port: int, gateway: str, asked: str) -> AsyncIterator[None]:
    """Show the page to a browser while the block lasts."""
    url = f"http://127.0.0.1:{port}/?{urlencode({'gateway': gateway, 'filter': asked})}"
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            chromium(),
            *QUIET,
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",  # or it would show the page once and leave
            url,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()
