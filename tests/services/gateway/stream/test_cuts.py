"""Does a client that is cut behind any frame of a long run lose nothing, on every channel?"""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.gateway.stream.admission import POLL_PATH, SSE_PATH, WS_PATH, Admission
from services.gateway.stream.hub import Logs, StreamHub
from services.gateway.stream.poll import Basket
from services.gateway.stream.ports import HeaderView
from shared.domain.story import Lane
from tests.services.gateway.stream.listening import EPOCH, QUICK, everyone, running
from tests.services.gateway.stream.releases import ReleasedLog, Standings, released
from tests.waiting import wait_until

FRAMES = 10_000
SHAKE = {
    "authorization": "Bearer k",
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_STORY = re.compile(rb'(?:"id":"|id: )(e1-\d+-\d+)(?:","event":"|\nevent: )(hello|story)')


class Narrow(Basket):
    """A connection that is full behind the first portion, as one to a client that reads slowly."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        if b"story" in bytes(data) and isinstance(self._protocol, asyncio.Protocol):
            self._protocol.pause_writing()


@asynccontextmanager
async def filled() -> AsyncIterator[StreamHub]:
    """A hub that holds a long run in its ring, one flash in fifty."""
    log, standings, stop = ReleasedLog(), Standings(), asyncio.Event()
    dice = random.Random(7)
    for number in range(FRAMES):
        log.append(released(f"urn:{number}", lane=Lane.FLASH if dice.random() < 0.02 else Lane.ROUTINE))
    logs = Logs(log.flashes(), log, standings)
    options = replace(QUICK, ring_bytes=2**30)
    hub = StreamHub(epoch=EPOCH, authorize=everyone, logs=logs, history=log, options=options, now=lambda: 0.0)
    async with running(hub.run(stop)):
        await wait_until(lambda: hub._door.open, within=60)
        try:
            yield hub
        finally:
            stop.set()


def ids(hub: StreamHub, path: str, cursor: str) -> list[str]:
    """The ids that a connection from a cursor is written before it is full, its hello's left out."""
    admitted = hub.admit(HeaderView("GET", path, (("cursor", cursor),), SHAKE))
    assert isinstance(admitted, Admission)
    line = Narrow()
    client = hub.open(admitted, line, set())
    client.connection_lost(None)
    found = _STORY.findall(bytes(line.written))
    return [at.decode() for at, event in found if event == b"story"]


@pytest.mark.parametrize("path", [SSE_PATH, WS_PATH, POLL_PATH])
async def test_cut_behind_every_frame_the_next_connection_goes_on_with_the_next_one(path: str) -> None:
    """From the hello's id and from each of ten thousand ids: what follows in the run, and nothing else."""
    async with filled() as hub:
        start = "e1-0-0"
        run = [start]
        while more := ids(hub, path, run[-1]):
            run += more
        assert len(run) == FRAMES + 1
        assert len(set(run)) == FRAMES + 1
        for at in range(FRAMES):
            following = ids(hub, path, run[at])
            assert following
            assert following == run[at + 1 : at + 1 + len(following)]
        assert not ids(hub, path, run[-1])
