"""`python -m tests.bench.delivery.receiver`: a thousand subscribers in one process, and what came to each of them.

The first part of a path says how an endpoint behaves: `/ok/7` answers 200 at once, `/hole/7` never, `/late-20/7`
after 20 ms. Only what is answered counts as arrived. Orders come on stdin, one a line; stdout tells how many have
arrived and how many were swallowed, a few hundred times a second, and answers orders.
"""

import argparse
import asyncio
import itertools
import os
import ssl
import sys
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httptools
import uvloop
from standardwebhooks import Webhook, WebhookVerificationError

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
SAMPLED = 499
"""One in so many is kept whole, to be verified when the clock has stopped."""
TELL_EVERY_S = 0.004
LISTEN_BACKLOG = 2048


@dataclass(slots=True)
class Book:
    """What arrived since it was written out last: ids and times (epoch µs) side by side, and a sample whole."""

    ids: list[bytes] = field(default_factory=list)
    at: "array[int]" = field(default_factory=lambda: array("q"))
    samples: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: int = 0
    swallowed: int = 0

    def note(self, webhook_id: bytes) -> None:
        self.ids.append(webhook_id)
        self.at.append(time.time_ns() // 1000)
        self.arrived += 1

    def write_out(self, path: Path, secret: str) -> str:
        """Write what came and forget it; return how many samples there were and how many nobody could verify."""
        lines = (f"{at} {known.decode()}\n" for at, known in zip(self.at, self.ids, strict=True))
        path.write_text("".join(lines), encoding="ascii")
        judge = Webhook(secret)
        bad = sum(not _verifies(judge, headers, body) for headers, body in self.samples)
        told = f"{len(self.samples)} {bad}"
        self.ids, self.at, self.samples = [], array("q"), []
        return told


def _verifies(judge: Webhook, headers: dict[str, str], body: bytes) -> bool:
    try:
        judge.verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


class Hook(asyncio.Protocol):
    """One connection; `httptools` calls the methods whose names begin with `on_`."""

    __slots__ = ("_body", "_book", "_count", "_headers", "_id", "_kept", "_parser", "_transport", "_url")

    def __init__(self, book: Book, count: "itertools.count[int]") -> None:
        self._book = book
        self._count = count
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._id = b""
        self._kept = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = b""
        self._kept = next(self._count) % SAMPLED == 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 10 and name.lower() == b"webhook-id":
            self._id = value
        if self._kept:
            self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        if self._kept:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._kept:
            headers = {name.decode().lower(): value.decode() for name, value in self._headers}
            self._book.samples.append((headers, b"".join(self._body)))
            self._headers, self._body = [], []
        if self._url.startswith(b"/ok/"):
            self._answer(self._id)
        elif self._url.startswith(b"/late-"):
            ms = int(self._url[6 : self._url.index(b"/", 6)])
            asyncio.get_running_loop().call_later(ms / 1000, self._answer, self._id)
        else:
            self._book.swallowed += 1

    def _answer(self, webhook_id: bytes) -> None:
        self._book.note(webhook_id)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(ANSWER)


async def serve(hosts: list[str], port: int, chain: str, secret: str) -> None:
    """Serve until stdin ends."""
    loop, book, count = asyncio.get_running_loop(), Book(), itertools.count()
    tls = None
    if chain:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        tls.load_cert_chain(chain)
    for host in hosts:
        await loop.create_server(lambda: Hook(book, count), host, port, ssl=tls, backlog=LISTEN_BACKLOG)
    _say("listening")
    telling = asyncio.create_task(_tell(book))
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while order := (await orders.readline()).decode().split():
        _say(f"written {book.write_out(Path(order[1]), secret)}")
    telling.cancel()


async def _tell(book: Book) -> None:
    told = (-1, -1)
    while True:
        if (now := (book.arrived, book.swallowed)) != told:
            _say(f"count {now[0]} {now[1]}")
            told = now
        await asyncio.sleep(TELL_EVERY_S)


def _say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main() -> None:
    """Read what to be from the command line, the secret from the environment, and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.delivery.receiver")
    parser.add_argument("--hosts", required=True, help="addresses to listen on, comma separated")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chain", default="", help="certificate and key, as a PEM file: serves TLS 1.3 only")
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(asked.hosts.split(","), asked.port, asked.chain, os.environ["BENCH_SECRET"]))


if __name__ == "__main__":
    main()
