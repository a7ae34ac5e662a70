"""How does a record get onto a topic so that we know it is there?"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from shared.domain.errors import Unprocessable
from shared.platform.bounded import LET_GO_WITHIN_S, ended_within
from shared.platform.metrics import PUBLISH_FAILURES, PUBLISH_SECONDS, RECORDS_PUBLISHED
from shared.platform.settings import KafkaSettings
from shared.platform.topics import MIB, Topic, name, partition_of, spec

DEADLINE_S = 30.0
CLOSE_WITHIN_S = 5.0

log = structlog.stdlib.get_logger(__name__)

Headers = Sequence[tuple[str, bytes]]
AppendTimeSeen = Callable[[int, float, float], None]
"""Told of each broker append time: (epoch ms, our monotonic clock before sending, and on receipt)."""


class PublishError(Exception):
    """The broker has not confirmed a record; publish it again with the same ids."""


class PublishTimeout(PublishError):
    """No confirmation within the deadline. The record may still arrive."""


class PublishFailed(PublishError):
    """The client gave the record up; it is rebuilt for the next one. The record may have arrived."""


class RecordTooLarge(Unprocessable):
    """The record can never fit its topic; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a confirmed record is; `timestamp_ms` is the broker's on log-append topics, else ours."""

    topic: Topic
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be published; the partition comes from the key unless given."""

    topic: Topic
    key: str
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class Publisher:
    """Publishes and returns when every in-sync replica has the record (acks=all, idempotent, no linger).

    Records of one partition keep the order in which `publish` was called, as long as none fails.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        client_id: str | None = None,
        *,
        deadline: float = DEADLINE_S,
        close_within: float = CLOSE_WITHIN_S,
        on_append_time: AppendTimeSeen | None = None,
    ) -> None:
        """`deadline`: seconds to wait for a confirmation; `close_within`: for what is under way at the end."""
        self._kafka = kafka
        self._failpoints = kafka.failpoints
        self._client_id = client_id or kafka.client_id
        self._deadline = deadline
        self._close_within = close_within
        self._on_append_time = on_append_time
        self._producer: Any = None  # aiokafka is untyped; None means: build one before the next send
        self._building = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        """Connect; PublishFailed when no broker answers within the deadline."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._current()
        except (KafkaError, TimeoutError) as error:
            raise PublishFailed(f"no Kafka broker answers at {self._kafka.bootstrap}: {_words(error)}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait a little for what is under way, then let go; what was not confirmed fails."""
        self._closed = True
        self._retire(self._producer)
        if self._retired:
            await asyncio.wait(self._retired)

    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        deadline: float | None = None,
    ) -> Appended:
        """Publish one record (`value` None is a tombstone) and say where it is.

        `deadline` in seconds. Raises PublishTimeout, PublishFailed (both: publish again, same ids), RecordTooLarge.
        """
        [appended] = await self.publish_all([Outgoing(topic, key, value, headers, partition)], deadline=deadline)
        return appended

    async def publish_all(self, records: Iterable[Outgoing], *, deadline: float | None = None) -> list[Appended]:
        """Publish records in one go, in their order per partition; returns when all are confirmed.

        Raises as `publish` does; then any of them may have arrived. Nothing is sent when one is too large.
        """
        records = list(records)
        for record in records:
            _check_size(record)
        if self._failpoints is not None:
            await self._failpoints.before_publishing([record.topic for record in records], PublishFailed)
        limit = self._deadline if deadline is None else deadline
        began = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                confirmed = await self._send(records)
        except (TimeoutError, KafkaTimeoutError) as error:
            _count_failures(records, "timeout")
            raise PublishTimeout(f"not confirmed within {limit:g} s; the record may still arrive") from error
        except KafkaError as error:
            _count_failures(records, "failed")
            raise PublishFailed(f"the broker or the client gave up: {_words(error)}") from error
        took = time.monotonic() - began
        for topic, count in Counter(record.topic for record in records).items():
            RECORDS_PUBLISHED.labels(topic).inc(count)
            PUBLISH_SECONDS.labels(topic).observe(took)
        if self._failpoints is not None:
            await self._failpoints.after_publishing([record.topic for record in records], PublishFailed)
        return confirmed

    async def partitions(self, topic: Topic) -> int:
        """How many partitions the topic has on this cluster. Raises PublishFailed when it does not exist."""
        try:
            return await self._partitions(await self._current(), topic)
        except KafkaError as error:
            raise PublishFailed(f"cannot look up {name(topic, self._kafka.topic_prefix)}: {_words(error)}") from error

    async def _send(self, records: Sequence[Outgoing]) -> list[Appended]:
        producer = await self._current()
        under_way: list[_UnderWay] = []
        for (topic, partition), numbers in (await self._by_place(producer, records)).items():
            if len(numbers) == 1:
                under_way.append(await self._append(producer, topic, partition, records, numbers[0]))
            else:
                under_way += await self._append_together(producer, topic, partition, records, numbers)
        answers = await asyncio.gather(*(each.answer for each in under_way), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            # A batch the client gave up on leaves a hole in the sequence numbers: this producer is of no more use.
            failure = _failure(failures[0])
            self._replace(producer, failure)
            raise failure
        confirmed = dict(appended for each in under_way for appended in each.confirmed())
        return [confirmed[number] for number in range(len(records))]

    async def _by_place(self, producer: Any, records: Sequence[Outgoing]) -> dict[tuple[Topic, int], list[int]]:
        """The records' numbers by where they go, in order."""
        places: dict[tuple[Topic, int], list[int]] = {}
        for number, record in enumerate(records):
            partition = record.partition
            if partition is None:
                partition = partition_of(record.key, await self._partitions(producer, record.topic))
            places.setdefault((record.topic, partition), []).append(number)
        return places

    async def _append(
        self, producer: Any, topic: Topic, partition: int, records: Sequence[Outgoing], number: int
    ) -> "_UnderWay":
        record = records[number]
        sending = producer.send(
            name(topic, self._kafka.topic_prefix),
            record.value,
            key=_key_bytes(record.key),
            partition=partition,
            headers=list(record.headers),
        )
        return _UnderWay(topic, [number], [0], await self._handed_over(producer, topic, sending))

    async def _append_together(
        self, producer: Any, topic: Topic, partition: int, records: Sequence[Outgoing], numbers: Sequence[int]
    ) -> list["_UnderWay"]:
        """Hand over records of one partition as the client's own batches: a tenth of the work of one by one."""
        under_way: list[_UnderWay] = []
        left = deque(numbers)
        while left:
            batch = producer.create_batch()
            taken, made_ms = [], []
            while left and (made := _put(batch, records[left[0]])) is not None:
                taken.append(left.popleft())
                made_ms.append(made)
            if not taken:  # larger than any batch
                under_way.append(await self._append(producer, topic, partition, records, left.popleft()))
                continue
            sending = producer.send_batch(batch, name(topic, self._kafka.topic_prefix), partition=partition)
            under_way.append(_UnderWay(topic, taken, made_ms, await self._handed_over(producer, topic, sending)))
        return under_way

    async def _handed_over(self, producer: Any, topic: Topic, sending: Awaitable[Any]) -> asyncio.Future[Any]:
        """Return the future of the broker's answer. A producer that is spent is replaced."""
        sent = time.monotonic()
        try:
            future: asyncio.Future[Any] = await sending
        except KafkaError as error:
            if _is_spent(producer):
                self._replace(producer, error)
            raise
        future.add_done_callback(partial(self._seen, topic, sent))
        return future

    async def _partitions(self, producer: Any, topic: Topic) -> int:
        return len(await producer.partitions_for(name(topic, self._kafka.topic_prefix)))

    def _seen(self, topic: Topic, sent: float, future: asyncio.Future[Any]) -> None:
        """Runs as the answer arrives. Also marks the error of a send nobody waits for any more as seen."""
        if future.cancelled() or future.exception() is not None:
            return
        answer = future.result()
        if self._on_append_time is not None and spec(topic).log_append_time and answer.timestamp_type == 1:
            self._on_append_time(answer.timestamp, sent, time.monotonic())

    async def _current(self) -> Any:
        """The producer in use, built anew when the last one is of no more use."""
        async with self._building:
            if self._closed:
                raise ProducerClosed()
            if self._producer is None:
                self._producer = await self._build()
            return self._producer

    async def _build(self) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka.bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,  # anything above is paid on every hop
            max_batch_size=131_072,
            max_request_size=spec(Topic.DEAD_INGEST).max_message_bytes,
            request_timeout_ms=15_000,
            metadata_max_age_ms=30_000,
        )
        try:
            await producer.start()
        except BaseException:
            await _let_go(producer, within=0)
            raise
        return producer

    def _replace(self, producer: Any, error: BaseException) -> None:
        if self._producer is not producer:
            return  # another send has already met the same trouble
        log.warning("publisher.rebuilding", error=_words(error))
        self._retire(producer)

    def _retire(self, producer: Any) -> None:
        self._producer = None
        if producer is None:
            return
        task = asyncio.create_task(_let_go(producer, within=self._close_within))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)


async def _let_go(producer: Any, within: float) -> None:
    """Close a producer, waiting at most that many seconds for what it still sends."""
    stopped = False
    with suppress(KafkaError):
        stopped = await ended_within(within, producer.stop())
    if not stopped:
        await _abandon(producer)


async def _abandon(producer: Any) -> None:
    """Close a producer that cannot finish: its own `stop` waits for the broker for ever."""
    producer._closed = True
    producer._message_accumulator.fail_all(ProducerClosed())
    with suppress(KafkaError):
        await ended_within(LET_GO_WITHIN_S, producer.client.close())
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        await asyncio.wait({sender}, timeout=LET_GO_WITHIN_S)


def _is_spent(producer: Any) -> bool:
    """Whether the producer will send nothing more, whatever it is given."""
    accumulator, sender = producer._message_accumulator, producer._sender.sender_task
    return bool(producer._closed or accumulator._exception is not None or sender.done())


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Records of one partition that one answer confirms: their numbers in the caller's list, when made (epoch ms)."""

    topic: Topic
    numbers: Sequence[int]
    made_ms: Sequence[int]
    answer: asyncio.Future[Any]

    def confirmed(self) -> Iterator[tuple[int, Appended]]:
        """What the broker said. It may know that it has a record and no longer where: then better publish it again."""
        answer = self.answer.result()
        if answer.offset < 0:
            raise KafkaError("the broker has the record but does not know its offset any more")
        for position, (number, made_ms) in enumerate(zip(self.numbers, self.made_ms, strict=True)):
            timestamp_ms = made_ms if answer.timestamp < 0 else answer.timestamp
            yield number, Appended(self.topic, answer.partition, answer.offset + position, timestamp_ms)


def _failure(error: BaseException) -> BaseException:
    """What the client has cancelled has failed: its publisher was not cancelled, and must not take itself for it."""
    return KafkaError("the client cancelled it") if isinstance(error, asyncio.CancelledError) else error


def _put(batch: Any, record: Outgoing) -> int | None:
    """Put a record into a batch and return its time (epoch ms); None when it has no room for it."""
    placed = batch.append(timestamp=None, key=_key_bytes(record.key), value=record.value, headers=list(record.headers))
    return None if placed is None else int(placed.timestamp)


def _check_size(record: Outgoing) -> None:
    """RecordTooLarge when the record cannot fit its topic; found here, since the broker's refusal is fatal."""
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(_key_bytes(record.key), record.value, list(record.headers))
    limit = spec(record.topic).max_message_bytes
    if size > limit:
        PUBLISH_FAILURES.labels(record.topic, "too_large").inc()
        raise RecordTooLarge(f"{size} bytes do not fit {record.topic}, which takes {limit / MIB:g} MiB")


def _key_bytes(key: str) -> bytes:
    """The bytes that `Record.key` was read from, also where they are not UTF-8."""
    return key.encode(errors="surrogateescape")


def _count_failures(records: Iterable[Outgoing], outcome: str) -> None:
    for record in records:
        PUBLISH_FAILURES.labels(record.topic, outcome).inc()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
