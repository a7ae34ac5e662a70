"""A wire of real processes whose topics may hold more than it can do at once, and what is seen of it from outside."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka.structs import TopicPartition
from cryptography.fernet import Fernet

from deploy.local import layout
from deploy.local.supervisor import ServiceProcess
from services.gateway.adapters.redis_views import RedisViews
from shared.domain.subscription import Endpoint, EndpointSecret, EndpointState, Filter, Ordering, Subscription
from shared.platform.consumers import close, open_consumer
from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.redis import connect
from shared.platform.sealing import Sealer
from shared.platform.settings import KafkaSettings
from shared.platform.signature import new_secret
from shared.platform.topics import Topic, key_of, name
from tests.interleavings.backlog import ENDPOINT, SHARD, due, fill, in_the_inbox, on_the_wire, received, waiting
from tests.receivers.serving import Peer, answer, receiving
from tests.standing_still import standing_still
from tests.waiting import wait_until

COUNTED = (Topic.RECEIVED, Topic.INBOX, Topic.RELEASED, Topic.RELEASED_FLASH, Topic.DUE)
READY_WITHIN_S = 240.0
FLASHES = b"urn:slugline:flash:"
STREAM = "stream"
MANY = 3  # times as many wait where work is quick: it begins before the slowest service is ready
FLASH_OUTPUTS = (Topic.INBOX_FLASH, Topic.RELEASED_FLASH, Topic.DUE_FLASH)
RUNNING = ("enrich", "enrich-flash", "moderation", "distribution", "gateway")


@dataclass(slots=True)
class Watch:
    """Somebody waits for a flash: it is found by its story_id in the bytes of what is seen, and told how far it was."""

    _waiting: dict[tuple[str, bytes], asyncio.Future[int]] = field(default_factory=dict)

    def expect(self, where: str, story_id: str) -> asyncio.Future[int]:
        """What will be the measure of the place where the flash is seen."""
        return self._waiting.setdefault((where, story_id.encode()), asyncio.get_running_loop().create_future())

    def see(self, where: str, data: bytes, at: int) -> None:
        for (there, story_id), found in self._waiting.items():
            if there == where and story_id in data and not found.done():
                found.set_result(at)

    def take(self, record: Record) -> None:
        self.see(record.topic, record.value or b"", record.timestamp_ms)


@dataclass(slots=True)
class Laden:
    """The running wire, and what is seen of it: `posted`, `shown` routine stories at the endpoint, on the stream."""

    kafka: KafkaSettings
    publisher: Publisher
    watch: Watch
    views: RedisViews
    redis: Any
    consumer: Any
    gateway: layout.Service
    key: str
    processes: dict[str, ServiceProcess] = field(default_factory=dict)
    posted: int = 0
    shown: int = 0
    heard: bool = False
    reader: Any = None
    came: list[tuple[str, bytes]] | None = None
    """If a test wants it: every webhook (by its endpoint) and every story on the stream, in order."""

    async def appended(self, topic: Topic, before_ms: int | None = None) -> int:
        """How many records a topic was given so far, or before a time of the log's own."""
        places = [at for at in self.consumer.assignment() if at.topic == name(topic, self.kafka.topic_prefix)]
        ends = await self.consumer.end_offsets(places)
        if before_ms is not None:
            found = await self.consumer.offsets_for_times(dict.fromkeys(places, before_ms))
            ends |= {at: first.offset for at, first in found.items() if first is not None}
        return sum(ends.values())

    async def viewed(self) -> int:
        """How many stories the views hold."""
        serving = await self.views.serving()
        return int(await self.redis.zcard(f"{self.kafka.topic_prefix}views:{serving}:list"))

    async def viewed_with(self, story_id: str) -> int:
        """How many stories the views held when they first held this one."""
        key = f"{self.kafka.topic_prefix}views:{await self.views.serving()}"
        while True:
            async with self.redis.pipeline(transaction=True) as both:
                both.exists(f"{key}:story:{story_id}").zcard(f"{key}:list")
                there, count = await both.execute()
            if there:
                return int(count)

    async def shown_so_far(self) -> int:
        return self.shown

    async def until_viewed(self, story_id: str) -> None:
        """Return once the views hold a story."""
        await wait_until(lambda: self.views.story(story_id), within=60, every=0.001)

    async def receive(self, peer: Peer) -> None:
        """The script of the endpoint: 200 to everything."""
        while request := await peer.request():
            self.posted += FLASHES not in request.body
            self.watch.see(ENDPOINT, request.body, self.posted)
            if self.came is not None:
                self.came.append((request.target.rpartition("/")[2], request.body))
            await peer.say(answer(200))

    def asleep(self, service: str) -> AbstractContextManager[None]:
        """Stop a process where it is while the block lasts."""
        pid = self.processes[service].pid
        assert pid is not None
        return standing_still(pid)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Be a client of the stream while the block lasts, from now on."""
        hearing = asyncio.create_task(self._hear())
        await wait_until(lambda: self.heard, within=20)
        try:
            yield
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})
        if not hearing.cancelled():
            hearing.result()

    async def _hear(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port, limit=2**20)
        self.reader = reader
        try:
            writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode())
            while event := await reader.readuntil(b"\n\n"):
                self.shown += b"event: story" in event and FLASHES not in event
                self.watch.see(STREAM, event, self.shown)
                self.heard = True
                if self.came is not None and b"event: story" in event:
                    self.came.append((STREAM, event.partition(b"data: ")[2]))
        finally:
            writer.close()


@asynccontextmanager
async def laden_wire(
    bootstrap: str,
    redis_url: str,
    prefix: str,
    logs: Path,
    count: int = 0,
    *,
    running: Sequence[str] = RUNNING,
    endpoints: Mapping[str, Ordering] = {ENDPOINT: Ordering.LATEST},
) -> AsyncIterator[Laden]:
    """Provision, fill four topics with `count` routine records or more, then start the services and wait for them.

    Every endpoint wants everything and answers 200.
    """
    kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
    await provision(kafka, profile="local")
    told = {"secret_key": Fernet.generate_key().decode(), "operator": f"sl_local_{secrets.token_urlsafe(32)}"}
    services = {one.name: one for one in layout.services(layout.choose_ports({}), bootstrap, redis_url, told)}
    async with AsyncExitStack() as opened:
        publisher = await opened.enter_async_context(Publisher(kafka))
        await _fill(publisher, count)
        redis = connect(redis_url)
        opened.push_async_callback(redis.aclose)
        views = RedisViews(redis, f"{prefix}views:")
        await views.publish(await views.begin())  # served empty, so that what waits is taken in record by record
        consumer = await open_consumer(kafka)
        opened.push_async_callback(close, consumer)
        wire = Laden(kafka, publisher, Watch(), views, redis, consumer, services["gateway"], told["operator"])
        await _look_at(consumer, kafka)
        receiver = await opened.enter_async_context(receiving(wire.receive))
        for endpoint_id, ordering in endpoints.items():
            url = receiver.url_as(receiver.host, f"/{endpoint_id}")
            await _register(publisher, Sealer(told["secret_key"]), endpoint_id, url, ordering)
        extra = {"WIRE_TOPIC_PREFIX": prefix, "WIRE_ENDPOINT_ALLOW": f"127.0.0.1:{receiver.port}"}
        wire.processes |= {one: _process(services[one], extra, logs) for one in running}
        for process in wire.processes.values():
            opened.push_async_callback(process.kill)
            await process.start()
        await asyncio.gather(*(process.ready(READY_WITHIN_S) for process in wire.processes.values()))
        async with _followed(kafka, wire.watch):
            yield wire


async def _fill(publisher: Publisher, count: int) -> None:
    await fill(publisher, waiting(Topic.RECEIVED, received, MANY * count))
    await fill(publisher, waiting(Topic.INBOX, in_the_inbox, MANY * count))
    await fill(publisher, waiting(Topic.RELEASED, on_the_wire, count))
    await fill(publisher, waiting(Topic.DUE, due, MANY * count, partition=SHARD))


async def _look_at(consumer: Any, kafka: KafkaSettings) -> None:
    """Make a consumer know the places whose ends are asked for."""
    cluster = await consumer._client.fetch_all_metadata()
    full = [name(topic, kafka.topic_prefix) for topic in COUNTED]
    consumer.assign([TopicPartition(one, number) for one in full for number in cluster.partitions_for_topic(one)])


async def _register(publisher: Publisher, sealer: Sealer, endpoint_id: str, url: str, ordering: Ordering) -> None:
    """One endpoint that wants everything."""
    now, subscription_id = datetime.now(UTC), f"s_{endpoint_id}"
    endpoint = Endpoint(endpoint_id=endpoint_id, subscriber="sub", url=url, state=EndpointState.ACTIVE, created_at=now)
    secret = EndpointSecret(endpoint_id=endpoint_id, sealed=(sealer.seal(new_secret()),))
    subscription = Subscription(
        subscription_id=subscription_id,
        subscriber="sub",
        name="all",
        endpoint_id=endpoint_id,
        ordering=ordering,
        filter=Filter(),
        created_at=now,
    )
    for entity, part, value in (
        (endpoint_id, "endpoint", endpoint),
        (endpoint_id, "secret", secret),
        (subscription_id, "subscription", subscription),
    ):
        await publisher.publish(Topic.SUBSCRIPTION_STATE, key_of(entity, part), value.model_dump_json().encode())


def _process(service: layout.Service, extra: dict[str, str], logs: Path) -> ServiceProcess:
    return ServiceProcess(replace(service, environment={**service.environment, **extra}), logs)


@asynccontextmanager
async def _followed(kafka: KafkaSettings, watch: Watch) -> AsyncIterator[None]:
    """Watch the topics that flashes go to while the block lasts."""
    stop = asyncio.Event()
    async with Tail(kafka, FLASH_OUTPUTS) as tail, asyncio.TaskGroup() as group:
        await tail.load(watch.take, since="end")
        group.create_task(tail.follow(watch.take, stop))
        yield
        stop.set()
