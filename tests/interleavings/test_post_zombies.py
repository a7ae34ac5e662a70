"""A deliverer that was paused for longer than its session wakes up with a webhook in its hand."""

import asyncio
import signal
from pathlib import Path

from shared.domain.story import Kind, Lane
from shared.platform.settings import KafkaSettings
from tests.services.distribution.deliveries import STORY, item
from tests.services.distribution.process import WITHIN, post_on
from tests.waiting import wait_until


async def test_an_owner_that_wakes_after_its_session_sends_nothing(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Stopped at the moment of writing; its successor sends the release and the kill; the sleeper ends itself."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    async with post_on(kafka, tmp_path) as post:
        sleeper = await post.start("post.before 1 stop")
        await post.release(item())
        await post.struck("post.before")
        await post.start(instance="1")
        await wait_until(lambda: post.ends(STORY).get(1) == "delivered", WITHIN)
        await post.release(item(2, Kind.KILL, Lane.FLASH))
        await wait_until(lambda: post.ends(STORY).get(2) == "delivered", WITHIN)
        sleeper.send_signal(signal.SIGCONT)
        async with asyncio.timeout(WITHIN):
            assert await sleeper.wait() == 70
        assert post.arrivals(STORY) == [1, 2]
