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
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """Where the loop runs: in memory, and on the shared broker."""
    if request.param == "twin":
        yield TwinCluster()
        return
    kafka: KafkaSettings = request.getfixturevalue("kafka")
    async with on_a_broker(kafka) as real:
        yield real
