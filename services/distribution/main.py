"""Composition root of distribution: matcher and deliverer in one process, each with its own consumer group."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.distribution.adapters.freshness import Freshness
from services.distribution.adapters.logs import LANES, Groups, KafkaAttemptLog, KafkaReleasedLog
from services.distribution.adapters.senders import sender_from
from services.distribution.challenge import Challenger
from services.distribution.journal import TIER_TOPICS
from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.owner import Means, owner_with
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.settings import DistributionSettings
from services.distribution.standings import Standings
from services.distribution.tables import TOPICS, Tables
from shared.domain.errors import Misconfigured
from shared.platform.audit import Audit, last_entry, new_writer
from shared.platform.clock import SystemClock
from shared.platform.consuming import Membership, Ownership, Source, consume
from shared.platform.health import Health
from shared.platform.http import ops_app, serve
from shared.platform.jobs import Job, run
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Publisher
from shared.platform.reading import Lookup, Tail
from shared.platform.redis import connect
from shared.platform.redis_rates import RedisGrants
from shared.platform.sealing import Sealer
from shared.platform.settings import load
from shared.platform.topics import Topic, spec

MATCHER = "matcher"
DELIVERER = "deliverer"
WRITE_WITHIN_S = 10.0
READ_AHEAD = 1 << 20
"""Bytes of the released lanes asked for at a time for an endpoint that catches up."""

DUE_TOPICS = (Topic.DUE_FLASH, Topic.DUE, *TIER_TOPICS.values())


async def main() -> None:
    settings = load(DistributionSettings, "distribution")
    if settings.profile == "production" and settings.endpoint_allow:
        raise Misconfigured("WIRE_ENDPOINT_ALLOW is for the local profile only; unset it in production.")
    async with AsyncExitStack() as opened:
        # an exchange in hand when we are asked to stop ends, and its row is written, or it would be sent again
        await run(await jobs(settings, opened), grace=settings.send_timeout_s + WRITE_WITHIN_S)


@dataclass(frozen=True, slots=True)
class Ground:
    """What matcher and deliverer both stand on."""

    publisher: Publisher
    tables: Tables
    tail: Tail
    fresh: Freshness
    past: KafkaReleasedLog
    missed: KafkaReleasedLog
    tried_before: KafkaAttemptLog
    shard_of: ShardOf
    clock: SystemClock


async def _ground(settings: DistributionSettings, opened: AsyncExitStack) -> Ground:
    kafka = settings.kafka
    due = spec(Topic.DUE).partitions
    publisher = await opened.enter_async_context(Publisher(kafka, "distribution"))
    lookup = await opened.enter_async_context(Lookup(kafka))
    sealer = Sealer(settings.secret_key.get_secret_value())
    tail = Tail(kafka, TOPICS)
    matchers = Groups(kafka, lookup, MATCHER, tuple(LANES.values()))
    return Ground(
        publisher,
        Tables(Registry(sealer.open), Recipients(), Standings()),
        tail,
        await opened.enter_async_context(Freshness(kafka, tail, TOPICS)),
        KafkaReleasedLog(kafka, await opened.enter_async_context(Lookup(kafka)), matchers),
        KafkaReleasedLog(kafka, await opened.enter_async_context(Lookup(kafka, ahead=READ_AHEAD)), matchers),
        KafkaAttemptLog(kafka, matchers, Groups(kafka, lookup, DELIVERER, DUE_TOPICS)),
        ShardOf(due.production if settings.profile == "production" else due.local),
        SystemClock(),
    )


def _audit(settings: DistributionSettings, on: Ground) -> Audit:
    instance, began = settings.instance, on.clock.now()
    before = partial(last_entry, settings.kafka, "distribution", instance, began)
    return Audit(on.publisher, on.clock, new_writer("distribution", instance, began), before)


def _matcher(on: Ground, membership: Membership) -> Matcher:
    return Matcher(
        on.tables.registry,
        on.tables.recipients,
        on.tables.standings,
        on.publisher,
        on.past,
        on.shard_of,
        on.clock,
        membership.alive,
        on.fresh.known_before,
        on.fresh.caught_up,
    )


async def jobs(settings: DistributionSettings, opened: AsyncExitStack) -> dict[str, Job]:
    """Open every connection in `opened` and return what is to run over them."""
    kafka, health = settings.kafka, Health("tables", f"consuming {MATCHER}", f"consuming {DELIVERER}")
    ground = await _ground(settings, opened)
    sender = sender_from(settings, kafka.failpoints)
    opened.push_async_callback(sender.close)
    redis = connect(settings.redis_url)
    opened.push_async_callback(redis.aclose)
    matching_member, delivering_member = Membership(), Membership()
    matcher = _matcher(ground, matching_member)
    means = Means(
        ground.tables,
        ground.publisher,
        ground.past,
        ground.missed,
        ground.tried_before,
        sender,
        RedisGrants(redis, settings.topic_prefix),
        ground.shard_of,
        ground.clock,
        _audit(settings, ground),
        delivering_member.alive,
        ground.fresh.caught_up,
    )
    owner = owner_with(means, settings)
    challenger = Challenger(ground.tables.registry, ground.publisher, sender, ground.clock, ground.shard_of)
    ground.tables.registry.watchers.append(challenger.noticed)

    dead = DeadLetters(ground.publisher, "distribution")
    loaded, consumers = asyncio.Event(), Running(2)
    matching = partial(
        consume,
        kafka,
        group=MATCHER,
        member=f"{MATCHER}-{settings.instance}",
        sources=(Source(Topic.RELEASED_FLASH, 16), Source(Topic.RELEASED, 16)),
        handle=matcher.take,
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
        handle=owner.deliverer.handle,
        park=partial(dead.park, stage=DELIVERER),
        ownership=Owners((owner.deliverer, challenger)),
        membership=delivering_member,
        parked_per_minute=settings.park_per_minute,
        health=health,
    )
    return {
        "tables": lambda _: _keep_tables(ground.tail, health, ground.tables, loaded, consumers.ended),
        MATCHER: lambda stop: consumers.one(_after(loaded, stop, matching)),
        DELIVERER: lambda stop: consumers.one(_after(loaded, stop, delivering)),
        **owner.jobs(),
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
