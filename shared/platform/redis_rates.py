"""How do all processes share their rates? One Redis script over one moment per bucket, on the server's own clock.

A bucket lies under `<prefix>throttle:<scope>:<name>` as the moment, in microseconds, up to which its tokens are given
out; it expires a minute after it is full again. An emptied Redis makes every bucket a full one: one burst of its depth.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import redis.asyncio
from redis.exceptions import RedisError

from shared.platform.rates import HAIR, Ask, Grant, GrantsAway

ANSWER_WITHIN_S: Final = 0.25
"""Longer than this nobody waits for a token; what a bucket earns meanwhile is not lost (`rates.DEPTH_S`)."""

# The rule is `rates.given`, in microseconds: one suite of tests holds the two together.
_GRANT: Final = """
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local hair, answer = tonumber(ARGV[2]), {}
for i, key in ipairs(KEYS) do
  local rate, depth, wanted = tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1]), tonumber(ARGV[i * 3 + 2])
  local each = 1000000 / rate
  local brim = now + depth * each
  local till = math.min(math.max(tonumber(redis.call('GET', key) or '0'), now), brim)
  local there = math.floor((brim - till) / each + hair)
  local tokens = math.min(wanted, there)
  till = till + tokens * each
  redis.call('SET', key, string.format('%.3f', till), 'PX', math.ceil((till - now) / 1000) + 60000)
  answer[i * 3 - 2] = tokens
  answer[i * 3 - 1] = math.ceil(math.max(0, till + each - brim))
  answer[i * 3] = there - tokens
end
return answer
"""


class RedisGrants:
    """`Grants` of `shared.platform.rates`. Not for a Redis cluster: one script touches many keys."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str = "", now: Callable[[], float] | None = None) -> None:
        """`prefix` begins every key; `now` gives seconds where the server's own clock is not to count."""
        self._script = client.register_script(_GRANT)
        self._prefix = prefix
        self._now = now

    async def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        keys = [f"{self._prefix}throttle:{ask.scope}:{ask.name}" for ask in asks]
        now = -1 if self._now is None else round(self._now() * 1_000_000)
        arguments = [now, HAIR, *(value for ask in asks for value in (ask.rate, ask.depth, ask.wanted))]
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._script(keys, arguments)
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            raise GrantsAway(f"Redis does not answer: {type(error).__name__}") from error
        each = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
        return [Grant(tokens, next_us / 1_000_000, left) for tokens, next_us, left in each]
