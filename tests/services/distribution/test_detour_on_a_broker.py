"""A dead endpoint on a real broker: what it missed comes when it is back, once, though distribution dies meanwhile."""

from pathlib import Path

import pytest

from shared.domain.health import HEALTH, EndpointHealth
from shared.domain.subscription import Ordering
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, parts_of
from tests.services.distribution.deliveries import item
from tests.services.distribution.process import WITHIN, post_on
from tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]
FAILURES = 6  # five leave it alone; one more was in flight beside them, or is the first probe
STORIES = 60
IN_HAND = 32


async def is_behind(kafka: KafkaSettings) -> bool:
    """Whether `endpoint.health` says that the log owes the endpoint something."""
    found: list[EndpointHealth] = []

    def see(record: Record) -> None:
        if parts_of(record.key or "")[1] == HEALTH and record.value is not None:
            found.append(EndpointHealth.model_validate_json(record.value))

    async with Tail(kafka, (Topic.ENDPOINT_HEALTH,)) as tail:
        await tail.load(see)
    return any(one.catch_up is not None for one in found)


async def test_what_a_dead_endpoint_missed_comes_once_it_is_back_though_the_process_dies_twice(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Killed while it is left alone, and again while it catches up."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    stories = [f"urn:missed:{number}" for number in range(STORIES)]
    async with post_on(kafka, tmp_path, Ordering.EVERY, answers=(500,) * FAILURES) as post:
        await post.start()
        await post.release(*(item(story_id=story_id) for story_id in stories))
        await wait_until(lambda: is_behind(kafka), WITHIN, every=0.2, message="a record of what the log owes")
        await post.kill()
        await post.start()
        await wait_until(lambda: any(row.data.state == "delivered" for row in post.rows), 60, message="a success")
        await post.kill()
        await post.start()
        await wait_until(
            lambda: all(post.ends(story_id).get(1) == "delivered" for story_id in stories),
            WITHIN,
            message="everything that was missed",
        )
        twice = sum(times > 1 for times in post.copies().values())
        assert twice <= FAILURES + IN_HAND  # what failed first, and what was in hand when it was killed
