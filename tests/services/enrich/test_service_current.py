"""The index of released texts follows the wire on a real broker, in a thread that ends when it is told."""

import asyncio
from datetime import timedelta

import pytest

from services.enrich.adapters.current import CurrentReleases
from services.enrich.near_duplicates import text_hash
from services.enrich.released_texts import WINDOW, ReleasedTexts
from shared.domain.errors import Misconfigured
from shared.platform.clock import SystemClock
from shared.platform.publishing import Publisher
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import make_topics, settings
from tests.services.enrich.filings import STORY, released
from tests.services.enrich.samples import ENGLISH, GERMAN
from tests.waiting import wait_until

WITHIN = 40


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    return settings(kafka_bootstrap, topic_prefix)


async def release(kafka: KafkaSettings, *records: Record) -> None:
    """Put releases on the topic, as moderation does."""
    async with Publisher(kafka) as publisher:
        for one in records:
            await publisher.publish(Topic.CURRENT, one.key or "", one.value)


async def test_what_was_released_before_and_after_the_start_is_known(kafka: KafkaSettings) -> None:
    """The index is rebuilt from the topic and then follows it, until it is told to stop."""
    await make_topics(kafka, {Topic.CURRENT: 2})
    await release(kafka, released(ENGLISH, "urn:example:before"))
    texts, stop = ReleasedTexts(), asyncio.Event()

    def source(text: str) -> str | None:
        near = texts.like(STORY, text, text_hash(text))
        return near.story_id if near else None

    reading = asyncio.create_task(CurrentReleases(kafka, texts.apply, WINDOW, SystemClock()).run(stop))
    await wait_until(lambda: source(ENGLISH) == "urn:example:before", WITHIN)
    await release(kafka, released(GERMAN, "urn:example:after"))
    await wait_until(lambda: source(GERMAN) == "urn:example:after", WITHIN)
    stop.set()
    await asyncio.wait_for(reading, WITHIN)


async def test_what_is_older_than_the_window_is_not_read(kafka: KafkaSettings) -> None:
    """A topic that keeps every story for ever does not make a start slower every day."""
    await make_topics(kafka, {Topic.CURRENT: 1})
    seen: list[str | None] = []
    stop = asyncio.Event()
    await release(kafka, released(ENGLISH, "urn:example:old"))
    reader = CurrentReleases(kafka, lambda record: seen.append(record.key), timedelta(seconds=-60), SystemClock())
    reading = asyncio.create_task(reader.run(stop))

    async def follows() -> bool:
        await release(kafka, released(GERMAN, "urn:example:new"))
        return bool(seen)

    await wait_until(follows, WITHIN)
    assert set(seen) == {"urn:example:new"}
    stop.set()
    await asyncio.wait_for(reading, WITHIN)


async def test_it_stops_in_the_midst_of_loading(kafka: KafkaSettings) -> None:
    """A process asked to stop does not first read all that is on the topic."""
    await make_topics(kafka, {Topic.CURRENT: 1})
    await release(kafka, released(ENGLISH, "urn:example:1"))
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(CurrentReleases(kafka, lambda record: None, WINDOW, SystemClock()).run(stop), WITHIN)


async def test_a_bug_in_the_index_ends_the_job(kafka: KafkaSettings) -> None:
    """It is seen by whoever runs the jobs, not lost in a thread."""
    await make_topics(kafka, {Topic.CURRENT: 1})
    await release(kafka, released(ENGLISH, "urn:example:1"))

    def breaks(record: Record) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(CurrentReleases(kafka, breaks, WINDOW, SystemClock()).run(asyncio.Event()), WITHIN)


async def test_a_missing_topic_is_told(kafka: KafkaSettings) -> None:
    """Starting again would not make it."""
    with pytest.raises(Misconfigured, match="provision"):
        await CurrentReleases(kafka, lambda record: None, WINDOW, SystemClock()).run(asyncio.Event())
