"""Composition root of distribution: matcher and deliverer in one process, each with its own consumer group."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.distribution.adapters.logs import CurrentIndex, KafkaAttemptLog
from services.distribution.adapters.sender import AiohttpSender, Budgets
from services.distribution.attempts import Tried
from services.distribution.challenge import Challenger
from services.distribution.deliverer import Deliverer
from services.distribution.dispatch import Dispatch
from services.distribution.journal import TIER_TOPICS, Journal
from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.queues import FairQueues
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.settings import DistributionSettings
from services.distribution.standings import Standings
from services.distribution.tables import TOPICS, Tables
from services.distribution.waiting import Waiting
from services.distribution.workers import Workers
from shared.domain.errors import Misconfigured
from shared.platform.clock import SystemClock
from shared.platform.consuming import Ownership, Source, consume
from shared.platform.egress import EgressPolicy, parse_allow
from shared.platform.health import Health
from shared.platform.http import ops_app, serve
from shared.platform.jobs import Job, run
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Publisher
from shared.platform.reading import Lookup, Tail
from shared.platform.sealing import Sealer
from shared.platform.settings import load
from shared.platform.topics import Topic, spec

MATCHER = "matcher"
DELIVERER = "deliverer"
DUE_TOPICS = (Topic.DUE_FLASH, Topic.DUE, *TIER_TOPICS.values())


async def main() -> None:
    settings = load(DistributionSettings, "distribution")
    if settings.profile == "production" and settings.endpoint_allow:
        raise Misconfigured("WIRE_ENDPOINT_ALLOW is for the local profile only; unset it in production.")
    async with AsyncExitStack() as opened:
        await run(await jobs(settings, opened))


async def jobs(settings: DistributionSettings, opened: AsyncExitStack) -> dict[str, Job]:
    """Open every connection in `opened` and return what is to run over them."""
    kafka, clock, health = (
        settings.kafka,
        SystemClock(),
        Health("tables", f"consuming {MATCHER}", f"consuming {DELIVERER}"),
    )
    due = spec(Topic.DUE).partitions
    shard_of = ShardOf(due.production if settings.profile == "production" else due.local)
    sealer = Sealer(settings.secret_key.get_secret_value())
    publisher = await opened.enter_async_context(Publisher(kafka, "distribution"))
    lookup = await opened.enter_async_context(Lookup(kafka))
    policy = EgressPolicy(allow=parse_allow(settings.endpoint_allow))
    budgets = Budgets(total=settings.send_timeout_s, connect=settings.connect_timeout_s)
    sender = AiohttpSender(policy, budgets, failpoints=kafka.failpoints)
    opened.push_async_callback(sender.close)

    tables = Tables(Registry(sealer.open), Recipients(), Standings())
    current = CurrentIndex(await opened.enter_async_context(Lookup(kafka)))
    matcher = Matcher(tables.registry, tables.recipients, tables.standings, publisher, current, shard_of)

    tried, waiting = Tried(), Waiting(clock)
    queues = FairQueues(settings.send_slots)
    workers = Workers(queues, settings.send_slots)
    journal = Journal(publisher, clock, tried)
    log = KafkaAttemptLog(kafka, lookup, DELIVERER, DUE_TOPICS)
    deliverer = Deliverer(tables.standings, journal, log, clock, shard_of, queues, waiting, workers.wake, tried)
    dispatch = Dispatch(tables.registry, tables.standings, sender, journal, tried, clock)
    challenger = Challenger(tables.registry, publisher, sender, clock, shard_of)
    tables.registry.watchers.append(challenger.noticed)

    dead = DeadLetters(publisher, "distribution")
    loaded = asyncio.Event()
    matching = partial(
        consume,
        kafka,
        group=MATCHER,
        member=f"{MATCHER}-{settings.instance}",
        sources=(Source(Topic.RELEASED_FLASH, 16), Source(Topic.RELEASED, 16)),
        handle=matcher.handle,
        ownership=matcher,
        park=partial(dead.park, stage=MATCHER),
        parked_per_minute=settings.park_per_minute,
        health=health,
    )
    delivering = partial(
        consume,
        kafka,
        group=DELIVERER,
        member=f"{DELIVERER}-{settings.instance}",
        sources=tuple(Source(topic, 16) for topic in DUE_TOPICS),
        handle=deliverer.handle,
        park=partial(dead.park, stage=DELIVERER),
        ownership=Owners((deliverer, challenger)),
        parked_per_minute=settings.park_per_minute,
        health=health,
    )
    return {
        "tables": partial(_keep_tables, settings, health, tables, current, loaded),
        MATCHER: lambda stop: _after(loaded, stop, matching),
        DELIVERER: lambda stop: _after(loaded, stop, delivering),
        "senders": partial(workers.run, dispatch),
        "waiting": waiting.run,
        "challenges": challenger.run,
        "http": lambda stop: serve(ops_app(health), settings.bind, settings.ops_port, stop),
    }


@dataclass(frozen=True, slots=True)
class Owners:
    """Tells several that shards came or went, in order."""

    told: tuple[Ownership, ...]

    async def gained(self, partitions: frozenset[int]) -> None:
        for one in self.told:
            await one.gained(partitions)

    async def lost(self, partitions: frozenset[int]) -> None:
        for one in self.told:
            await one.lost(partitions)


async def _keep_tables(
    settings: DistributionSettings,
    health: Health,
    tables: Tables,
    current: CurrentIndex,
    loaded: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Job: load what the compacted topics hold, then follow them."""
    async with Tail(settings.kafka, TOPICS) as tail, Tail(settings.kafka, (Topic.CURRENT,)) as newest:
        await asyncio.gather(tail.load(tables.apply), newest.load(current.apply))
        loaded.set()
        health.set("tables", ok=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(tail.follow(tables.apply, stop))
            group.create_task(newest.follow(current.apply, stop))


async def _after(loaded: asyncio.Event, stop: asyncio.Event, consuming: "partial[Coroutine[Any, Any, None]]") -> None:
    """Start a consumer once nothing can slip past an empty table."""
    waits = [asyncio.create_task(each.wait()) for each in (loaded, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if not stop.is_set():
        await consuming(stop=stop)
