"""The load client against the bare server, both as the processes they are: what it opens, counts, and looks at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.gateway.bare import BareServer, bare_server
from tests.bench.gateway.loads import LoadClient, load_client
from tests.bench.gateway.stories import Audience, Ledger, Story
from tests.receivers.serving import Peer, answer, receiving
from tests.waiting import wait_until

WITHIN = 20
BOTH = [Audience(("a",), 3), Audience(("a", "b"), 2)]


@asynccontextmanager
async def listening(folder: Path, kind: str) -> AsyncIterator[tuple[BareServer, LoadClient]]:
    """A bare server, and `BOTH` listening to it; two of the five are looked at."""
    async with bare_server() as server, load_client(folder) as client:
        heads = [server.head(kind, 0, each.sections) for each in BOTH for _ in range(each.count)]
        opening = await client.open("main", server.address, heads, sample=2)
        assert opening.refused == {}
        yield server, client


async def check(folder: Path, kind: str) -> None:
    """Every client gets what it is owed, by count and, where it is looked at, by number."""
    stories = [Story(number, "ab"[number % 2], 1_000 + number) for number in range(10)]
    owed = Ledger(stories).owed_to_each(BOTH)
    async with listening(folder, kind) as (server, client):
        await server.put(stories[:4])
        await server.put(stories[4:])
        await wait_until(lambda: client.arrived >= sum(owed), WITHIN)
        told, again = await client.told("main"), await client.told("main")
    assert told.counts == owed == [5, 5, 5, 10, 10]
    assert {(one.client, one.number) for one in told.came} == Ledger(stories).owed_to(BOTH, (0, 2, 4))
    assert {one.due_us for one in told.came if one.client == 4} == {story.due_us for story in stories}
    assert again.counts == [0] * 5


async def test_every_client_of_a_stream_is_counted_and_the_sample_is_looked_at(tmp_path: Path) -> None:
    """What was told once is not told again."""
    await check(tmp_path, "sse")


async def test_web_sockets_are_counted_alike(tmp_path: Path) -> None:
    """Frames need not be taken apart for it."""
    await check(tmp_path, "ws")


async def test_a_refusal_is_told_with_its_status_and_one_that_is_not_there_with_none(tmp_path: Path) -> None:
    """A row that is not served can say so."""

    async def gone(peer: Peer) -> None:
        await peer.request()
        await peer.say(answer(404))

    head = "GET /v1/ws HTTP/1.1\r\nhost: x\r\n\r\n"
    async with load_client(tmp_path) as client:
        async with receiving(gone) as server:
            address = (server.host, server.port)
            refused = (await client.open("main", address, [head] * 3, sample=0)).refused
            await wait_until(lambda: server.hung_up == 3, WITHIN)
        unreachable = (await client.open("main", address, [head], sample=0)).refused
    assert (refused, unreachable) == ({"404": 3}, {"0": 1})


async def test_connections_that_the_server_ends_are_counted(tmp_path: Path) -> None:
    """Those the bench closes itself are not."""
    async with load_client(tmp_path) as client:
        async with bare_server() as server:
            heads = [server.head("sse", 0, ("a",))] * 4
            await client.open("mine", server.address, heads, sample=0)
            await client.open("its", server.address, heads, sample=1)
            await client.close("mine")
        await wait_until(lambda: client.ended >= 4, WITHIN)
        await client.told("its")
    assert client.ended == 4
