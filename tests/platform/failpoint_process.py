"""The process that `test_failpoints` arms: `python -m tests.platform.failpoint_process SCENE`; it tells its way.

`steps` passes one point again and again; `copy` consumes INBOX and publishes each record to RELEASED; `lanes` does so
for INBOX_FLASH and INBOX.
"""

import asyncio
import itertools
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from shared.platform.consuming import Membership, consume
from shared.platform.intake import Source
from shared.platform.jobs import main, run
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Publisher
from shared.platform.records import Record
from shared.platform.settings import CommonSettings, load
from shared.platform.topics import Topic

PROCESS = "desk"
POINT = "post.before"
SESSION_S = 6.0  # the shortest that a broker grants


def say(line: str) -> None:
    """Tell the test where we are."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def steps() -> None:
    failpoints = load(CommonSettings, PROCESS).kafka.failpoints
    for n in itertools.count(1):
        if failpoints is None:
            say("nothing is armed")
            return
        try:
            await failpoints.passing(POINT, ConnectionError)
        except ConnectionError as error:
            say(str(error))
            return
        say(f"passed {n}")
        await asyncio.sleep(0.01)


async def copy(*topics: Topic) -> None:
    settings = load(CommonSettings, PROCESS)
    async with Publisher(settings.kafka) as publisher:
        park = DeadLetters(publisher, "moderation").park
        copying = partial(
            consume,
            settings.kafka,
            group="desk",
            member=f"desk-{settings.instance}",
            sources=[Source(topic) for topic in topics],
            handle=partial(_copied, publisher),
            park=park,
            commit_every=0.05,
            membership=Membership(SESSION_S),
        )
        await run({"copy": lambda stop: copying(stop=stop)})


async def _copied(publisher: Publisher, record: Record) -> None:
    await publisher.publish(Topic.RELEASED, record.key or "", record.value)


if __name__ == "__main__":
    scenes: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "steps": steps,
        "copy": partial(copy, Topic.INBOX),
        "lanes": partial(copy, Topic.INBOX_FLASH, Topic.INBOX),
    }
    main(scenes[sys.argv[1]])
