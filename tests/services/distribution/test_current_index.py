"""The newest release of a story, looked up where a Tail last saw it."""

import asyncio

from services.distribution.adapters.logs import CurrentIndex
from shared.domain.events import encode_event
from shared.domain.story import Kind
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import STORY, item, record, released


class Place:
    """`story.current` in memory; offset n holds the n-th record appended."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, release_no: int) -> Record:
        value = encode_event(released(item(release_no, Kind.UPDATE)))
        self.records.append(record(Topic.CURRENT, value, len(self.records), key=STORY))
        return self.records[-1]

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        return self.records[offset]


async def test_a_release_that_is_known_to_be_there_is_waited_for() -> None:
    """The Tail has seen release 1 so far; who asks knows that release 2 is on its way."""
    place = Place()
    index = CurrentIndex(place)  # type: ignore[arg-type]  # all that it uses of a Lookup
    index.apply(place.append(1))
    asked = asyncio.create_task(index.newest(STORY, at_least=2))
    await asyncio.wait({asked}, timeout=0.1)
    assert not asked.done()
    index.apply(place.append(2))
    found = await asked
    assert found is not None
    assert found.release_no == 2


async def test_a_story_without_a_release_has_no_newest() -> None:
    """Nothing is waited for that nobody has announced."""
    assert await CurrentIndex(Place()).newest(STORY) is None  # type: ignore[arg-type]  # as above
