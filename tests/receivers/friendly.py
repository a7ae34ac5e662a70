"""Receivers that mean well: they answer every request on a kept connection."""

import asyncio

from tests.receivers.serving import Headers, Peer, Script, answer


async def healthy(peer: Peer) -> None:
    """Answer 200 to everything."""
    while await peer.request():
        await peer.say(answer(200, b"thanks"))


def answering(status: int, body: bytes = b"", headers: Headers = ()) -> Script:
    """Answer every request with the same status."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.say(answer(status, body, headers))

    return script


def redirecting(to: str, status: int = 302) -> Script:
    """Send every request elsewhere."""
    return answering(status, headers=[("Location", to)])


def slow(seconds: float) -> Script:
    """Answer 200, after thinking about it."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await asyncio.sleep(seconds)
            await peer.say(answer(200))

    return script


def held(until: asyncio.Event) -> Script:
    """Answer 200, but not before the test says so."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await until.wait()
            await peer.say(answer(200))

    return script
