"""An input is taken only by the owner of its story."""

from dataclasses import replace

import pytest

from services.moderation.intake import handler
from services.moderation.story_queue import StoryQueue
from shared.domain.errors import Undecodable
from shared.platform.topics import partition_of
from tests.domain.stories import STORY
from tests.services.moderation.wire import Inbox, Process, Wire

PARTITIONS = 6


async def test_an_input_in_a_partition_that_is_not_its_storys_is_parked() -> None:
    """Its owner there knows nothing of the story, and would release its first version again."""
    process, queue = await Process(Wire()).own(), StoryQueue()
    take, home = handler(process.desk, queue, PARTITIONS), partition_of(STORY, PARTITIONS)
    filing = Inbox().filing("e1")
    with pytest.raises(Undecodable, match="partition"):
        await take(replace(filing, partition=(home + 1) % PARTITIONS))
    assert process.wire.effects == []
    taken = await take(replace(filing, partition=home))
    assert taken is not None
    await queue.abandon()
