"""What every test may ask for: a broker, a Redis, a name nobody else uses, the shared material."""

import logging
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.local.kafka import LocalKafka
from deploy.local.redis import LocalRedis
from tests import brokers
from tests.material import material

# how quick an example is says something of the machine, never of the code
settings.register_profile("slugline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slugline")


def pytest_configure() -> None:
    """Take Ctrl-C as a terminal would give it: a job started in the background by a shell is told to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands on a real engine, so that -m 'not broker' is the quick suite."""
    for item in items:
        if brokers.FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


@pytest.fixture(scope="session")
def local_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker for tests that stop or kill it; they leave it running and ready.

    Not the one that all others share: that has thousands of partitions in the end, and takes minutes to come back.
    """
    with brokers.kafka_of_our_own(tmp_path_factory.mktemp("stopped-kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def shared_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """The session's own broker, which nobody stops."""
    with brokers.kafka_of_our_own(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """host:port of a real broker shared by the session: keep to topics and groups named after `unique`."""
    if external := brokers.named("WIRE_TEST_KAFKA"):
        return external
    kafka: LocalKafka = request.getfixturevalue("shared_kafka")
    return kafka.bootstrap


@pytest.fixture(scope="session")
def local_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    """The session's own Redis, for tests that stop, kill or empty it; they leave it running and ready."""
    with brokers.redis_of_our_own(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """URL of a real Redis shared by the session: keep to keys that begin with `unique`."""
    if external := brokers.named("WIRE_TEST_REDIS"):
        return external
    redis: LocalRedis = request.getfixturevalue("local_redis")
    return redis.url


@pytest.fixture
def unique() -> str:
    """A short word no other test has, safe in topic names, group ids, Redis keys and URLs."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
def topic_prefix(unique: str) -> str:
    """What a test's topics and groups begin with, the dot included."""
    return f"{unique}."


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """Configuring logs changes the whole process; put it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def shared_material() -> Path:
    """The folder of the shared material; the test is skipped where it is absent."""
    return material()
