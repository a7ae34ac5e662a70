"""Composition root of monitor: one lag reader, tails over what happens, and the routes that tell it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Final

from services.monitor import dead_letters
from services.monitor.adapters.audit_reader import KafkaAuditReader
from services.monitor.adapters.dead_reader import KafkaDeadReader
from services.monitor.adapters.lag_reader import KafkaLagReader
from services.monitor.app import KEYS, Dead, create_app
from services.monitor.board import FOLLOWED_TOPICS, Board
from services.monitor.lag_watch import LagWatch
from services.monitor.pacing import Pace
from services.monitor.redrive import Redriver
from services.monitor.redriven import SINCE, Redriven
from services.monitor.settings import MonitorSettings
from shared.platform.audit import Audit, last_entry, new_writer
from shared.platform.clock import SystemClock
from shared.platform.health import Health
from shared.platform.http import serve
from shared.platform.jobs import Job, run
from shared.platform.principals import PrincipalBook
from shared.platform.publishing import Publisher
from shared.platform.reading import Apply, Since, Tail
from shared.platform.topics import Topic

FLIGHTS, DESK, DEAD, REDRIVES = "flights", "desk states", "dead letters", "redrives"
DEAD_SINCE: Final = timedelta(days=7)
REDRIVE_WITHIN_S: Final = 5.0


async def main(settings: MonitorSettings) -> None:
    """Run monitor until a signal stops it. Raises JobError when a job fails: start the process again."""
    async with AsyncExitStack() as opened:
        await run(await jobs(settings, opened))


async def jobs(
    settings: MonitorSettings, opened: AsyncExitStack, listening: Callable[[int], None] | None = None
) -> dict[str, Job]:
    """Open what the service needs, to be closed by `opened`, and return its jobs by name."""
    kafka, clock, health = settings.kafka, SystemClock(), Health(FLIGHTS, DESK, DEAD, REDRIVES, KEYS)
    board = Board(clock, settings.flight_stories)
    principals = PrincipalBook(settings.operator_key.get_secret_value() or None)
    reader = KafkaLagReader(kafka, clock)
    opened.push_async_callback(reader.close)
    lag = LagWatch(reader, clock, health, settings.lag_every_s, board.passed)
    now = clock.now()
    redriven, dead_reader = Redriven(), KafkaDeadReader(kafka)
    opened.push_async_callback(dead_reader.close)
    publisher = Publisher(kafka, deadline=REDRIVE_WITHIN_S)
    opened.push_async_exit(publisher)  # not entered: monitor starts without a broker, and connects when it must
    audit = Audit(
        publisher,
        clock,
        new_writer("monitor", settings.instance, now),
        lambda: last_entry(kafka, "monitor", settings.instance, now),
    )
    pace = Pace(time.monotonic, asyncio.sleep)

    def known() -> bool:
        _, reasons = health.ready()
        return not {DEAD, REDRIVES} & reasons.keys()

    redriver = Redriver(board.dead, redriven, dead_reader, publisher, audit, pace, known)
    dead = Dead(dead_reader, redriven, redriver)
    app = create_app(board, lag, dead, KafkaAuditReader(kafka), principals, health)

    async def follow(check: str, topics: tuple[Topic, ...], apply: Apply, since: Since) -> Job:
        tail = await opened.enter_async_context(Tail(kafka, topics, health=health))
        return partial(_keep_up, tail, apply, since, health, check)

    return {
        "lag": lag.run,
        FLIGHTS: await follow(FLIGHTS, FOLLOWED_TOPICS, board.see, now - timedelta(seconds=settings.flight_since_s)),
        DESK: await follow(DESK, (Topic.STATE,), board.desk.apply, "beginning"),
        DEAD: await follow(DEAD, dead_letters.TOPICS, board.dead.apply, now - DEAD_SINCE),
        REDRIVES: await follow(REDRIVES, (Topic.AUDIT,), redriven.apply, now - SINCE),
        KEYS: await follow(KEYS, (Topic.PRINCIPAL_STATE,), principals.apply, "beginning"),
        "http": lambda stop: serve(app, settings.bind, settings.monitor_port, stop, listening=listening),
    }


async def _keep_up(tail: Tail, apply: Apply, since: Since, health: Health, check: str, stop: asyncio.Event) -> None:
    """Job: read from `since` to the end, say so, and follow until `stop`."""
    loading = asyncio.create_task(tail.load(apply, since))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not loading.done():
        loading.cancel()
        await asyncio.wait({loading})
        return
    loading.result()
    health.set(check, ok=True)
    await tail.follow(apply, stop)
