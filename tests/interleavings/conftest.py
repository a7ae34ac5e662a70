"""What several interleavings stand on."""

from collections.abc import AsyncIterator

import pytest

from tests.services.moderation.service import Around, around_it


@pytest.fixture
async def around(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Around]:
    """All that surrounds the desk, on topics of the test's own: no desk runs yet."""
    async with around_it(kafka_bootstrap, topic_prefix) as wire:
        yield wire
