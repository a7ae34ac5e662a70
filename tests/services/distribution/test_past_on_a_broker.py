"""What the tables and the log tell at a hand-over, on a real broker."""

import asyncio

from aiokafka.structs import TopicPartition

from services.distribution.adapters.freshness import Freshness
from services.distribution.adapters.logs import LANES, Groups, KafkaAttemptLog, KafkaReleasedLog
from services.distribution.attempts import row_of
from services.distribution.deliveries import Delivery
from services.distribution.main import MATCHER
from services.distribution.tables import TOPICS
from shared.domain.events import encode_event
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.platform.consumers import close, group_name, open_consumer
from shared.platform.publishing import Publisher
from shared.platform.reading import Lookup, Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, key_of, name
from tests.services.distribution.deliveries import NOON, item, released, subscription


async def release(publisher: Publisher, of: Item) -> int:
    """Put a release on its lane; return its place."""
    event = released(of)
    return (await publisher.publish(LANES[of.lane], event.story_id, encode_event(event))).offset


async def passed(kafka: KafkaSettings, topic: Topic, offset: int) -> None:
    """Commit for the matcher, whose lead is the flash lane."""
    consumer = await open_consumer(kafka, group_id=group_name(MATCHER, kafka.topic_prefix))
    at = TopicPartition(name(topic, kafka.topic_prefix), 0)
    consumer.assign([at])
    await consumer.commit({at: offset})
    await close(consumer)


async def test_a_release_waits_until_what_was_registered_before_it_is_known(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """The 201 came, then the filing; the table had not read the subscription yet."""
    seen: list[str | None] = []

    def see(record: Record) -> None:
        seen.append(record.key)

    stop = asyncio.Event()
    async with Tail(kafka, TOPICS) as tail, Freshness(kafka, tail, TOPICS) as fresh:
        await tail.load(see)
        key = key_of("s1", "subscription")
        await publisher.publish(Topic.SUBSCRIPTION_STATE, key, subscription().model_dump_json().encode())
        flash = await release(publisher, item(lane=Lane.FLASH))
        routine = await release(publisher, item(2, Kind.UPDATE))
        known = asyncio.create_task(fresh.known_before(Lane.ROUTINE, routine))
        _, waiting = await asyncio.wait({known}, timeout=0.2)
        assert waiting == {known}
        following = asyncio.create_task(tail.follow(see, stop))
        assert await known == flash + 1
        assert seen == [key]
        stop.set()
        await following


async def test_what_passed_on_one_lane_is_known_while_the_other_is_behind(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """Two flashes have passed, a third has not, and neither has the routine release before them."""
    await release(publisher, item(1))
    places = [await release(publisher, item(number, Kind.UPDATE, Lane.FLASH)) for number in (2, 3, 4)]
    await passed(kafka, Topic.RELEASED_FLASH, places[-1])
    taken: list[Record] = []
    async with Lookup(kafka) as lookup:
        log = KafkaReleasedLog(kafka, lookup, Groups(kafka, lookup, MATCHER, tuple(LANES.values())))
        assert await log.passed(taken.append) == places[-1]
        newest = await log.read(Lane.FLASH, places[1])
    assert [(one.topic, one.offset) for one in taken] == [(Topic.RELEASED_FLASH, place) for place in places[:2]]
    assert newest is not None
    assert (newest.data.item.release_no, newest.data.item.seq) == (3, places[1])


async def test_the_log_tells_the_newest_release_that_an_endpoint_has(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """By story, of that endpoint alone, of what it took; a first release can be newer than nothing."""
    taken = [("ep_1", "urn:a", 2, "delivered"), ("ep_1", "urn:a", 3, "retrying"), ("ep_1", "urn:b", 1, "delivered")]
    for endpoint_id, story_id, release_no, state in [*taken, ("ep_2", "urn:a", 4, "delivered")]:
        delivery = Delivery(story_id, endpoint_id, 0, b"", lambda: None, item=item(release_no, story_id=story_id))
        row = row_of(delivery, "sub_1", state, "", NOON, n=1)
        await publisher.publish(Topic.ATTEMPTS, "0", row.encoded(row.event_id), partition=0)
    async with Lookup(kafka) as lookup:
        groups = Groups(kafka, lookup, MATCHER, tuple(LANES.values()))
        log = KafkaAttemptLog(kafka, groups, groups)
        assert await log.newest_delivered(0, "ep_1", NOON) == {"urn:a": 2}
