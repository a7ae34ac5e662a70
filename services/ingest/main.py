"""Composition root of ingest: the door, and its jobs (a polled feed, a watched folder)."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

from services.ingest.adapters.answers import RedisAnswers
from services.ingest.adapters.http_feed import http_feed
from services.ingest.app import PARSING_AT_ONCE, Intake, create_app
from services.ingest.desk_hints import DeskHints
from services.ingest.feed_poll import FeedPoll
from services.ingest.folder_watch import FolderWatch
from services.ingest.handlers import Door
from services.ingest.proposals import Proposals
from services.ingest.quota import FlashQuota
from services.ingest.settings import IngestSettings
from shared.domain.state import Principal
from shared.platform.clock import SystemClock
from shared.platform.health import Health
from shared.platform.http import serve
from shared.platform.jobs import Job, run
from shared.platform.parking import DeadLetters
from shared.platform.principals import PrincipalBook, keep_up
from shared.platform.publishing import Publisher
from shared.platform.reading import Tail
from shared.platform.redis import connect
from shared.platform.settings import load
from shared.platform.topics import Topic


async def main() -> None:
    settings = load(IngestSettings, "ingest")
    async with AsyncExitStack() as opened:
        await run(await jobs(settings, opened))


async def jobs(settings: IngestSettings, opened: AsyncExitStack) -> dict[str, Job]:
    """Open every connection in `opened` and return what is to run over them."""
    kafka, health = settings.kafka, Health("keys", "desk hints")
    publisher = Publisher(kafka, "ingest")
    opened.push_async_exit(publisher)  # connects at the first filing: without the broker the door says 503, and why
    redis = connect(settings.redis_url)
    opened.push_async_callback(redis.aclose)
    hints, book = DeskHints(), PrincipalBook(settings.operator_key.get_secret_value())
    quarantine = DeadLetters(publisher, "ingest")
    door = Door(publisher, Proposals(hints), FlashQuota(settings.flash_quota), SystemClock(), settings.accept_within_s)
    keys_known = asyncio.Event()
    parsing = asyncio.Semaphore(PARSING_AT_ONCE)
    intake = Intake(door, quarantine, RedisAnswers(redis), book.who, keys_known.is_set, parsing)
    app = create_app(intake, health)
    todo: dict[str, Job] = {
        "keys": partial(_keys, settings, health, book, keys_known),
        "desk hints": partial(_hints, settings, health, hints),
        "http": lambda stop: serve(app, settings.bind, settings.ingest_port, stop),
    }
    if settings.feed_url:
        feed = FeedPoll(
            door,
            quarantine,
            await opened.enter_async_context(http_feed(settings.feed_url)),
            settings.feed_source,
            settings.feed_every_s,
            _job_principal("feed", settings.feed_source),
        )
        todo["feed"] = feed.run
    if settings.watch_folder:
        watch = FolderWatch(settings.watch_folder, door, quarantine, _job_principal("folder", "folder"))
        todo["folder"] = watch.run
    return todo


async def _keys(
    settings: IngestSettings, health: Health, book: PrincipalBook, loaded: asyncio.Event, stop: asyncio.Event
) -> None:
    async with Tail(settings.kafka, (Topic.PRINCIPAL_STATE,)) as tail:
        following = asyncio.create_task(keep_up(book, tail, loaded, stop))
        waiting = asyncio.create_task(loaded.wait())
        await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
        health.set("keys", ok=loaded.is_set())
        waiting.cancel()
        await following


async def _hints(settings: IngestSettings, health: Health, hints: DeskHints, stop: asyncio.Event) -> None:
    async with Tail(settings.kafka, (Topic.STATE,)) as tail:
        await tail.load(hints.apply)
        health.set("desk hints", ok=True)
        await tail.follow(hints.apply, stop)


def _job_principal(person: str, source: str) -> Principal:
    """Who files for a job of ours: no key, and as its own source."""
    return Principal(
        key_id=f"job_{person}",
        hash="",
        prefix="",
        person=person,
        source=source,
        scopes=("desk",),
        created_at=datetime.fromtimestamp(0, UTC),
    )
