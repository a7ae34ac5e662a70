"""`python -m tests.bench.sender`: what does one signed POST cost our sender, aiohttp's, and a loop that does no more?

Signing is left out: every POST carries the same signature. Receivers are a process of their own on the same machine.
CPU is that of the sending process alone, so the ratio to the bare loop holds on a busy machine too.
"""

import argparse
import asyncio
import cProfile
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import httptools
import uvloop

from services.distribution.adapters.fallback.sender import AiohttpSender
from services.distribution.adapters.sender import WebhookSender
from services.distribution.outcome import Delivered
from services.distribution.sending import Sender, SendRequest
from shared.platform.egress import EgressPolicy
from shared.platform.signature import new_secret, parse_secret, signed_headers
from tests.bench.figures import table

HOST = "127.0.0.1"
RECEIVERS = 20
BODY = b"x" * 1024
ANSWER = (
    b"HTTP/1.1 200 OK\r\nserver: bench\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
    b"content-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
)

Ports: TypeAlias = Sequence[int]


@dataclass(slots=True)
class Count:
    """POSTs answered so far, and whether more are to be made."""

    answered: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stopped(self) -> bool:
        return self.stop.is_set()


class Hook(asyncio.Protocol):
    """A receiver's side of a connection: answers every request at once."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(ANSWER)


class Line(asyncio.Protocol):
    """The floor: one connection that posts again whenever it is answered; no gate, no pool, no deadline."""

    def __init__(self, request: bytes, count: Count) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._request = request
        self._count = count
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._count.answered += 1
        if self._count.stopped:
            self._transport.close()
        else:
            self._transport.write(self._request)


def posting(port: int) -> SendRequest:
    headers = signed_headers("dlv_bench", int(time.time()), BODY, [parse_secret(new_secret())])
    shown = [("content-type", "application/json"), ("user-agent", "Slugline"), *headers]
    return SendRequest(f"http://{HOST}:{port}/hook", shown, BODY)


async def bare(ports: Ports, flying: int, count: Count) -> None:
    """Post over `flying` lines until the count is stopped."""
    loop = asyncio.get_running_loop()
    for number in range(flying):
        port = ports[number % len(ports)]
        request = posting(port)
        head = f"POST /hook HTTP/1.1\r\nhost: {HOST}:{port}\r\naccept-encoding: identity\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in request.headers)
        written = f"{head}content-length: {len(BODY)}\r\n\r\n".encode() + BODY
        await loop.create_connection(lambda written=written: Line(written, count), HOST, port)  # type: ignore[misc]
    await count.stop.wait()


def through(new: Callable[[EgressPolicy], Sender]) -> Callable[[Ports, int, Count], Awaitable[None]]:
    """Return what posts through a sender, `flying` at once, until the count is stopped."""

    async def posts(ports: Ports, flying: int, count: Count) -> None:
        sender = new(EgressPolicy(frozenset((HOST, port) for port in ports)))
        requests = [posting(port) for port in ports]

        async def slot(number: int) -> None:
            request = requests[number % len(requests)]
            while not count.stopped:
                answer = await sender.send(request)
                if answer.outcome != Delivered(200):
                    raise SystemExit(f"A POST was not delivered: {answer.outcome}.")
                count.answered += 1

        async with asyncio.TaskGroup() as slots:
            for number in range(flying):
                slots.create_task(slot(number))
        await sender.close()

    return posts


SENDERS = {"bare loop": bare, "own sender": through(WebhookSender), "aiohttp sender": through(AiohttpSender)}


@dataclass(frozen=True, slots=True)
class Cost:
    """POSTs per second, and microseconds of CPU for each."""

    rate: float
    cpu_us: float


async def measure(
    posts: Callable[[Ports, int, Count], Awaitable[None]], ports: Ports, asked: argparse.Namespace
) -> Cost:
    count = Count()
    at_work = asyncio.ensure_future(posts(ports, asked.flying, count))
    await asyncio.wait({at_work}, timeout=asked.warm_up)
    answered, began, used = count.answered, time.monotonic(), time.process_time()
    await asyncio.wait({at_work}, timeout=asked.seconds)
    done, took, used = count.answered - answered, time.monotonic() - began, time.process_time() - used
    count.stop.set()
    await at_work
    return Cost(done / took, used / done * 1_000_000)


@asynccontextmanager
async def receivers() -> AsyncIterator[Ports]:
    """Run the receiving process while the block lasts; yields its ports."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.sender", "--receive", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield [int(port) for port in (await process.stdout.readline()).split()]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def receive() -> None:
    """Serve until SIGTERM; the ports go to stdout, on one line."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Hook, HOST, 0) for _ in range(RECEIVERS)]
    say(" ".join(str(server.sockets[0].getsockname()[1]) for server in servers))
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


async def compare(asked: argparse.Namespace) -> None:
    costs: dict[str, Cost] = {}
    async with receivers() as ports:
        for name in asked.only or SENDERS:
            costs[name] = await measure(SENDERS[name], ports, asked)
    floor = costs.get("bare loop")
    rows = [
        [name, f"{cost.rate:,.0f}", f"{cost.cpu_us:.1f}", f"{cost.cpu_us / floor.cpu_us:.2f}" if floor else ""]
        for name, cost in costs.items()
    ]
    say(f"{asked.flying} in flight to {RECEIVERS} receivers, {len(BODY)} bytes each, {asked.seconds:g} s")
    say("\n".join(table(["", "POSTs/s", "CPU us each", "x bare"], rows)))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sender")
    parser.add_argument("--flying", type=int, default=100, help="POSTs in flight at once")
    parser.add_argument("--warm-up", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=3.0, help="measured, for each sender")
    parser.add_argument("--only", action="append", choices=sorted(SENDERS), help="this one; may be given again")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help="print where the time goes, function by function")
    asked = parser.parse_args()
    profile = cProfile.Profile()
    if asked.profile:
        profile.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(receive() if asked.receive else compare(asked))
    if asked.profile:
        profile.disable()
        profile.print_stats("tottime")


if __name__ == "__main__":
    main()
