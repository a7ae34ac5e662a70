"""First answers by Idempotency-Key, sealed, in Redis for a day; without Redis a request is taken as new."""

import asyncio
from typing import Final

import redis.asyncio
from redis.exceptions import RedisError

from shared.domain.errors import Misconfigured
from shared.platform.logs import logger
from shared.platform.sealing import Sealer

DAY_S: Final = 24 * 3600
PATIENCE_S: Final = 0.5


class SealedAnswers:
    """`services.gateway.repeated.Answers`: what it holds is only a hint, so it never fails and never waits long."""

    def __init__(self, client: redis.asyncio.Redis, sealer: Sealer, prefix: str) -> None:
        self._client = client
        self._sealer = sealer
        self._prefix = prefix

    async def first(self, name: str) -> bytes | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                kept = await self._client.get(f"{self._prefix}{name}")
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            logger().warning("repeated.away", error=type(error).__name__)
            return None
        if not isinstance(kept, bytes):
            return None
        try:
            return self._sealer.open(kept.decode()).encode()
        except Misconfigured:  # sealed with a key that was dropped since
            return None

    async def keep(self, name: str, answer: bytes) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._client.set(f"{self._prefix}{name}", self._sealer.seal(answer.decode()), ex=DAY_S)
        except (RedisError, OSError) as error:
            logger().warning("repeated.away", error=type(error).__name__)
