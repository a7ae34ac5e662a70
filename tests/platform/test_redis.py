"""Is Redis reached with a limit on every wait?"""

import asyncio

import pytest
from redis import exceptions

from shared.platform.redis import connect
from tests.waiting import wait_until


async def test_values_come_back_as_bytes(redis_url: str, unique: str) -> None:
    """Nothing is decoded: views hold encoded documents."""
    async with connect(redis_url) as redis:
        await redis.set(unique, "ä")
        assert await redis.get(unique) == "ä".encode()
        await redis.delete(unique)


async def test_a_redis_that_is_away_is_an_error_at_once() -> None:
    """A refused connection is tried once more and then told."""
    async with connect("redis://127.0.0.1:9/0") as redis:
        with pytest.raises(exceptions.ConnectionError):
            await asyncio.wait_for(redis.ping(), 5)


async def test_a_redis_that_does_not_answer_is_given_up() -> None:
    """A hung server holds nobody up beyond the limit."""
    asked: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            asked.append(data)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"redis://127.0.0.1:{port}/0", answer_within=0.1) as redis:
            with pytest.raises(exceptions.TimeoutError):
                await asyncio.wait_for(redis.ping(), 5)
        await wait_until(lambda: asked, 5)
