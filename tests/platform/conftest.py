"""Fixtures of the platform's tests."""

from collections.abc import AsyncIterator

import pytest

from shared.platform.settings import KafkaSettings
from tests.platform.cluster import settings
from tests.platform.clusters import Cluster, TwinCluster, on_a_broker


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    """The shared broker, with names that are this test's own."""
    return settings(kafka_bootstrap, topic_prefix)


@pytest.fixture(params=["twin", pytest.param("broker", marks=pytest.mark.broker)])
def broker(request: pytest.FixtureRequest) -> KafkaSettings | None:
    """The shared broker, or None for its twin. Not asked for within a loop: it may have to be started first."""
    return request.getfixturevalue("kafka") if request.param == "broker" else None


@pytest.fixture
async def cluster(broker: KafkaSettings | None) -> AsyncIterator[Cluster]:
    """Where the loop runs: in memory, and on the shared broker."""
    if broker is None:
        yield TwinCluster()
        return
    async with on_a_broker(broker) as real:
        yield real
