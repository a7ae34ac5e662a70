"""The process that `test_failpoints` arms: `python -m tests.platform.failpoint_process SCENE`; it tells its way.

`steps` passes one point again and again; `copy` consumes INBOX and publishes each record to RELEASED.
"""

import asyncio
import itertools
import sys
from functools import partial

from shared.platform.consuming import consume
from shared.platform.handling import Handler
from shared.platform.intake import Source
from shared.platform.jobs import main, run
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Publisher
from shared.platform.records import Record
from shared.platform.settings import CommonSettings, KafkaSettings, load
from shared.platform.topics import Topic

PROCESS = "desk"
POINT = "post.before"


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


async def copy() -> None:
    settings = load(CommonSettings, PROCESS)
    async with Publisher(settings.kafka) as publisher:
        park = DeadLetters(publisher, "moderation").park
        await run({"copy": partial(_copying, settings.kafka, partial(_copied, publisher), park)})


async def _copying(kafka: KafkaSettings, handle: Handler, park: object, stop: asyncio.Event) -> None:
    await consume(
        kafka,
        group="desk",
        member="desk-0",
        sources=[Source(Topic.INBOX)],
        handle=handle,
        park=park,  # type: ignore[arg-type]
        stop=stop,
        commit_every=0.05,
    )


async def _copied(publisher: Publisher, record: Record) -> None:
    await publisher.publish(Topic.RELEASED, record.key or "", record.value)


if __name__ == "__main__":
    main({"steps": steps, "copy": copy}[sys.argv[1]])
