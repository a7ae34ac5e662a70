"""The topics of a whole wire, for tests of services that stand on a broker."""

from collections.abc import AsyncIterator

import pytest

from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings


@pytest.fixture
async def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    """Every topic, under a prefix that nobody else has."""
    settings = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await provision(settings, profile="local")
    return settings


@pytest.fixture
async def publisher(kafka: KafkaSettings) -> AsyncIterator[Publisher]:
    async with Publisher(kafka) as opened:
        yield opened
