"""A replay on a real broker: asked for as the gateway does, and gone on with by the next process."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.domain.replays import Replay
from shared.domain.subscription import Ordering
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import NOON, item
from tests.services.distribution.process import WITHIN, post_on
from tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]
STORIES = 40


async def test_a_replay_is_done_though_its_process_dies(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Everything comes once more under its id, and the record says that it is done."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    stories = [f"urn:again:{number}" for number in range(STORIES)]
    now = datetime.now(UTC)
    asked = Replay(
        replay_id="rpl_1",
        endpoint_id="ep_1",
        subscriber="sub_1",
        since=NOON,
        asked_by="ann",
        asked_at=now,
        updated_at=now,
    )

    async def told() -> Replay:
        """What the record says by now."""
        found: list[Replay] = []

        def see(record: Record) -> None:
            if record.key == key_of(*asked.key_parts) and record.value is not None:
                found.append(Replay.model_validate_json(record.value))

        async with Tail(kafka, (Topic.ENDPOINT_HEALTH,)) as tail:
            await tail.load(see)
        return found[-1]

    async def is_done() -> bool:
        return (await told()).state == "done"

    async with post_on(kafka, tmp_path, Ordering.LATEST) as post:
        await post.start()
        await post.release(*(item(story_id=story_id) for story_id in stories))
        await wait_until(lambda: len(set(post.recorder.ids)) == STORIES, WITHIN, message="everything once")
        await post.publisher.publish(Topic.ENDPOINT_HEALTH, key_of(*asked.key_parts), asked.model_dump_json().encode())
        await wait_until(lambda: len(post.recorder.ids) > STORIES, WITHIN, message="the first once more")
        await post.kill()
        await post.start()
        await wait_until(is_done, WITHIN, every=0.3, message="the end of the replay")
        assert len(post.copies()) == STORIES
        assert min(post.copies().values()) >= 2
        assert (await told()).sent >= STORIES
