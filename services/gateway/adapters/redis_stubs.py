"""Which tickets were used, in Redis for a minute; without Redis each process goes by its own memory."""

import asyncio
import secrets
from typing import Final

import redis.asyncio
from redis.exceptions import RedisError

from shared.platform.logs import logger

PATIENCE_S: Final = 0.25
"""A stream that begins waits for an answer no longer than this."""


class RedisStubs:
    """`services.gateway.tickets.Stubs`."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def tear(self, name: str, lasts_s: float) -> bool:
        ours = secrets.token_bytes(8)  # asked again after a lost connection, the first note is known as our own
        try:
            async with asyncio.timeout(PATIENCE_S):
                before = await self._client.set(
                    f"{self._prefix}{name}", ours, nx=True, get=True, px=int(lasts_s * 1000)
                )
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            logger().warning("tickets.alone", error=type(error).__name__)
            return True
        return before is None or before == ours
