"""Which Kafka and which Redis do the tests run against, and what happens where there is none?

Order: the one named in the environment (WIRE_TEST_KAFKA, WIRE_TEST_REDIS), else one of our own started here, else the
test is skipped, or fails where WIRE_REQUIRE_BROKER=1 says that a skip would hide something.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from deploy.local.kafka import LocalKafka
from deploy.local.machine import Missing
from deploy.local.redis import LocalRedis

# Tests that ask for one of these stand on a real engine and are marked `broker`.
FIXTURES = frozenset({"kafka_bootstrap", "local_kafka", "shared_kafka", "redis_url", "local_redis"})

_Server = TypeVar("_Server", LocalKafka, LocalRedis)


def named(variable: str) -> str | None:
    """Return the server an environment variable names, if it does."""
    return os.environ.get(variable) or None


def unavailable(reason: str) -> NoReturn:
    """End the test: as skipped, or as failed where a broker is required."""
    if os.environ.get("WIRE_REQUIRE_BROKER") == "1":
        pytest.fail(f"{reason}, and WIRE_REQUIRE_BROKER=1 asks for a real one", pytrace=False)
    pytest.skip(reason)


@contextmanager
def kafka_of_our_own(folder: Path) -> Iterator[LocalKafka]:
    """Run a broker over `folder` while the block lasts."""
    with _running(LocalKafka(folder)) as kafka:
        yield kafka


@contextmanager
def redis_of_our_own(folder: Path) -> Iterator[LocalRedis]:
    """Run a Redis over `folder` while the block lasts."""
    with _running(LocalRedis(folder)) as redis:
        yield redis


@contextmanager
def _running(server: _Server) -> Iterator[_Server]:
    try:
        asyncio.run(_up(server))
    except Missing as reason:
        unavailable(str(reason))
    try:
        yield server
    finally:
        asyncio.run(server.stop())


async def _up(server: LocalKafka | LocalRedis) -> None:
    try:
        await server.start()
        await server.ready()
    except BaseException:
        await server.kill()
        raise
