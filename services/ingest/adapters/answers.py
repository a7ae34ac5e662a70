"""First answers by Idempotency-Key, in Redis for a day; without Redis every filing is taken anew, under the same id."""

import asyncio
import hashlib
import json
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.platform.logs import logger

DAY_S = 24 * 3600
PATIENCE_S = 0.5


class RedisAnswers:
    """`Answers` that never fails and never waits long: what it holds is only a hint."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def first(self, source: str, key: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                kept = await self._redis.get(_name(source, key))
        except (RedisError, TimeoutError, OSError) as error:
            logger().warning("answers.away", error=type(error).__name__)
            return None
        if kept is None:
            return None
        answer: dict[str, Any] = json.loads(kept)
        return answer

    async def keep(self, source: str, key: str, answer: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._redis.set(_name(source, key), json.dumps(answer), ex=DAY_S, nx=True)
        except (RedisError, TimeoutError, OSError) as error:
            logger().warning("answers.away", error=type(error).__name__)


def _name(source: str, key: str) -> str:
    digest = hashlib.sha256("\t".join((source, key)).encode()).hexdigest()
    return f"wire:ingest:answer:{digest}"
