"""Composition root of distribution: matcher and deliverer in one process, each with its own consumer group."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.distribution.adapters.freshness import Freshness
from services.distribution.adapters.logs import LANES, Groups, KafkaAttemptLog, KafkaReleasedLog
from services.distribution.adapters.sender import AiohttpSender, Budgets
from services.distribution.attempts import Tried
from services.distribution.challenge import Challenger
from services.distribution.deliverer import Deliverer
from services.distribution.deliveries import Delivery
from services.distribution.dispatch import Dispatch
from services.distribution.in_turn import InTurn
from services.distribution.journal import TIER_TOPICS, Journal
from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.queues import FairQueues
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.settings import DistributionSettings
from services.distribution.standings import Standings
from services.distribution.tables import TOPICS, Tables
from services.distribution.tenure import Tenure
from services.distribution.waiting import Waiting
from services.distribution.workers import Workers
from shared.domain.errors import Misconfigured
from shared.platform.clock import SystemClock
from shared.platform.consuming import Membership, Ownership, Source, consume
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
WRITE_WITHIN_S = 10.0
DUE_TOPICS = (Topic.DUE_FLASH, Topic.DUE, *TIER_TOPICS.values())


async def main() -> None:
    settings = load(DistributionSettings, "distribution")
    if settings.profile == "production" and settings.endpoint_allow:
        raise Misconfigured("WIRE_ENDPOINT_ALLOW is for the local profile only; unset it in production.")
    async with AsyncExitStack() as opened:
        # an exchange in hand when we are asked to stop ends, and its row is written, or it would be sent again
        await run(await jobs(settings, opened), grace=settings.send_timeout_s + WRITE_WITHIN_S)


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
    tail = Tail(kafka, TOPICS)
    fresh = await opened.enter_async_context(Freshness(kafka, tail, TOPICS))
    matchers = Groups(kafka, lookup, MATCHER, tuple(LANES.values()))
    deliverers = Groups(kafka, lookup, DELIVERER, DUE_TOPICS)
    past = KafkaReleasedLog(kafka, await opened.enter_async_context(Lookup(kafka)), matchers)
    matching_member, delivering_member = Membership(), Membership()
    matcher = Matcher(
        tables.registry,
        tables.recipients,
        tables.standings,
        publisher,
        past,
        shard_of,
        clock,
        matching_member.alive,
        fresh.known_before,
        fresh.caught_up,
    )

    tried, waiting, tenure = Tried(), Waiting(clock), Tenure(delivering_member.alive)
    queues = FairQueues(settings.send_slots)
    workers = Workers(queues, settings.send_slots)

    def queue(delivery: Delivery) -> None:
        queues.add(delivery)
        workers.wake()

    in_turn = InTurn(tables.held, tables.registry, tables.standings, publisher, past, shard_of, queue, tenure, clock)
    journal = Journal(publisher, clock, tried)
    log = KafkaAttemptLog(kafka, matchers, deliverers)
    deliverer = Deliverer(
        tables.standings,
        journal,
        log,
        clock,
        shard_of,
        queues,
        waiting,
        workers.wake,
        tried,
        in_turn,
        tenure,
        fresh.caught_up,
    )
    dispatch = Dispatch(tables.registry, tables.standings, sender, journal, tried, clock, in_turn, tenure)
    challenger = Challenger(tables.registry, publisher, sender, clock, shard_of)
    tables.registry.watchers.append(challenger.noticed)

    dead = DeadLetters(publisher, "distribution")
    loaded, consumers = asyncio.Event(), Running(2)
    matching = partial(
        consume,
        kafka,
        group=MATCHER,
        member=f"{MATCHER}-{settings.instance}",
        sources=(Source(Topic.RELEASED_FLASH, 16), Source(Topic.RELEASED, 16)),
        handle=matcher.handle,
        ownership=matcher,
        membership=matching_member,
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
        membership=delivering_member,
        parked_per_minute=settings.park_per_minute,
        health=health,
    )
    return {
        "tables": lambda _: _keep_tables(tail, health, tables, loaded, consumers.ended),
        MATCHER: lambda stop: consumers.one(_after(loaded, stop, matching)),
        DELIVERER: lambda stop: consumers.one(_after(loaded, stop, delivering)),
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


@dataclass(slots=True)
class Running:
    """So many jobs that end by themselves; `ended` is set behind the last: until then they need the tables."""

    left: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def one(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        finally:
            self.left -= 1
            if self.left == 0:
                self.ended.set()


async def _keep_tables(tail: Tail, health: Health, tables: Tables, loaded: asyncio.Event, stop: asyncio.Event) -> None:
    """Job: load what the compacted topics hold, then follow them until nobody consumes any more."""
    async with tail:
        await tail.load(tables.apply)
        loaded.set()
        health.set("tables", ok=True)
        await tail.follow(tables.apply, stop)


async def _after(loaded: asyncio.Event, stop: asyncio.Event, consuming: "partial[Coroutine[Any, Any, None]]") -> None:
    """Start a consumer once nothing can slip past an empty table."""
    waits = [asyncio.create_task(each.wait()) for each in (loaded, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if not stop.is_set():
        await consuming(stop=stop)
