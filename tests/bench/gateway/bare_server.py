"""`python -m tests.bench.gateway.bare_server`: the least a Python process can do to fan a story out.

Per section a list of transports, one shared frame, `transport.write` each: no keys, no filters, no history, no bounds.
`GET /sub/a/b` is an event stream of the sections a and b, `GET /ws/a` a WebSocket; `POST /pub/a` sends each line of its
body to everybody there. Prints its port.
"""

import argparse
import asyncio
import base64
import hashlib
import itertools
import os
import struct
import sys
from collections import defaultdict
from contextlib import suppress
from typing import cast

import httptools
import uvloop

from tests.bench.machine import raise_open_files

HOST = "127.0.0.1"
BACKLOG = 4096
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n\r\n"
_DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT = 0x81


class Fan:
    """Who listens to which section, by kind of connection."""

    def __init__(self) -> None:
        self.streams: defaultdict[str, list[asyncio.Transport]] = defaultdict(list)
        self.sockets: defaultdict[str, list[asyncio.Transport]] = defaultdict(list)
        self._numbers = itertools.count()

    def out(self, section: str, stories: list[bytes]) -> None:
        """Send all of these to everybody, each encoded once."""
        ids = [next(self._numbers) for _ in stories]
        if streams := self.streams[section]:
            _write(
                streams, b"".join(b"id: %d\nevent: story\ndata: %b\n\n" % one for one in zip(ids, stories, strict=True))
            )
        if sockets := self.sockets[section]:
            shape = b'{"id":"%d","event":"story","data":%b}'
            _write(sockets, b"".join(text_frame(shape % one) for one in zip(ids, stories, strict=True)))


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, 5.2) of at most 65,535 bytes."""
    if len(payload) < 126:
        return struct.pack("!BB", _TEXT, len(payload)) + payload
    return struct.pack("!BBH", _TEXT, 126, len(payload)) + payload


class Connection(asyncio.Protocol):
    """Either a listener, or who publishes; `httptools` calls the methods whose names begin with `on_`."""

    def __init__(self, fan: Fan) -> None:
        self._fan = fan
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._url, self._key, self._body = b"", b"", b""
        self._transport: asyncio.Transport
        self._left: list[list[asyncio.Transport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        with suppress(httptools.HttpParserUpgrade):  # the head is in, and was answered
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        for listeners in self._left:
            listeners.remove(self._transport)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"sec-websocket-key":
            self._key = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        _, kind, *sections = self._url.decode().split("/")
        if kind == "pub":
            self._fan.out(sections[0], self._body.split(b"\n"))
            self._url = self._body = b""
            self._transport.write(_DONE)
            return
        if kind == "ws":
            self._transport.write(accepted(self._key))
            self._join([self._fan.sockets[section] for section in sections])
        else:
            self._transport.write(_STREAM)
            self._join([self._fan.streams[section] for section in sections])
        self._parser = None

    def _join(self, listeners: list[list[asyncio.Transport]]) -> None:
        self._left = listeners
        for one in listeners:
            one.append(self._transport)


def accepted(key: bytes) -> bytes:
    """The answer that makes a WebSocket of a connection (RFC 6455, 4.2.2)."""
    digest = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
    return head + digest + b"\r\n\r\n"


def _write(listeners: list[asyncio.Transport], data: bytes) -> None:
    for transport in listeners:
        transport.write(data)


async def serve() -> None:
    """Serve until stdin ends."""
    loop, fan, ended = asyncio.get_running_loop(), Fan(), asyncio.Event()
    server = await loop.create_server(lambda: Connection(fan), HOST, 0, backlog=BACKLOG)
    os.write(sys.stdout.fileno(), b"answer %d\n" % server.sockets[0].getsockname()[1])
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


def main() -> None:
    """Serve, as many connections as the machine allows."""
    argparse.ArgumentParser(prog="python -m tests.bench.gateway.bare_server", description=__doc__).parse_args()
    raise_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
