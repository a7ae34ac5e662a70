"""Is a ticket good in every process, once, whatever becomes of Redis, and is nothing else a ticket?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.redis import LocalRedis
from services.gateway.adapters.redis_stubs import PATIENCE_S, RedisStubs
from services.gateway.tickets import LASTS, REMEMBERED, Stubs, Ticket, Tickets
from shared.domain.keys import hash_key
from shared.domain.state import Principal
from shared.platform.clock import FixedClock
from shared.platform.redis import connect
from shared.platform.sealing import Sealer
from tests.services.gateway.twins import NOON, SEALER, MemoryStubs

SUE = Principal(
    key_id="key_sue", hash=hash_key("k"), prefix="k", subscriber="acme", person="sue", scopes=(), created_at=NOON
)


def process(stubs: Stubs, clock: FixedClock | None = None, sealer: Sealer = SEALER) -> Tickets:
    return Tickets(clock or FixedClock(NOON), sealer, stubs)


def read(tickets: Tickets, value: str) -> Ticket:
    found = tickets.read(value)
    assert found is not None
    return found


async def test_a_ticket_of_one_process_is_good_in_another_once_in_all() -> None:
    """It names its key and its end, and whoever comes second, here or there, is too late."""
    here, there = (process(stubs) for stubs in [MemoryStubs()] * 2)
    value, until = here.issue(SUE)
    assert (read(there, value).key_id, read(there, value).until) == ("key_sue", until)
    assert await there.use(read(there, value))
    assert not await here.use(read(here, value))
    assert not await there.use(read(there, value))


async def test_of_all_who_show_one_at_the_same_moment_one_gets_in() -> None:
    """In whichever process."""
    processes = [process(stubs) for stubs in [MemoryStubs()] * 3]
    value, _ = processes[0].issue(SUE)
    used = await asyncio.gather(*(one.use(read(one, value)) for one in processes * 4))
    assert used.count(True) == 1


@pytest.mark.parametrize("trouble", ["emptied", "away"])
async def test_without_redis_a_ticket_is_good_once_in_each_process(trouble: str) -> None:
    """What a process has seen used itself, it knows without."""
    stubs = MemoryStubs()
    here, there = process(stubs), process(stubs)
    value, _ = here.issue(SUE)
    assert await here.use(read(here, value))
    stubs.torn.clear()
    stubs.away = trouble == "away"
    assert not await here.use(read(here, value))
    assert await there.use(read(there, value))
    assert not await there.use(read(there, value))


async def test_it_is_over_after_half_a_minute_also_for_who_was_let_in_before() -> None:
    """A request may wait long behind others of its connection; what was used is forgotten by then."""
    clock = FixedClock(NOON)
    tickets = process(MemoryStubs(), clock)
    value, until = tickets.issue(SUE)
    assert until == NOON + timedelta(seconds=30)
    early = read(tickets, value)
    clock.advance(LASTS)
    assert tickets.read(value) is None
    assert not await tickets.use(early)


async def test_a_process_remembers_what_was_used_for_a_minute_only() -> None:
    """Longer than a ticket lives on any clock, and no longer than that."""
    clock = FixedClock(NOON)
    tickets = process(MemoryStubs(), clock)
    for _ in range(3):
        assert await tickets.use(read(tickets, tickets.issue(SUE)[0]))
        clock.advance(REMEMBERED / 2)
    assert len(tickets._used) == 2


@given(st.data())
async def test_written_in_another_way_it_is_the_same_ticket(data: st.DataObject) -> None:
    """Base64 is read leniently: bytes between that mean nothing make no second ticket of it."""
    tickets = process(MemoryStubs())
    value, _ = tickets.issue(SUE)
    assert await tickets.use(read(tickets, value))
    at = data.draw(st.integers(0, len(value)))
    other = tickets.read(value[:at] + data.draw(st.text("!\n =~", min_size=1)) + value[at:])
    assert other is None or not await tickets.use(other)


@given(st.text() | st.sampled_from(["tkt_", SEALER.seal("whsec_x"), SEALER.seal("{}\t" * 9)]))
def test_nothing_else_is_a_ticket(value: str) -> None:
    """Neither what anybody makes up, nor what else is sealed with the same key."""
    assert process(MemoryStubs()).read(value) is None


def test_a_ticket_outlives_the_change_of_the_sealing_key_where_it_can_be_opened() -> None:
    """Any of the keys of a process opens; one that has other keys knows no such ticket."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    value, _ = process(MemoryStubs(), sealer=Sealer(old)).issue(SUE)
    assert read(process(MemoryStubs(), sealer=Sealer(f"{new},{old}")), value).key_id == "key_sue"
    assert process(MemoryStubs(), sealer=Sealer(new)).read(value) is None


@asynccontextmanager
async def redis_stubs(url: str, prefix: str, processes: int = 2) -> AsyncIterator[list[RedisStubs]]:
    """What several processes note in one Redis, each over connections of its own."""
    clients = [connect(url) for _ in range(processes)]
    try:
        yield [RedisStubs(client, prefix) for client in clients]
    finally:
        for client in clients:
            await client.aclose()


async def test_redis_lets_one_process_in(redis_url: str, unique: str) -> None:
    """However many ask at the same moment; the note goes by itself."""
    async with redis_stubs(redis_url, f"{unique}:") as each, connect(redis_url) as client:
        torn = await asyncio.gather(*(stubs.tear("one", 60) for stubs in each * 8))
        assert torn.count(True) == 1
        assert await each[0].tear("another", 60)
        assert 0 < await client.pttl(f"{unique}:one") <= 60_000


async def test_an_emptied_redis_lets_each_process_in_once_more(redis_url: str, unique: str) -> None:
    """Two processes over a real one: a ticket opens no third stream."""
    async with redis_stubs(redis_url, f"{unique}:") as each, connect(redis_url) as client:
        here, there = (process(stubs) for stubs in each)
        ticket = read(here, here.issue(SUE)[0])
        assert await here.use(ticket)
        await client.delete(f"{unique}:{ticket.name}")
        assert [await one.use(ticket) for one in (there, here, there)] == [True, False, False]


async def test_while_redis_is_stopped_each_process_goes_by_its_own_memory(local_redis: LocalRedis, unique: str) -> None:
    """And by what all know again, once it is back."""
    async with redis_stubs(local_redis.url, f"{unique}:") as each:
        here, there = (process(stubs) for stubs in each)
        first, second = (read(here, here.issue(SUE)[0]) for _ in range(2))
        await local_redis.stop()
        try:
            assert [await one.use(first) for one in (here, here, there, there)] == [True, False, True, False]
        finally:
            await local_redis.start()
            await local_redis.ready()
        assert [await one.use(second) for one in (here, there)] == [True, False]


async def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    """A server that takes the command and says nothing."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with redis_stubs(f"redis://127.0.0.1:{port}/0", "x:", 1) as [stubs], asyncio.timeout(20 * PATIENCE_S):
            assert await stubs.tear("one", 60)


async def test_an_answer_that_is_lost_on_its_way_costs_nobody_a_ticket(redis_url: str, unique: str) -> None:
    """The command is sent again over a new connection, and finds its own note."""
    at = urlsplit(redis_url)
    sent = list[bytes]()

    async def losing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass commands and answers on, but for the first answer to a note."""
        redis_reader, redis_writer = await asyncio.open_connection(at.hostname, at.port)
        while command := await reader.read(2**16):
            redis_writer.write(command)
            answer = await redis_reader.read(2**16)
            if b"SET\r\n" in command:
                sent.append(command)
                if len(sent) == 1:
                    break
            writer.write(answer)
        redis_writer.close()
        writer.close()

    async with await asyncio.start_server(losing, "127.0.0.1", 0) as server:
        through = server.sockets[0].getsockname()[1]
        async with redis_stubs(f"redis://127.0.0.1:{through}/0", f"{unique}:", 1) as [stubs]:
            assert await stubs.tear("one", 60)
            assert len(sent) == 2
            assert not await stubs.tear("one", 60)
