"""What waits at an endpoint that wants every release, while its owner dies, is killed, is away."""

from pathlib import Path

from shared.domain.story import Kind, Lane
from shared.domain.subscription import Ordering
from shared.platform.settings import KafkaSettings
from tests.services.distribution.deliveries import STORY, item
from tests.services.distribution.process import WITHIN, post_on
from tests.waiting import wait_until

BLOCKED, KILLED = "urn:blocked", "urn:killed"


async def test_a_blocked_story_survives_two_restarts_and_a_kill_ends_one_while_nobody_is_there(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Release 1 of two stories fails, 2 waits; killed; one story is killed meanwhile; its retry falls due later."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    async with post_on(kafka, tmp_path, Ordering.EVERY, answers=(500, 500)) as post:
        await post.start()
        for story_id in (BLOCKED, KILLED):
            await post.release(item(1, story_id=story_id), item(2, Kind.UPDATE, story_id=story_id))
            await wait_until(lambda known=story_id: set(post.ends(known)) == {1, 2}, WITHIN)  # type: ignore[misc, arg-type]
        await post.kill()
        await post.release(item(3, Kind.KILL, Lane.FLASH, KILLED), item(3, Kind.UPDATE, story_id=BLOCKED))
        await post.start()
        await wait_until(lambda: post.ends(KILLED).get(3) == "delivered", WITHIN)
        await wait_until(lambda: post.ends(KILLED).get(2) == "killed", WITHIN)
        await wait_until(lambda: 3 in post.ends(BLOCKED), WITHIN)
        await post.stop()
        await post.start()
        await wait_until(lambda: post.ends(BLOCKED).get(3) == "delivered", WITHIN)
        await wait_until(lambda: post.ends(KILLED).get(1) == "killed", WITHIN)
        assert post.arrivals(BLOCKED) == [1, 1, 2, 3]
        assert post.arrivals(KILLED) == [1, 3]


async def test_a_planned_restart_ends_the_exchange_in_hand_and_sends_nothing_twice(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Asked to stop while the receiver thinks: its answer is waited for and written down."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    async with post_on(kafka, tmp_path) as post:
        await post.start("post.sent 1 hold")
        await post.release(item())
        await post.struck("post.sent")
        post.lives[-1].terminate()
        await wait_until(lambda: "process.stopping" in post.last_words(), WITHIN)
        post.go_on()
        await post.stop()
        await post.start()
        await post.release(item(2, Kind.UPDATE))
        await wait_until(lambda: post.ends(STORY).get(2) == "delivered", WITHIN)
        assert post.ends(STORY)[1] == "delivered"
        assert post.arrivals(STORY) == [1, 2]
