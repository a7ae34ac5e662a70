"""The local Redis answers on loopback only, refuses what it cannot hold, and comes back empty."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.local.child import ServerFailed
from deploy.local.redis import LocalRedis


async def test_a_value_written_is_read(redis_url: str, unique: str) -> None:
    """What was set is got."""
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        await redis.set(unique, "here", ex=60)
        assert await redis.get(unique) == "here"


async def test_a_restarted_redis_is_empty(local_redis: LocalRedis, unique: str) -> None:
    """Nothing in Redis survives its process: what matters is in Kafka."""
    async with Redis.from_url(local_redis.url) as redis:
        await redis.set(unique, "here")
    await local_redis.stop()
    await local_redis.start()
    await local_redis.ready()
    async with Redis.from_url(local_redis.url) as redis:
        assert await redis.get(unique) is None


async def test_a_full_redis_evicts_nothing(local_redis: LocalRedis) -> None:
    """Memory is bounded, and at the bound a write is refused instead of another key dropped."""
    async with Redis.from_url(local_redis.url) as redis:
        settings = await redis.config_get("maxmemory*")
        bound = await redis.config_get("bind")
    assert int(settings["maxmemory"] or 0) > 0
    assert settings["maxmemory-policy"] == "noeviction"
    assert bound["bind"] == "127.0.0.1"


async def test_a_port_in_use_is_not_taken_for_our_redis(local_redis: LocalRedis, tmp_path: Path) -> None:
    """Another Redis answering on the port does not make ours ready; the failure holds the server's last words."""
    redis = LocalRedis(tmp_path)
    redis.port = local_redis.port  # what losing a race for the port looks like
    await redis.start()
    try:
        with pytest.raises(ServerFailed, match=r"(?s)redis ended while starting:.*Address already in use"):
            await redis.ready()
    finally:
        await redis.kill()
