"""How is a topic read by somebody who owns nothing of it: from a point on, to its end, or one record at a time?"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition as FullTopicPartition

from shared.domain.errors import Misconfigured
from shared.domain.events import epoch_us
from shared.platform.consumers import close, open_consumer
from shared.platform.health import Health
from shared.platform.records import Record, read
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name, topic_named

BATCH = 500  # records applied before the event loop gets a turn
POLL_MS = 200
RETRY_S = 0.5
PROBE_EVERY_S = 2.0  # how often a quiet reader asks whether the broker is still there
PROBE_WITHIN_S = 2.0
LOOKUP_WITHIN_S = 10.0
LOOKUP_BYTES = 65_536

log = structlog.stdlib.get_logger(__name__)


class TopicPartition(NamedTuple):
    """One partition of one of our topics."""

    topic: Topic
    partition: int


Since = Literal["beginning", "end"] | datetime | Mapping[TopicPartition, int]
"""Where reading starts: an end of the log, the first record not older than a time, or given next offsets."""

Apply = Callable[[Record], None]
Pause = Callable[[], Awaitable[None]]


class Tail:
    """Reads topics without a group: `load` to their ends, then `follow` for ever. One reader at a time.

    `partitions` limits it to these numbers. While the broker is away it waits and says so through `health`.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[Topic],
        partitions: set[int] | frozenset[int] | None = None,
        *,
        health: Health | None = None,
        at_most: int = BATCH,
    ) -> None:
        """`at_most`: records applied before the event loop gets a turn, once all is loaded."""
        self._kafka = kafka
        self._topics = topics
        self._partitions = partitions
        self._health = health
        self._at_most = at_most
        self._check = "reading " + ", ".join(topics)
        self._consumer: Any = None
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._loaded = False
        self._stepped = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def load(self, apply: Apply, since: Since = "beginning", *, between: Pause | None = None) -> None:
        """Apply every record from `since` up to the ends measured at the start, in order per partition.

        `between` is awaited after each batch (at most BATCH records): who only queues them has them worked off there.
        Waits for a broker that is away. May be repeated; each call starts anew. Raises Misconfigured for a topic that
        does not exist, and what `apply` raises.
        """
        self._loaded = False
        self._tell("loading")
        await self.close()
        while True:
            try:
                self._positions, self._ends = await self._open(since)
                break
            except KafkaError as error:
                await self.close()
                self._tell(f"no broker: {type(error).__name__}")
                await asyncio.sleep(RETRY_S)
        while not self.caught_up():
            await self._step(apply, between)
        self._loaded = True
        self._tell("")

    async def follow(self, apply: Apply, stop: asyncio.Event, *, between: Pause | None = None) -> None:
        """Apply every later record until `stop`, then close. Call after `load`; raises what `apply` raises.

        `between` is awaited after each batch (at most `at_most` records), before more is read.
        Also raises aiokafka's OffsetOutOfRangeError when retention has overtaken the reader: load again.
        """
        helpers = [asyncio.create_task(stop.wait()), asyncio.create_task(self._probe())]
        stopping = helpers[0]
        poll: asyncio.Task[None] | None = None
        try:
            while not stopping.done():
                poll = asyncio.create_task(self._step(apply, between))
                await asyncio.wait({poll, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if poll.done():
                    poll.result()
        finally:
            for task in (*helpers, poll):
                if task is not None:
                    task.cancel()
            await asyncio.wait([task for task in (*helpers, poll) if task is not None])
            await self.close()

    async def reach_end(self) -> None:
        """Return once all is applied that was in the topics at the call. For while `follow` runs; may be repeated.

        Waits for a broker that is away, and for ever once `follow` has ended: nobody comes to the end any more, and
        whoever shows something on the strength of it must not.
        """
        ends: Mapping[TopicPartition, int] | None = None
        while ends is None:
            if self._consumer is None:
                await asyncio.Event().wait()
            try:
                ends = await self._measured_ends(self._consumer, self._positions)
            except KafkaError as error:
                self._tell(f"broker does not answer: {type(error).__name__}")
                await asyncio.sleep(RETRY_S)
        while any(self._positions[at] < end for at, end in ends.items()):
            self._stepped.clear()
            await self._stepped.wait()

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset to be applied, per partition."""
        return dict(self._positions)

    def caught_up(self) -> bool:
        """Whether everything known to be in the topics has been applied."""
        return all(self._positions[at] >= end for at, end in self._ends.items())

    @property
    def loaded(self) -> bool:
        """Whether `load` has reached the ends it measured."""
        return self._loaded

    async def close(self) -> None:
        """Let go of the connection; positions stay readable. May be repeated."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close(consumer)

    async def _open(self, since: Since) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        self._consumer = consumer = await open_consumer(self._kafka)
        assigned = await self._assignable(consumer)
        starts = await self._starts(consumer, assigned, since)
        ends = await self._measured_ends(consumer, assigned)
        # assigned and sought in one breath, or the consumer complains that it has no offset
        consumer.assign([self._full(at) for at in assigned])
        for at, offset in starts.items():
            consumer.seek(self._full(at), offset)
        return starts, ends

    async def _assignable(self, consumer: Any) -> list[TopicPartition]:
        cluster = await consumer._client.fetch_all_metadata()
        found: list[TopicPartition] = []
        for topic in self._topics:
            numbers = cluster.partitions_for_topic(name(topic, self._kafka.topic_prefix))
            if not numbers:
                raise Misconfigured(f"no such topic: {name(topic, self._kafka.topic_prefix)}; provision first")
            wanted = sorted(numbers) if self._partitions is None else sorted(numbers & self._partitions)
            found.extend(TopicPartition(topic, number) for number in wanted)
        return found

    async def _starts(
        self, consumer: Any, assigned: Sequence[TopicPartition], since: Since
    ) -> dict[TopicPartition, int]:
        full = {at: self._full(at) for at in assigned}
        if isinstance(since, datetime):
            found = await consumer.offsets_for_times(dict.fromkeys(full.values(), epoch_us(since) // 1000))
            ends = await consumer.end_offsets(list(full.values()))
            return {at: ends[one] if found[one] is None else found[one].offset for at, one in full.items()}
        if since == "end":
            ends = await consumer.end_offsets(list(full.values()))
            return {at: ends[one] for at, one in full.items()}
        beginnings = await consumer.beginning_offsets(list(full.values()))
        if isinstance(since, Mapping):
            return {at: since.get(at, beginnings[one]) for at, one in full.items()}
        return {at: beginnings[one] for at, one in full.items()}

    async def _measured_ends(self, consumer: Any, assigned: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        full = {self._full(at): at for at in assigned}
        ends = await consumer.end_offsets(list(full))
        return {full[one]: end for one, end in ends.items()}

    async def _step(self, apply: Apply, between: Pause | None) -> None:
        """Apply the next batch, or wait a little for one."""
        try:
            at_most = self._at_most if self._loaded else BATCH
            batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=at_most)
        except OffsetOutOfRangeError:
            raise
        except KafkaError as error:
            self._tell(f"cannot read: {type(error).__name__}")
            await asyncio.sleep(RETRY_S)
            return
        for full, raw in batches.items():
            at = TopicPartition(topic_named(full.topic, self._kafka.topic_prefix), full.partition)
            for one in raw:
                apply(read(at.topic, one))
                self._positions[at] = one.offset + 1
        for at in self._positions:
            # beyond the last record applied: the log's end may be a gap that compaction left
            self._positions[at] = max(self._positions[at], await self._consumer.position(self._full(at)))
        self._stepped.set()
        await asyncio.sleep(0)
        if between is not None:
            await between()

    async def _probe(self) -> None:
        """Ask for the ends from time to time: aiokafka only logs that a broker is away."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            try:
                async with asyncio.timeout(PROBE_WITHIN_S):
                    self._ends = await self._measured_ends(self._consumer, self._positions)
            except (KafkaError, TimeoutError) as error:
                self._tell(f"broker does not answer: {type(error).__name__}")
            else:
                self._tell("")

    def _tell(self, trouble: str) -> None:
        if self._health is not None:
            self._health.set(self._check, not trouble, trouble)

    def _full(self, at: TopicPartition) -> FullTopicPartition:
        return FullTopicPartition(name(at.topic, self._kafka.topic_prefix), at.partition)


class Lookup:
    """Reads single records by their place; look-ups wait for each other. Opened as an async context."""

    def __init__(self, kafka: KafkaSettings, within: float = LOOKUP_WITHIN_S, ahead: int = LOOKUP_BYTES) -> None:
        """`ahead`: bytes asked for at a time; more than one record's worth only where its neighbours are wanted too."""
        self._kafka = kafka
        self._within = within
        self._ahead = ahead
        self._consumer: Any = None
        self._turn = asyncio.Lock()
        self._assigned: FullTopicPartition | None = None
        self._ends: dict[FullTopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        # one record is wanted: fetch little, and never wait long for more
        self._consumer = await open_consumer(self._kafka, max_partition_fetch_bytes=self._ahead, fetch_max_wait_ms=10)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close(self._consumer)

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        """The record there; None when it was compacted away, deleted, or never written.

        Raises TimeoutError when the broker does not answer in time.
        """
        found = await self.read_from(topic, partition, offset, 1)
        return found[0] if found and found[0].offset == offset else None

    async def read_from(self, topic: Topic, partition: int, offset: int, most: int) -> list[Record]:
        """What lies there and behind it, at most so many records and no more than came in one answer.

        Raises as `read_one`.
        """
        at = FullTopicPartition(name(topic, self._kafka.topic_prefix), partition)
        async with self._turn, asyncio.timeout(self._within):
            if offset >= self._ends.get(at, -1) and offset >= await self._end(at):
                return []
            self._point_at(at, offset)
            try:
                found = await self._next(at, offset, most)
            except OffsetOutOfRangeError:
                return []
            finally:
                with suppress(KafkaError):
                    self._consumer.pause(at)  # before the fetcher asks for what follows
        return [read(topic, raw) for raw in found]

    async def _end(self, at: FullTopicPartition) -> int:
        while True:
            try:
                ends = await self._consumer.end_offsets([at])
            except KafkaError:
                await asyncio.sleep(RETRY_S)
                continue
            self._ends[at] = int(ends[at])
            return self._ends[at]

    def _point_at(self, at: FullTopicPartition, offset: int) -> None:
        if self._assigned != at:
            self._consumer.unsubscribe()
            self._consumer.assign([at])
            self._assigned = at
        self._consumer.seek(at, offset)
        self._consumer.resume(at)

    async def _next(self, at: FullTopicPartition, offset: int, most: int) -> Sequence[Any]:
        """The first records at or behind the offset; none when a gap reaches to the end."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=most)
            if found := batches.get(at, ()):
                return list(found)
            if await self._consumer.position(at) > offset:
                return []


async def beginning_offsets(kafka: KafkaSettings, topics: Iterable[Topic]) -> dict[TopicPartition, int]:
    """The first offset still in each partition of the topics. Raises aiokafka's KafkaError without a broker."""
    return await _offsets(kafka, topics, "beginning_offsets")


async def end_offsets(kafka: KafkaSettings, topics: Iterable[Topic]) -> dict[TopicPartition, int]:
    """The offset the next record of each partition will have. Raises aiokafka's KafkaError without a broker."""
    return await _offsets(kafka, topics, "end_offsets")


async def _offsets(kafka: KafkaSettings, topics: Iterable[Topic], which: str) -> dict[TopicPartition, int]:
    consumer = await open_consumer(kafka)
    try:
        cluster = await consumer._client.fetch_all_metadata()
        places = {
            FullTopicPartition(name(topic, kafka.topic_prefix), number): TopicPartition(topic, number)
            for topic in topics
            for number in cluster.partitions_for_topic(name(topic, kafka.topic_prefix)) or ()
        }
        found = await getattr(consumer, which)(list(places))
        return {places[one]: offset for one, offset in found.items()}
    finally:
        await close(consumer)
