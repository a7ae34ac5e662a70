"""What happens to a client that does not read, and to everybody else? On both event loops."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from services.gateway.stream.positions import Position, parse_id
from shared.domain.facts import Facts
from shared.domain.story import Kind
from tests.services.gateway.stream.listening import Event, Gateway, Listener, gateway
from tests.services.gateway.stream.releases import released
from tests.waiting import wait_until

BIG = "A long headline. " * 1000
SMALL_BUFFERS: dict[str, Any] = {"write_buffer": 16 * 1024, "socket_buffer": 8 * 1024, "coalesce_s": 0}

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=list(LOOPS))
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on a loop of the kind."""

    def run(body: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(asyncio.wait_for(body, 30))

    return run


async def idler(running: Gateway, last_id: str | None = None) -> Listener:
    """A client whose side of the connection holds next to nothing, and which reads only when asked."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", running.port))
    listener = Listener(*await asyncio.open_connection(sock=raw, limit=2**16))
    running.listeners.append(listener)
    resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    listener.writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n{resume}\r\n".encode())
    await listener.head()
    return listener


def is_full(running: Gateway) -> bool:
    return any(client.full for client in running.hub._clients)


async def fill(running: Gateway) -> int:
    """File stories until somebody is full; how many."""
    count = 0

    def is_full_or_one_more() -> bool:
        nonlocal count
        if is_full(running):
            return True
        running.log.append(released(f"urn:fill:{count}", headline=BIG))
        count += 1
        return False

    await wait_until(is_full_or_one_more, within=20, every=0.005)
    return count


def routine(stream_id: str) -> int:
    found = parse_id(stream_id)
    assert found is not None
    return found[1].routine


def test_an_overtaken_client_is_told_what_it_missed_and_goes_on(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """Every story is either sent or lies within a gap; others had all of them at once."""

    async def body() -> None:
        async with gateway(ring_bytes=100_000, evict_s=60, **SMALL_BUFFERS) as running:
            slow, other = await idler(running), await running.listen()
            await slow.next()
            await other.next()
            filled = await fill(running)
            for number in range(20):
                running.log.append(released(f"urn:more:{number}", headline=BIG))
            total = filled + 20
            assert [event.data["seq"] for event in await other.take(total)] == list(range(total))
            seen: list[Event] = []
            covered: list[int] = []
            while len(covered) < total:
                event = await slow.next()
                seen.append(event)
                if event.event == "gap":
                    covered += range(routine(event.data["from"]), routine(event.data["to"]))
                    assert event.data["reason"] == "slow"
                elif event.event == "story":
                    covered.append(event.data["seq"])
            assert covered == list(range(total))
            assert sum(event.event == "gap" for event in seen) >= 1
            await wait_until(lambda: not is_full(running), within=5)
            running.log.append(released("urn:last"))
            assert (await slow.next()).data["story_id"] == (await other.next()).data["story_id"] == "urn:last"

    run(body())


def test_a_slow_client_catches_up_from_memory_without_a_gap(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """While the ring still has it all, a pause costs nothing but time."""

    async def body() -> None:
        async with gateway(evict_s=60, **SMALL_BUFFERS) as running:
            slow = await idler(running)
            await slow.next()
            total = await fill(running) + 10
            for number in range(10):
                running.log.append(released(f"urn:more:{number}", headline=BIG))
            events = await slow.take(total)
            assert [event.data["seq"] for event in events] == list(range(total))

    run(body())


def test_who_takes_nothing_for_too_long_is_let_go_and_can_come_back(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """The connection ends, nothing is kept of it, and its last id is a resume point."""

    async def body() -> None:
        # who comes back reads on the loop that may be held up: it has the same second
        async with gateway(evict_s=1, **SMALL_BUFFERS) as running:
            slow = await idler(running)
            hello = await slow.next()
            filled = await fill(running)
            await wait_until(lambda: running.clients() == 0, within=5)
            last_id, seen = hello.id, 0
            while True:
                try:
                    event = await slow.next()
                except (asyncio.IncompleteReadError, ConnectionError):
                    break
                seen += event.event == "story"
                last_id = event.id or last_id
            assert seen < filled
            back = await running.listen(last_id=last_id)
            await back.next()
            assert [event.data["seq"] for event in await back.take(filled - seen)] == list(range(seen, filled))

    run(body())


def test_a_replaying_client_that_stops_reading_is_let_go_too(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """Also where its stories come out of the log; the reader of the log is free again for others."""

    async def body() -> None:
        # the other one reads on the same loop: a second, as above
        async with gateway(ring_age_s=-60, evict_s=1, replays=1, **SMALL_BUFFERS) as running:
            for number in range(40):
                running.log.append(released(f"urn:{number}", headline=BIG))
            slow = await idler(running, "e1-0-0")
            await wait_until(lambda: running.log.reads > 0, within=5)
            other = await running.listen(last_id="e1-0-35")
            assert [event.data["seq"] for event in (await other.take(6))[1:]] == list(range(35, 40))
            await wait_until(lambda: running.clients() == 1, within=5)
            await slow.close()

    run(body())


def test_the_position_of_a_client_that_left_the_live_list_is_what_it_was_written(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """A client that is full leaves its group, so that nobody's story waits for it."""

    async def body() -> None:
        async with gateway(evict_s=60, **SMALL_BUFFERS) as running:
            slow = await idler(running)
            await slow.next()
            filled = await fill(running)
            (client,) = running.hub._clients
            assert client.position == Position(0, filled)
            assert client not in client.group.live

    run(body())


def test_a_slow_client_is_spared_what_a_newer_release_has_made_needless(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """Of each story only the newest that lies ahead; how many were left out is counted and told."""

    async def body() -> None:
        async with gateway(evict_s=60, **SMALL_BUFFERS) as running:
            slow, other = await idler(running), await running.listen()
            await slow.next()
            await other.next()
            filled = await fill(running)
            for number in range(1, 6):
                running.log.append(released("urn:a", number, kind=Kind.UPDATE, facts=Facts(sections=("arts",))))
                running.log.append(released("urn:b", number, kind=Kind.UPDATE))
            assert len(await other.take(filled + 10)) == filled + 10
            *_, checkpoint = seen = await slow.until("checkpoint")
            stories = [(event.data["story_id"], event.data["release_no"]) for event in seen[filled:-1]]
            assert stories == [("urn:a", 5), ("urn:b", 5)]
            assert checkpoint.data == {"cursor": f"e1-0-{filled + 10}", "skipped": 8}
            assert [client.skipped for client in running.hub.clients()] == [8, 0]

    run(body())
