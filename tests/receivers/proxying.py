"""A forward proxy on a real socket that makes tunnels, and what it was asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.receivers.serving import Peer, Receiver, answer, receiving

MADE = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that listens; each request it got stands in `receiver.requests`, `target` in the form host:port."""

    receiver: Receiver

    @property
    def url(self) -> str:
        return f"http://{self.receiver.host}:{self.receiver.port}"

    @property
    def tunnels(self) -> list[str]:
        return [request.target for request in self.receiver.requests]


@asynccontextmanager
async def proxying(reply: bytes = MADE) -> AsyncIterator[Proxy]:
    """Run a proxy while the block lasts. It makes tunnels, or says 502; any other `reply` is just said."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        assert request is not None
        host, _, port = request.target.rpartition(":")
        if reply != MADE:
            await peer.say(reply)
        elif not await peer.join(host.strip("[]"), int(port), MADE):
            await peer.say(answer(502))

    async with receiving(script) as receiver:
        yield Proxy(receiver)
