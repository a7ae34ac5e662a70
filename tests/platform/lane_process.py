"""The process that `test_faust_worker` starts, kills and starts again: `python -m tests.platform.lane_process TEMPER`.

It copies RECEIVED to INBOX through a Faust lane. A `fragile` one breaks at records that say `bang` and never gets
done with those that say `stuck`; a `steady` one handles both; a `strict` one parks two records a minute at most. The
value of what says `swell` grows on the way.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from functools import partial

from shared.domain.errors import Undecodable
from shared.platform.faust_worker import run_lane
from shared.platform.health import Health
from shared.platform.http import ops_app, serve
from shared.platform.jobs import main, run
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.records import Record
from shared.platform.settings import CommonSettings, load
from shared.platform.topics import Topic

GROUP = "enrich-routine"


async def copied(record: Record, *, fragile: bool) -> Sequence[Outgoing]:
    """One output for each record, under its key, with its headers."""
    try:
        story = json.loads(record.value or b"")
    except ValueError as error:
        raise Undecodable("not JSON") from error
    if fragile and story.get("bang"):
        raise RuntimeError("the handler broke")
    if fragile and story.get("stuck"):
        await asyncio.Event().wait()
    value = (record.value or b"") + b" " * story.get("swell", 0)
    return [Outgoing(Topic.INBOX, record.key or "", value, list(record.headers.items()))]


async def lane() -> None:
    settings = load(CommonSettings, "enrich")
    health = Health()
    handle = partial(copied, fragile=sys.argv[1] == "fragile")
    async with Publisher(settings.kafka) as publisher:
        jobs = {
            "ops": partial(_ops, settings, health),
            "lane": partial(_lane, settings, handle=handle, park=DeadLetters(publisher, "enrich").park, health=health),
        }
        await run(jobs)


async def _ops(settings: CommonSettings, health: Health, stop: asyncio.Event) -> None:
    await serve(ops_app(health), settings.bind, settings.ops_port, stop)


async def _lane(settings: CommonSettings, stop: asyncio.Event, **options: object) -> None:
    await run_lane(
        settings.kafka,
        app_id=GROUP,
        member=f"{GROUP}-{settings.instance}",
        source=Topic.RECEIVED,
        stop=stop,
        item_deadline=2.0,
        parked_per_minute=2 if sys.argv[1] == "strict" else 60,
        **options,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main(lane)
