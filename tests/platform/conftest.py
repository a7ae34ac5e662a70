"""Fixtures of the platform's tests."""

import pytest

from shared.platform.settings import KafkaSettings
from tests.platform.cluster import settings


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    """The shared broker, with names that are this test's own."""
    return settings(kafka_bootstrap, topic_prefix)
