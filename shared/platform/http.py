"""How does a process answer over HTTP: the operations routes, and a server that stops when told?"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from shared.platform.cut_short import CutShort
from shared.platform.health import Health, Reasons
from shared.platform.logs import logger
from shared.platform.metrics import exposition

DRAIN_SECONDS = 10
NO_STORE = {"cache-control": "no-store"}


class HasRoutes(Protocol):
    """A Starlette or FastAPI application."""

    @property
    def routes(self) -> list[BaseRoute]:
        """The live list of routes, matched in order."""


def ops_routes(health: Health) -> list[BaseRoute]:
    """GET /livez and /readyz (200 or 503, JSON with reasons) and /metrics, for `health`'s process."""

    async def livez(_: Request) -> Response:
        return _verdict("live", *health.live())

    async def readyz(_: Request) -> Response:
        return _verdict("ready", *health.ready())

    async def metrics(_: Request) -> Response:
        body, content_type = exposition()
        return Response(body, media_type=None, headers={"content-type": content_type, **NO_STORE})

    return [
        Route("/livez", livez, methods=["GET"], include_in_schema=False),
        Route("/readyz", readyz, methods=["GET"], include_in_schema=False),
        Route("/metrics", metrics, methods=["GET"], include_in_schema=False),
    ]


def mount_ops(app: HasRoutes, health: Health) -> None:
    """Put the operations routes before all others of `app`, so that no catch-all can hide them."""
    app.routes[:0] = ops_routes(health)


def ops_app(health: Health) -> Starlette:
    """The whole HTTP side of a service that has no other."""
    return Starlette(routes=ops_routes(health))


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    http: type[asyncio.Protocol] | str = "auto",
    drain: int = DRAIN_SECONDS,
    listening: Callable[[int], None] | None = None,
    hold: Callable[[], Awaitable[None]] | None = None,
    tls: ssl.SSLContext | None = None,
    reuse_port: bool = False,
) -> None:
    """Serve `app` until `stop` is set, then let requests in hand finish for up to `drain` seconds; 503 to the rest.

    Port 0 takes a free one; `listening` is called with the port once connections are accepted. Until `hold` returns
    they wait in the kernel's queue, instead of being told to come back.
    `http` is uvicorn's protocol choice; `tls` makes it https. With `reuse_port` several processes listen on one port
    and the kernel spreads the connections over them. Raises OSError when the address is taken and RuntimeError
    when the application's own start-up failed.
    """
    config = uvicorn.Config(
        CutShort(app),
        http=_protocol(http),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=drain,
        ssl_context_factory=None if tls is None else lambda _, __: tls,
    )
    with socket.create_server((host, port), family=_family(host), backlog=2048, reuse_port=reuse_port) as bound:
        if hold is not None:
            await _first_of(hold, stop)
        server = _Server(config, listening)
        stopping = asyncio.create_task(_stop_when(stop, server), name="http.stop")
        try:
            await server.serve(sockets=[bound])
        except SystemExit:  # uvicorn's way to say that the lifespan failed; it has logged why
            raise RuntimeError("the application's start-up failed") from None
        finally:
            stopping.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: `jobs.run` owns the signals of a process."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[int], None] | None) -> None:
        super().__init__(config)
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for bound in sockets or []:
            host, port = bound.getsockname()[:2]
            logger().info("http.listening", host=host, port=port)
            if self._listening is not None:
                self._listening(port)


async def _first_of(hold: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    either = [asyncio.ensure_future(hold()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if either[0].done():
            either[0].result()
    finally:
        for each in either:
            each.cancel()


async def _stop_when(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def _protocol(http: type[asyncio.Protocol] | str) -> Any:
    return http  # uvicorn types the names as literals; a wrong one fails at load


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _verdict(word: str, ok: bool, reasons: Reasons) -> Response:
    return JSONResponse({word: ok, "reasons": reasons}, status_code=200 if ok else 503, headers=NO_STORE)
