"""How does a lane run on Faust without losing anything? In the one safe form of it (decision 0003).

Faust reads, rebalances and commits. Handling, the confirming of outputs and the ending of the process are ours.
Its own acknowledgements, concurrency, tables, transactions and web server cannot be reached from here.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import faust
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from faust.contrib.asgi import faust_app_running
from faust.types import EventT, Message

from shared.domain.errors import Misconfigured, Unprocessable
from shared.platform.consuming import PARKED_PER_MINUTE, NoCommittedOffset, Park, committed, group_name
from shared.platform.faust_app import CONFIRM_SECONDS, LaneProducer, Raw, lane_app
from shared.platform.groups import refuse_foreign_groups
from shared.platform.health import Health
from shared.platform.logs import logger
from shared.platform.metrics import HANDLE_SECONDS, PUBLISH_SECONDS, RECORDS_CONSUMED, RECORDS_PUBLISHED
from shared.platform.parking import ParkingBudget
from shared.platform.publishing import Outgoing, PublishFailed, RecordTooLarge
from shared.platform.reading import beginning_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name, partition_of, spec

FAIL_STOP = 70  # EX_SOFTWARE: a supervisor starts the process again, and it goes on at the last commit
LONGEST_ITEM = 60.0  # seconds; a stuck record holds up its partition for no longer
ASSIGNMENT = "assignment"  # the check that says whether partitions have been given out

_Headers = Sequence[tuple[str, bytes | None]]
LaneHandler = Callable[[Record], Awaitable[Sequence[Outgoing]]]


async def run_lane(
    kafka: KafkaSettings,
    *,
    app_id: str,
    member: str,
    source: Topic,
    handle: LaneHandler,
    park: Park,
    stop: asyncio.Event,
    health: Health,
    commit_interval: float = 0.2,
    item_deadline: float = 15.0,
    window: int = 256,
    parked_per_minute: int = PARKED_PER_MINUTE,
) -> None:
    """Give each record of `source` to `handle`, publish what it returns in input order, until `stop` is set.

    At least once: an offset passes when every output of its record, and of all before it, is confirmed; up to
    `window` records wait for that. `Unprocessable` parks the record and passes. Anything else that goes wrong,
    a handler longer than `item_deadline` seconds included, ends the process at once (exit code 70).

    `app_id` (`enrich-flash`) is the consumer group, `member` its static id, unique per process and stable over
    restarts. Raises NoCommittedOffset or Misconfigured before it starts where the topic was not provisioned, where
    retention has overtaken the group, or where others sit in it; ValueError for a limit that is none.
    """
    if not 0 < item_deadline <= LONGEST_ITEM or window < 1 or commit_interval <= 0 or parked_per_minute < 1:
        raise ValueError("a lane without limits is no lane: every item has its time, every window its size")
    await _refuse_unprovisioned(kafka, app_id, source)
    app = lane_app(kafka, source, group_name(app_id, kafka.topic_prefix), member, commit_interval, window)
    _tell_assignment(app, health)
    pipe = _Pipe(app, kafka, app_id, source, handle, park, item_deadline, window, parked_per_minute)
    app.agent(app.topic(name(source, kafka.topic_prefix), schema=Raw()), name="lane", concurrency=1)(pipe.run)
    async with faust_app_running(app):
        crashed = asyncio.create_task(app.wait_until_stopped(), name="lane.crashed")
        stopping = asyncio.create_task(stop.wait(), name="lane.stop")
        await asyncio.wait({crashed, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if app.crashed:
            _fail_stop("lane.crashed", app.crash_reason)
        health.set(ASSIGNMENT, False, "stopping")
    for task in (crashed, stopping):
        task.cancel()


@dataclass(frozen=True, slots=True)
class _InHand:
    """A record whose outputs have been handed to the producer and are not yet known to be with the broker."""

    event: EventT[Any]
    outputs: tuple[Topic, ...]
    answers: tuple[Awaitable[Any], ...]
    sent_at: float


class _Pipe:
    """Handles one record at a time and confirms outputs behind its back, in the order of the input."""

    def __init__(
        self,
        app: faust.App,
        kafka: KafkaSettings,
        app_id: str,
        source: Topic,
        handle: LaneHandler,
        park: Park,
        item_deadline: float,
        window: int,
        parked_per_minute: int,
    ) -> None:
        self._app = app
        service, _, lane = app_id.partition("-")
        self._prefix = kafka.topic_prefix
        self._failpoints = kafka.failpoints
        self._source = source
        self._handle = handle
        self._park = park
        self._item_deadline = item_deadline
        self._budget = ParkingBudget(parked_per_minute)
        self._waiting: asyncio.Queue[_InHand] = asyncio.Queue(window)
        self._seconds = HANDLE_SECONDS.labels(service, "handle", lane)
        self._consumed = RECORDS_CONSUMED.labels(app_id, source)

    async def run(self, stream: Any) -> None:
        """The agent's body; a failure here or in the confirming task stops the process before it can skip a record."""
        confirming = asyncio.create_task(self._confirm(), name="lane.confirm")
        try:
            async for event in stream.noack().events():
                await self._take(event)
        except Exception as error:  # noqa: BLE001 - Faust would acknowledge the record and carry on behind it
            _fail_stop("lane.failed", error)
        finally:
            confirming.cancel()

    async def _take(self, event: EventT[Any]) -> None:
        record = _record(self._source, event.message)
        with self._seconds.time():
            outputs = await self._handled(record)
        if self._failpoints is not None:
            await self._failpoints.before_publishing([output.topic for output in outputs], PublishFailed)
        sent_at = time.monotonic()
        answers = [await self._send(output) for output in outputs]
        await self._waiting.put(_InHand(event, tuple(output.topic for output in outputs), tuple(answers), sent_at))

    async def _handled(self, record: Record) -> Sequence[Outgoing]:
        try:
            if self._failpoints is not None:
                await self._failpoints.passing(f"handle.{self._source}.before", PublishFailed)
            async with asyncio.timeout(self._item_deadline):
                outputs = await self._handle(record)
            for output in outputs:
                _refuse_too_large(output)
            return outputs
        except Unprocessable as refusal:
            await self._parked(record, refusal)
            return ()

    async def _parked(self, record: Record, refusal: Unprocessable) -> None:
        self._budget.check(refusal)
        async with asyncio.timeout(CONFIRM_SECONDS):
            await self._park(record, refusal)
        self._budget.spend()
        logger().warning(
            "record.parked",
            topic=record.topic.value,
            partition=record.partition,
            offset=record.offset,
            error=type(refusal).__name__,
        )

    async def _send(self, output: Outgoing) -> Awaitable[Any]:
        topic = name(output.topic, self._prefix)
        producer = cast(LaneProducer, self._app.producer)
        partition = output.partition
        if partition is None:
            partition = partition_of(output.key, await producer.partitions(topic))
        return await producer.send(topic, _key(output), output.value, partition, None, list(output.headers))

    async def _confirm(self) -> None:
        try:
            while True:
                in_hand = await self._waiting.get()
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await asyncio.gather(*in_hand.answers)
                if self._failpoints is not None:
                    await self._failpoints.after_publishing(in_hand.outputs, PublishFailed)
                in_hand.event.ack()
                self._count(in_hand)
        except Exception as error:  # noqa: BLE001 - whatever it is, the outputs are not known to be kept
            _fail_stop("lane.unconfirmed", error)

    def _count(self, in_hand: _InHand) -> None:
        self._consumed.inc()
        took = time.monotonic() - in_hand.sent_at
        for topic in in_hand.outputs:
            RECORDS_PUBLISHED.labels(topic).inc()
            PUBLISH_SECONDS.labels(topic).observe(took)


async def _refuse_unprovisioned(kafka: KafkaSettings, app_id: str, source: Topic) -> None:
    """Faust would create the topic, or begin anywhere; here a start is given by provisioning or not at all."""
    full_name = name(source, kafka.topic_prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap, client_id=kafka.client_id)
    try:
        await admin.start()
        [found] = await admin.describe_topics([full_name])
        if not found["partitions"]:
            raise Misconfigured(f"There is no topic {full_name}: run python -m deploy.provision first.")
        await refuse_foreign_groups(admin, [group_name(app_id, kafka.topic_prefix)])
    finally:
        await admin.close()
    offsets = await committed(kafka, app_id, source, [one["partition"] for one in found["partitions"]])
    way_out = f"with --adopt {app_id}=start or --adopt {app_id}=end where the topic holds records."
    if None in offsets.values():
        raise NoCommittedOffset(
            f"Group {app_id} has no committed offset on every partition of {full_name}: run python -m deploy.provision "
            f"first, {way_out}"
        )
    kept = {at.partition: first for at, first in (await beginning_offsets(kafka, [source])).items()}
    if any(offset is not None and offset < kept[partition] for partition, offset in offsets.items()):
        raise NoCommittedOffset(
            f"Group {app_id} cannot go on in {full_name}: records it had not handled are kept no longer. Run python -m "
            f"deploy.provision, {way_out}"
        )


def _tell_assignment(app: faust.App, health: Health) -> None:
    """Ready once partitions have been given out, even if this member got none; not while they move."""
    health.set(ASSIGNMENT, False, "waiting for partitions")

    async def assigned(*_: Any, **__: Any) -> None:
        health.set(ASSIGNMENT, True)

    async def revoked(*_: Any, **__: Any) -> None:
        health.set(ASSIGNMENT, False, "partitions are moving")

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)


def _key(output: Outgoing) -> bytes:
    return output.key.encode(errors="surrogateescape")  # as `Record.key` keeps what is not UTF-8


def _refuse_too_large(output: Outgoing) -> None:
    """Found here the record is parked; the broker's refusal would stop the process at every start."""
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(_key(output), output.value, list(output.headers))
    if size > spec(output.topic).max_message_bytes:
        raise RecordTooLarge(f"the output of {size} bytes does not fit {output.topic}")


def _record(source: Topic, message: Message) -> Record:
    return Record(
        topic=source,
        partition=message.partition,
        offset=message.offset,
        key=None if message.key is None else message.key.decode(errors="surrogateescape"),
        value=message.value,
        headers={key: value or b"" for key, value in cast(_Headers, message.headers or ())},
        timestamp_ms=round(message.timestamp * 1000),
    )


def _fail_stop(event: str, error: BaseException | None) -> None:
    """End the process here and now: nothing may run that could commit past the record in trouble."""
    logger().error(event, exc_info=error, exit_code=FAIL_STOP)
    sys.stderr.flush()
    os._exit(FAIL_STOP)
