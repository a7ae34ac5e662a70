"""How is each channel listened to? Three clients with one port, read by hand: what is written is seen as it is."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from services.gateway.stream.websocket import Opcode
from tests.services.gateway.stream.listening import Event, Gateway, Listener
from tests.waiting import wait_until

HANDSHAKE: Final = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
KEY: Final = "Authorization: Bearer k\r\n"
"""Where any key is good."""
WAIT_S: Final = 30


@dataclass
class SocketListener(Listener):
    """A WebSocket read frame by frame. `close_code` is there once a close frame has come."""

    close_code: int | None = None

    async def next(self, within: float = 5) -> Event:
        """The next event; the end of the connection is an `IncompleteReadError`, as on the event stream."""
        async with asyncio.timeout(within):
            opcode, payload = await self._frame()
        if opcode == Opcode.CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            raise asyncio.IncompleteReadError(b"", None)
        told = json.loads(payload)
        event = Event(told["event"], told["data"], told["id"], told.get("retry"))
        self.last_id = event.id or self.last_id
        return event

    async def ended(self, within: float = 5) -> bytes:
        """What comes before the end of the connection, once its close frame is answered."""
        before = []
        with suppress(asyncio.IncompleteReadError):
            while True:
                before.append((await self.next(within)).event.encode())
        self.writer.write(bytes((0x80 | Opcode.CLOSE, 0x80, 0, 0, 0, 0)))
        return b" ".join(before) + await super().ended(within)

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(size)


@dataclass
class PollListener(Listener):
    """One question after the other on one connection, each from where the answer before it ended."""

    query: str = ""
    key: str = KEY
    head_first: str = ""
    cursor: str | None = None
    told: list[Event] = field(default_factory=list)
    asked: "asyncio.Task[None] | None" = None

    async def begin(self, running: Gateway) -> None:
        """Take what is there, or have a question open where there is nothing; a refusal is left to be read."""
        await self._ask(wait_s=0)
        if self.status != 200 or self.told:
            return
        there = running.clients()
        asked = self.asked = asyncio.ensure_future(self._ask())
        await wait_until(lambda: asked.done() or running.clients() > there, within=5, every=0.002)

    async def next(self, within: float = 5) -> Event:
        """The next event; a refusal is an `IncompleteReadError`, as is the end of the connection."""
        async with asyncio.timeout(within):
            while not self.told:
                await (self.asked or self._ask())
                self.asked = None
                if self.status != 200:
                    raise asyncio.IncompleteReadError(b"", None)
        event = self.told.pop(0)
        self.last_id = event.id or self.last_id
        return event

    async def ended(self, within: float = 5) -> bytes:
        """What comes before a question is refused, or the connection ends."""
        before = []
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                before.append((await self.next(within)).event.encode())
        return b" ".join(before)

    async def close(self) -> None:
        if self.asked is not None:
            self.asked.cancel()
            with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
                await self.asked
        await super().close()

    async def _ask(self, wait_s: int = WAIT_S) -> None:
        """Ask once; behind a refusal its body is still to be read."""
        where = self.query if self.cursor is None else _from_cursor(self.query, self.cursor)
        head = self.key + self.head_first if self.cursor is None else self.key
        self.writer.write(f"GET /v1/poll?{where}&wait={wait_s} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        await self.head()
        if self.status != 200:
            return
        answer: Mapping[str, Any] = json.loads(await self.reader.readexactly(int(self.headers["content-length"])))
        self.told += [Event(one["event"], one["data"], one["id"]) for one in answer["events"]]
        self.cursor = answer["cursor"]
        if not self.told:
            self.last_id = self.cursor


def _from_cursor(query: str, cursor: str) -> str:
    """The same question from somewhere else on."""
    kept = [pair for pair in query.split("&") if not pair.startswith(("cursor=", "since="))]
    return "&".join((*kept, f"cursor={cursor}"))


@dataclass(frozen=True)
class Channel:
    """One way to listen. `hello`: whether it begins with one; `holds` goes into the query of what is to stay open."""

    name: str
    path: str
    status: int
    hello: bool
    listener: type[Listener]
    shakes: str = ""
    holds: str = ""

    async def connect(self, running: Gateway) -> Listener:
        client = self.listener(*await asyncio.open_connection("127.0.0.1", running.port, limit=2**22))
        running.listeners.append(client)
        return client

    def request(self, query: str = "", head: str = KEY) -> bytes:
        """The request that opens a stream, or asks for one answer."""
        return f"GET {self.path}?{query} HTTP/1.1\r\nHost: x\r\n{head}{self.shakes}\r\n".encode()

    async def ask(self, running: Gateway, query: str = "", head: str = KEY) -> Listener:
        """Ask once, and read the head of the answer."""
        client = await self.connect(running)
        client.writer.write(self.request(query, head))
        await client.head()
        return client

    async def listen(self, running: Gateway, query: str = "", last_id: str | None = None, key: str = KEY) -> Listener:
        """Ask for the stream; what is left is to read its events, hello first where there is one, or the refusal."""
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        if self.listener is not PollListener:
            return await self.ask(running, query, key + resume)
        client = await self.connect(running)
        assert isinstance(client, PollListener)
        client.query, client.key, client.head_first = query, key, resume
        await client.begin(running)
        return client

    async def greeted(self, running: Gateway, query: str = "", last_id: str | None = None, key: str = KEY) -> Listener:
        """Listen, the hello left behind."""
        client = await self.listen(running, query, last_id, key)
        assert client.status == self.status
        if self.hello:
            assert (await client.next()).event == "hello"
        return client

    def __str__(self) -> str:
        return self.name


SSE: Final = Channel("sse", "/v1/stream", 200, True, Listener)
WS: Final = Channel("ws", "/v1/ws", 101, True, SocketListener, HANDSHAKE)
POLL: Final = Channel("poll", "/v1/poll", 200, False, PollListener, holds=f"&wait={WAIT_S}")
CHANNELS: Final = (SSE, WS, POLL)
each = pytest.mark.parametrize("channel", CHANNELS, ids=str)
"""The contract: identical events, ids, filters, resume and gaps on all of them."""
connected = pytest.mark.parametrize("channel", [one for one in CHANNELS if one.hello], ids=str)
"""What concerns a connection that stays: hello, heartbeats, and when to come back."""
