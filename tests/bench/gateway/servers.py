"""Whoever fans stories out, as the bench sees it; and how a story is posted to those that take it over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from tests.bench.gateway.stories import Story

HOST = "127.0.0.1"
WEBSOCKET = (
    "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: c2x1Z2xpbmUtYmVuY2gtMQ==\r\n"
)


class Server(Protocol):
    """A running server. `pid` is the process that is measured."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int: ...

    @property
    def address(self) -> tuple[str, int]: ...

    def head(self, kind: str, client: int, sections: Sequence[str], cursor: str = "") -> str:
        """The head of a client's request for a stream of these sections, from a cursor on; `kind`: sse or ws."""
        ...

    async def put(self, stories: Sequence[Story]) -> None:
        """Publish; the server may still be at it when this returns."""
        ...


def request(target: str, *more: str) -> str:
    """The head of a GET."""
    return "".join((f"GET {target} HTTP/1.1\r\nhost: bench\r\n", *more, "\r\n"))


class Posting:
    """One connection on which stories are posted without waiting for the answers to those before."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._refused: list[str] = []
        self._reading = asyncio.create_task(self._read(reader))

    async def post(self, target: str, body: bytes) -> None:
        """Send one. Raises RuntimeError once any was refused."""
        if self._refused:
            raise RuntimeError(f"A story was not taken: {self._refused[0]}")
        head = f"POST {target} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        await self._writer.drain()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            sizes = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
            await reader.readexactly(sum(sizes))
            if not lines[0].split()[1].startswith("2"):
                self._refused.append(lines[0])


async def posting_to(address: tuple[str, int]) -> Posting:
    """Connect."""
    return Posting(*await asyncio.open_connection(*address))
