"""Fixtures of the gateway's tests."""

from collections.abc import AsyncIterator

import pytest

from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings
from tests.services.gateway.twins import World, world


@pytest.fixture
async def wire() -> AsyncIterator[World]:
    """A gateway over twins, with keys still to be made."""
    async with world() as made:
        yield made


@pytest.fixture
def hooks(wire: World) -> World:
    """Two subscribers, and no endpoint yet."""
    wire.key("sue", "subscriber", subscriber="acme")
    wire.key("tom", "subscriber", subscriber="other")
    return wire


@pytest.fixture
async def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await provision(settings, profile="local")
    return settings


@pytest.fixture
async def publisher(kafka: KafkaSettings) -> AsyncIterator[Publisher]:
    async with Publisher(kafka) as opened:
        yield opened
