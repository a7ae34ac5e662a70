"""How does a test get a receiver on a real socket that behaves exactly as scripted?"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One POST as it came off the wire; header names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, receiver: "Receiver", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver = receiver
        self._reader = reader
        self._writer = writer
        self.number = receiver.connections

    async def request(self) -> Request | None:
        """Read the next whole request; None when the other side has closed."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        length = int(dict(headers).get("content-length", "0"))
        request = Request(method, target, headers, await self._reader.readexactly(length))
        self._receiver.requests.append(request)
        return request

    async def some(self) -> bytes:
        """Read whatever has come, once anything has."""
        return await self._reader.read(1)

    async def join(self, host: str, port: int, greeting: bytes) -> bool:
        """Become one end of a tunnel to somewhere else, until either side hangs up; False if nobody is there."""
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except ConnectionError:
            return False
        await self.say(greeting)
        ways = {
            asyncio.create_task(_relay(self._reader, writer)),
            asyncio.create_task(_relay(reader, self._writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
        return True

    async def say(self, data: bytes) -> None:
        """Send bytes and wait until the other side takes them in."""
        self._writer.write(data)
        self._receiver.sent += len(data)
        await self._writer.drain()

    async def until_gone(self) -> None:
        """Say nothing more until the other side hangs up."""
        while await self._reader.read(65536):
            pass

    async def unread(self) -> None:
        """Read nothing more, and stay, until the receiver is closed."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    def reset(self) -> None:
        """Kill the connection."""
        self._writer.transport.abort()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class Receiver:
    """A listening receiver and what it has seen: connections accepted, requests read, bytes sent."""

    host: str
    port: int
    scheme: str
    connections: int = 0
    hung_up: int = 0
    sent: int = 0
    requests: list[Request] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.url_as(self.host)

    @property
    def allow(self) -> frozenset[tuple[str, int]]:
        """What an egress policy must allow for this receiver to be called by its address."""
        return frozenset({(self.host, self.port)})

    def url_as(self, name: str, path: str = "/hook") -> str:
        """Return the URL that calls this receiver under another host name."""
        return f"{self.scheme}://{name}:{self.port}{path}"


@asynccontextmanager
async def receiving(
    script: Script,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    scheme: str | None = None,
    port: int = 0,
) -> AsyncIterator[Receiver]:
    """Serve `script` to every connection on `port` (0: a free one); a script's own error fails the test at the end."""
    receiver = Receiver(host, 0, scheme or ("https" if tls else "http"))
    at_work: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        try:
            await script(Peer(receiver, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender hung up on a hostile script, as it should
        except Exception as error:  # noqa: BLE001 - raised again below, in the test
            receiver.failures.append(error)
        finally:
            receiver.hung_up += 1
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        at_work.add(task)
        task.add_done_callback(at_work.discard)

    server = await asyncio.start_server(accept, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tuple(at_work):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    if receiver.failures:
        raise ExceptionGroup("the receiver's script failed", receiver.failures)


def answer(status: int, body: bytes = b"", headers: Headers = (), reason: str = "") -> bytes:
    """Return a whole HTTP/1.1 answer with a content-length."""
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
