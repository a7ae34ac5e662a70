"""How is Redis reached? One client with limits on every wait; what it holds may vanish at any moment."""

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
CONNECTIONS = 64


def connect(url: str, *, answer_within: float = ANSWER_SECONDS) -> redis.asyncio.Redis:
    """A client of the Redis at `url`, answering bytes; close it with `aclose()`.

    Nothing is opened until the first command. A command that gets no answer within `answer_within` seconds raises
    `redis.exceptions.TimeoutError`; a lost connection is tried once again at once.
    """
    return redis.asyncio.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=answer_within,
        socket_keepalive=True,
        health_check_interval=15,
        max_connections=CONNECTIONS,
        retry=Retry(ExponentialBackoff(cap=0.05, base=0.01), retries=1),
    )
