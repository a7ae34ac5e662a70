"""The composition root of the gateway: settings in, connections opened, jobs run."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from math import ceil

from services.gateway.adapters.kafka_reads import KafkaEnds, KafkaTexts, ReleasedLog, epoch
from services.gateway.adapters.names import SystemNames
from services.gateway.adapters.redis_stubs import RedisStubs
from services.gateway.adapters.redis_views import RedisViews
from services.gateway.adapters.sealed_answers import SealedAnswers
from services.gateway.app import create_app
from services.gateway.context import Gateway
from services.gateway.decisions import Decisions
from services.gateway.deliveries_view import DeliveriesView
from services.gateway.desk_view import DeskView
from services.gateway.endpoint_rules import EndpointRules
from services.gateway.entitlements import Entitlements
from services.gateway.followed import Followed
from services.gateway.following import jobs_of, tables
from services.gateway.health_view import HealthView
from services.gateway.in_transit import InTransit
from services.gateway.keychain import Keychain
from services.gateway.keyring import KeyRing
from services.gateway.origins import origins_of
from services.gateway.own_writes import OwnWrites
from services.gateway.ports import Apply
from services.gateway.read_cache import ReadCache
from services.gateway.receipts import Receipts
from services.gateway.registrar import Registrar
from services.gateway.registry import Registry
from services.gateway.rehearsals import Rehearsals
from services.gateway.replays import Replays
from services.gateway.request_rates import RequestRates
from services.gateway.resealing import Resealing
from services.gateway.retries import Retries
from services.gateway.settings import GatewaySettings
from services.gateway.shared_log import SharedLog
from services.gateway.stories import Stories
from services.gateway.stream.history import KafkaHistory
from services.gateway.stream.hub import CHECK as STREAM_CHECK
from services.gateway.stream.hub import Logs, StreamHub
from services.gateway.stream.lanes import HANDFUL, BreakingFirst
from services.gateway.stream.listing import rows
from services.gateway.stream.options import StreamOptions
from services.gateway.stream.poll import poll_endpoint
from services.gateway.stream.positions import Position, id_of
from services.gateway.stream.protocol import stream_protocol
from services.gateway.stream_access import StreamAccess
from services.gateway.subscriptions import Subscriptions
from services.gateway.tickets import Tickets
from services.gateway.views.keeper import CHECK as VIEWS_CHECK
from services.gateway.views.keeper import ViewsKeeper
from services.gateway.visible import by_products
from shared.domain.errors import Misconfigured
from shared.domain.story import Lane
from shared.platform.audit import Audit, last_entry, new_writer
from shared.platform.clock import BrokerClock
from shared.platform.consuming import Source, consume
from shared.platform.egress import EgressPolicy, policy_of
from shared.platform.health import Health
from shared.platform.http import serve
from shared.platform.jobs import GRACE_SECONDS, Job, run
from shared.platform.parking import DeadLetters
from shared.platform.principals import PrincipalBook
from shared.platform.publishing import Publisher
from shared.platform.rates import OwnGrants
from shared.platform.reading import Lookup, Tail
from shared.platform.redis import connect
from shared.platform.redis_rates import RedisGrants
from shared.platform.sealing import Sealer
from shared.platform.tls import tls_of
from shared.platform.topics import Topic, spec

VIEWS_GROUP = "views"
MIB = 1024 * 1024
AT_MOST = 16
HOLD_S = 15.0
"""Seconds for which connections wait for a gateway that starts; then it answers, and says what it lacks."""
AFTER_DRAIN_S = 5.0
"""Seconds a stopping gateway has beyond `drain_s` before it is ended."""


async def main(settings: GatewaySettings) -> None:
    """Run the gateway until a signal stops it. Raises JobError when a job fails: start the process again."""
    async with AsyncExitStack() as opened:
        await run(await jobs(settings, opened), grace=max(GRACE_SECONDS, settings.drain + AFTER_DRAIN_S))


@dataclass(frozen=True, slots=True)
class _Outside:
    """What the use cases stand on, opened. `life` names the present life of the log."""

    publisher: Publisher
    lookup: Lookup
    views: RedisViews
    grants: RedisGrants
    answers: SealedAnswers
    stubs: RedisStubs
    sealer: Sealer
    policy: EgressPolicy
    clock: BrokerClock
    life: str


async def jobs(
    settings: GatewaySettings, opened: AsyncExitStack, listening: Callable[[int], None] | None = None
) -> dict[str, Job]:
    """Open what the service needs, to be closed by `opened`, and return its jobs by name.

    `listening` is told the port once requests are taken. Raises Misconfigured before anything is opened.
    """
    tls = tls_of(settings.tls_certificate, settings.tls_key)
    outside = await _open(settings, opened)
    health, known = Health(VIEWS_CHECK, STREAM_CHECK), asyncio.Event()
    followed = Followed()
    gateway, registered = _put_together(settings, outside, followed)

    def all_known() -> bool:
        return known.is_set() and gateway.desk.loaded

    access = StreamAccess(gateway.keys.book, all_known, gateway.registry, gateway.tickets, gateway.visible)
    hub = await _hub(settings, opened, gateway, followed, access, outside.life, health)
    app = create_app(
        gateway,
        health,
        known=all_known,
        public_site=settings.public_site,
        poll=poll_endpoint(hub),
        listening=partial(rows, hub),
        origins=origins_of(settings.cors_origins),
        rates=_rates(settings, outside) if settings.request_rate else None,
        answers=outside.answers,
        wakefulness=hub.wakefulness,
    )
    serving = partial(
        serve,
        app,
        settings.bind,
        settings.gateway_port,
        http=stream_protocol(hub, origins_of(settings.cors_origins)),
        drain=ceil(settings.drain) + 2,  # the stream's clients leave first, then requests in hand are cut
        listening=listening,
        hold=partial(_held, hub),
        tls=tls.context if tls is not None else None,
        reuse_port=settings.reuse_port,
    )
    replays = gateway.replays.writes.apply
    held = tables(gateway.keys.writes.apply, registered, gateway.receipts.transit, gateway.deliveries, replays)
    return {
        **jobs_of(settings.kafka, health, held, known.set),
        **_views_jobs(settings, outside, health),
        "stream": hub.run,
        "http": lambda stop: serving(stop=stop),
        **({"certificate": tls.watch} if tls is not None else {}),
    }


async def _open(settings: GatewaySettings, opened: AsyncExitStack) -> _Outside:
    if settings.profile == "production" and settings.endpoint_allow:
        raise Misconfigured("WIRE_ENDPOINT_ALLOW is for the local profile only; unset it in production.")
    sealer = Sealer(settings.secret_key.get_secret_value())
    policy = policy_of(settings.endpoint_allow, settings.endpoint_ports)
    kafka, clock = settings.kafka, BrokerClock()
    redis = connect(settings.redis_url)
    opened.push_async_callback(redis.aclose)
    return _Outside(
        publisher=await opened.enter_async_context(Publisher(kafka, "gateway", on_append_time=clock.observe)),
        lookup=await opened.enter_async_context(Lookup(kafka)),
        views=RedisViews(redis, f"{kafka.topic_prefix}views:"),
        grants=RedisGrants(redis, kafka.topic_prefix),
        answers=SealedAnswers(redis, sealer, f"{kafka.topic_prefix}gateway:answer:"),
        stubs=RedisStubs(redis, f"{kafka.topic_prefix}gateway:ticket:"),
        sealer=sealer,
        policy=policy,
        clock=clock,
        life=await epoch(kafka),
    )


def _put_together(settings: GatewaySettings, outside: _Outside, followed: Followed) -> tuple[Gateway, Apply]:
    """Return the use cases over their tables, and what feeds the registry."""
    publisher, clock = outside.publisher, outside.clock
    book = PrincipalBook(settings.operator_key.get_secret_value() or None)
    desk, transit, registry, deliveries = DeskView(), InTransit(), Registry(), DeliveriesView()
    entries, health = OwnWrites(publisher, registry.apply), HealthView()
    writer, began = new_writer("gateway", settings.instance, clock.now()), clock.now()
    audit = Audit(publisher, clock, writer, lambda: last_entry(settings.kafka, "gateway", settings.instance, began))
    stories = Stories(outside.views, desk)
    due = spec(Topic.DUE).partitions
    shards = due.production if settings.profile == "production" else due.local
    rules = EndpointRules(outside.policy, SystemNames())
    keychain = Keychain(registry, entries, outside.sealer, clock)

    def cursor_of(start: Mapping[Lane, int]) -> str:
        return id_of(outside.life, Position(start.get(Lane.FLASH, 0), start.get(Lane.ROUTINE, 0)))

    gateway = Gateway(
        keys=KeyRing(book, OwnWrites(publisher, book.apply), audit, clock, settings.profile),
        desk=desk,
        receipts=Receipts(desk, transit, clock),
        decisions=Decisions(desk, transit, publisher, audit, clock),
        texts=KafkaTexts(outside.lookup),
        stories=stories,
        kept=ReadCache(outside.views, desk, followed, settings.read_cache_mb * MIB),
        registry=registry,
        registrar=Registrar(registry, entries, publisher, keychain, rules, clock, shards),
        keychain=keychain,
        resealing=Resealing(keychain, audit),
        subscriptions=Subscriptions(registry, entries, KafkaEnds(settings.kafka), clock, cursor_of),
        entitlements=Entitlements(registry, entries, audit),
        rehearsals=Rehearsals(stories, clock),
        deliveries=deliveries,
        retries=Retries(deliveries, stories, publisher, clock, shards),
        replays=Replays(registry, health, OwnWrites(publisher, health.apply), clock, outside.life),
        followed=followed,
        tickets=Tickets(clock, outside.sealer, outside.stubs),
        clock=clock,
        visible=by_products(registry),
        public_url=settings.public_url,
    )
    return gateway, entries.apply


def _rates(settings: GatewaySettings, outside: _Outside) -> RequestRates:
    return RequestRates(settings.request_rate, outside.grants, OwnGrants(time.monotonic))


def _views_jobs(settings: GatewaySettings, outside: _Outside, health: Health) -> dict[str, Job]:
    """Return what keeps the views: the consumer of both lanes, and who mends them when Redis was emptied."""
    keeper = ViewsKeeper(outside.views, ReleasedLog(settings.kafka), health)
    following = partial(
        consume,
        settings.kafka,
        group=VIEWS_GROUP,
        member=f"{VIEWS_GROUP}-{settings.instance}",
        sources=(Source(Topic.RELEASED_FLASH, AT_MOST), Source(Topic.RELEASED, AT_MOST)),
        handle=keeper.handle,
        park=partial(DeadLetters(outside.publisher, "gateway").park, stage=VIEWS_GROUP),
        ownership=keeper,
        parked_per_minute=settings.park_per_minute,
        health=health,
    )
    return {"views": lambda stop: following(stop=stop), "views keeper": keeper.run}


async def _held(hub: StreamHub) -> None:
    """Let connections wait for the stream: an EventSource that is answered 503 never comes back."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HOLD_S):
            await hub.until_open()


async def _hub(
    settings: GatewaySettings,
    opened: AsyncExitStack,
    gateway: Gateway,
    followed: Followed,
    access: StreamAccess,
    life: str,
    health: Health,
) -> StreamHub:
    """Return the stream's hub. The desk's view of the states is fed by the same reading as its gate, and `followed`
    by that of the releases."""
    kafka = settings.kafka
    released = (Topic.RELEASED_FLASH, Topic.RELEASED)
    flashes = await opened.enter_async_context(Tail(kafka, released[:1]))
    routine = await opened.enter_async_context(Tail(kafka, released[1:], health=health, at_most=HANDFUL))
    urgent = await opened.enter_async_context(Tail(kafka, released[:1], health=health))
    states = await opened.enter_async_context(Tail(kafka, (Topic.STATE, Topic.KILLED), health=health))
    lanes = BreakingFirst(urgent, routine, urgent.reach_end)
    return StreamHub(
        epoch=life,
        authorize=access,
        logs=Logs(
            flashes,
            SharedLog(lanes, followed.apply, partial(followed.begin, lanes.positions)),
            SharedLog(states, gateway.desk.apply, gateway.desk.all_loaded),
            ends=(states.reach_end, urgent.reach_end),
        ),
        history=KafkaHistory(kafka),
        options=StreamOptions(
            drain_s=settings.drain,
            coalesce_s=settings.coalesce_ms / 1000,
            most_per_key=settings.stream_per_key,
        ),
        health=health,
        why_not=access.why_not,
    )
