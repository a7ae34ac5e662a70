"""A gateway that streams, on a real port, and clients that listen to it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.gateway.stream.hub import Logs, StreamHub
from services.gateway.stream.options import StreamOptions
from services.gateway.stream.poll import poll_endpoint
from services.gateway.stream.ports import Authorize, Grant, HeaderView, Problem, WhyNot
from services.gateway.stream.positions import LANES
from services.gateway.stream.protocol import stream_protocol
from shared.platform.http import serve
from tests.services.gateway.stream.releases import ReleasedLog, Standings, released
from tests.waiting import wait_until

EPOCH = "e1"
QUICK = StreamOptions(heartbeat_s=60, coalesce_s=0.005, retry_s=0.05, drain_s=0.05)


@dataclass(frozen=True)
class Event:
    """One event; `id` None where it has none."""

    event: str
    data: Any
    id: str | None = None
    retry: int | None = None


@dataclass
class Listener:
    """One connection, read event by event by hand: what is written is seen as it is."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    last_id: str | None = None

    async def head(self) -> None:
        """Read the response head."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}

    async def problem(self) -> dict[str, Any]:
        """Read a refusal's body."""
        assert self.headers["content-type"] == "application/problem+json"
        body: dict[str, Any] = json.loads(await self.reader.readexactly(int(self.headers["content-length"])))
        return body

    async def next(self, within: float = 5) -> Event:
        """The next event; a bare `retry:` counts as one, named retry."""
        async with asyncio.timeout(within):
            block = (await self.reader.readuntil(b"\n\n")).decode()
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line)
        event = Event(
            fields.get("event", "retry"),
            json.loads(fields["data"]) if "data" in fields else None,
            fields.get("id"),
            int(fields["retry"]) if "retry" in fields else None,
        )
        self.last_id = event.id or self.last_id
        return event

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def until(self, name: str) -> list[Event]:
        """Events up to the first of that name, which is the last of them."""
        seen = [await self.next()]
        while seen[-1].event != name:
            seen.append(await self.next())
        return seen

    async def until_story(self, story_id: str) -> list[Event]:
        """Events up to the first story of that id."""
        seen = [await self.next()]
        while seen[-1].event != "story" or seen[-1].data["story_id"] != story_id:
            seen.append(await self.next())
        return seen

    async def ended(self, within: float = 5) -> bytes:
        """What comes before the end of the connection."""
        async with asyncio.timeout(within):
            try:
                return await self.reader.read(-1)
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def everyone(view: HeaderView) -> Grant | Problem:
    """Grants all to whoever has any key."""
    if not view.headers.get("authorization"):
        return Problem(401, "Who are you?", headers=(("www-authenticate", "Bearer"),))
    return Grant("sub_1")


@dataclass
class Gateway:
    """A running one: append to `log` and `standings`, then listen."""

    hub: StreamHub
    log: ReleasedLog
    standings: Standings
    port: int
    stop: asyncio.Event
    listeners: list[Listener] = field(default_factory=list)

    async def connect(self, limit: int = 2**20) -> Listener:
        listener = Listener(*await asyncio.open_connection("127.0.0.1", self.port, limit=limit))
        self.listeners.append(listener)
        return listener

    async def listen(self, query: str = "", last_id: str | None = None, version: str = "1.1") -> Listener:
        """Ask for the stream and read the head of the answer."""
        listener = await self.connect()
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        path = f"/v1/stream?{query}" if query else "/v1/stream"
        head = f"GET {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer k\r\n{resume}\r\n"
        listener.writer.write(head.encode())
        await listener.head()
        return listener

    async def shown(self, client: Listener) -> list[Event]:
        """All that a client is shown up to this moment: until it has a story filed now in each lane."""
        ends = {f"urn:end-of-{lane}-{len(self.log.lanes[lane])}" for lane in LANES}
        for story_id, lane in zip(sorted(ends), sorted(LANES), strict=True):
            self.log.append(released(story_id, lane=lane))
        seen: list[Event] = []
        while ends:
            event = await client.next()
            if event.event == "story" and event.data["story_id"] in ends:
                ends.remove(event.data["story_id"])
            else:
                seen.append(event)
        return seen

    def clients(self) -> int:
        return len(self.hub._clients)


async def echo(request: Request) -> Response:
    """The REST side: says what it was asked."""
    body = await request.body()
    return JSONResponse({"path": request.url.path, "method": request.method, "body": body.decode()})


def rest(hub: StreamHub) -> Starlette:
    """What is no stream: the poll's route, and all others."""
    others = Route("/{path:path}", echo, methods=["GET", "POST"])
    return Starlette(routes=[Route("/v1/poll", poll_endpoint(hub)), others])


@asynccontextmanager
async def gateway(
    log: ReleasedLog | None = None,
    standings: Standings | None = None,
    *,
    authorize: Authorize = everyone,
    epoch: str = EPOCH,
    why_not: WhyNot | None = None,
    now: Callable[[], float] = time.monotonic,
    **options: Any,
) -> AsyncIterator[Gateway]:
    """Run a gateway on a free port while the block lasts; stops it and checks that it stopped by itself."""
    log, standings = log or ReleasedLog(), standings or Standings()
    hub = StreamHub(
        epoch=epoch,
        authorize=authorize,
        logs=Logs(log.flashes(), log, standings, (standings.reach_end,)),
        history=log,
        options=replace(QUICK, **options),
        why_not=why_not,
        now=now,
    )
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = serve(rest(hub), "127.0.0.1", 0, stop, http=stream_protocol(hub), listening=port.set_result)
    async with running(hub.run(stop), serving):
        try:
            await wait_until(lambda: hub._door.open, within=5, message="the hub opens")
            there = Gateway(hub, log, standings, await port, stop)
            try:
                yield there
            finally:
                for listener in there.listeners:
                    await listener.close()
        finally:
            stop.set()


@asynccontextmanager
async def running(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run jobs beside the block and wait for their end behind it."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)
        yield
