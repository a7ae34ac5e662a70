"""How does a test put somebody unreliable between a program and the gateway? A proxy that keeps some things back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx2
from aiohttp import web

Instead = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers a request instead of the gateway."""

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host", "content-encoding"})


async def silence(request: web.Request) -> web.StreamResponse:
    """A stream that opens and says nothing."""
    return await _stream(request, b"")


async def hello_only(request: web.Request) -> web.StreamResponse:
    """A stream that says hello and then nothing."""
    return await _stream(request, b'id: e-0-0\nevent: hello\ndata: {"resumed_from": "e-0-0", "requested": null}\n\n')


async def a_promise(request: web.Request) -> web.StreamResponse:
    """Say that a subscription was made, and make none."""
    return web.json_response({"subscription_id": "sub_none", "from": "e-0-0"}, status=201)


@asynccontextmanager
async def between(gateway: str, instead: Mapping[tuple[str, str], Instead]) -> AsyncIterator[str]:
    """Pass every request on to `gateway`, but for (method, path) in `instead`; yields the URL to use."""
    async with httpx2.AsyncClient(base_url=gateway, timeout=20.0) as client:

        async def handle(request: web.Request) -> web.StreamResponse:
            if own := instead.get((request.method, request.path)):
                return await own(request)
            return await _passed_on(client, request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()


async def _passed_on(client: httpx2.AsyncClient, request: web.Request) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
    asked = client.build_request(request.method, request.path_qs, headers=headers, content=await request.read())
    answer = await client.send(asked, stream=True)
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
    passed = web.StreamResponse(status=answer.status_code, headers=kept)
    try:
        await passed.prepare(request)
        async for piece in answer.aiter_bytes():
            await passed.write(piece)
        await passed.write_eof()
    except ConnectionResetError:
        pass  # whoever asked has left
    finally:
        await answer.aclose()
    return passed


async def _stream(request: web.Request, first: bytes) -> web.StreamResponse:
    opened = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await opened.prepare(request)
    await opened.write(first)
    await asyncio.Event().wait()
    return opened
