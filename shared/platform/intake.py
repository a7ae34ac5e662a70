"""What waits in one source, what of it is in flight, and how far may its offsets pass?"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    NoOffsetForPartitionError,
    OffsetMetadataTooLargeError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import TopicPartition

from shared.domain.errors import Misconfigured
from shared.platform import offset_notes
from shared.platform.consumers import Consumer, close
from shared.platform.metrics import COMMIT_FAILURES, RECORDS_CONSUMED
from shared.platform.offsets import LowWatermark, Span
from shared.platform.records import Record, read
from shared.platform.settings import KafkaSettings
from shared.platform.topics import MIB, Topic, name

POLL_MS = 60_000  # how long a poll may wait; it ends as soon as anything comes
RECOMMIT_S = 10.0  # an unchanged offset is committed again: a late commit of an owner before us may have hit a follower

log = structlog.stdlib.get_logger(__name__)


class NoCommittedOffset(Misconfigured):
    """A group has no offset to go on from; guessing one could send a month again, or skip one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A topic to take from, and how many records of it are handled at most before earlier sources are asked again."""

    topic: Topic
    at_most: int = 16


@dataclass(frozen=True, slots=True)
class Window:
    """How much of one partition is in memory at most; beyond it the partition fetches no more.

    A record larger than `high_bytes` is still taken, alone. Fetching goes on at half the records and `low_bytes`.
    """

    records: int = 512
    high_bytes: int = 8 * MIB
    low_bytes: int = 4 * MIB


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition goes on: the first offset that is not finished, and what is finished beyond it."""

    offset: int
    finished: Sequence[Span] = ()


@dataclass(slots=True, eq=False)
class Share:
    """One partition while it is ours. After it is lost this object is left to itself: late finishes do no harm."""

    watermark: LowWatermark
    committed: tuple[int, int]  # the position, and how many changes it told
    committed_at: float
    held: deque[Record] = field(default_factory=deque)
    held_bytes: int = 0
    open_bytes: int = 0  # of the records in flight
    paused: bool = False

    @property
    def now_at(self) -> tuple[int, int]:
        """What `committed` should say."""
        return self.watermark.position, self.watermark.changes

    def to_commit(self, now: float) -> bool:
        """Whether what was committed is behind, or so old that it may have been forgotten or overwritten."""
        return self.now_at != self.committed or now - self.committed_at > RECOMMIT_S

    def hold(self, record: Record) -> None:
        if not self.watermark.was_finished(record.offset):
            self.held.append(record)
            self.held_bytes += record.size

    def take(self, at_most: int, window: Window) -> list[Record]:
        """The next records that may be begun now, in order."""
        taken: list[Record] = []
        room, open_bytes = min(at_most, window.records - self.watermark.in_flight), self.open_bytes
        while self.held and len(taken) < room:
            open_bytes += self.held[0].size
            if open_bytes > window.high_bytes and (taken or self.watermark.in_flight):
                break
            taken.append(self.held.popleft())
            self.held_bytes -= taken[-1].size
        return taken

    def begin(self, record: Record) -> None:
        self.watermark.begin(record.offset)
        self.open_bytes += record.size

    def finish(self, record: Record) -> None:
        self.watermark.finish(record.offset)
        self.open_bytes -= record.size

    def is_full(self, window: Window) -> bool:
        return self.watermark.in_flight >= window.records or self.held_bytes + self.open_bytes >= window.high_bytes

    def has_room(self, window: Window) -> bool:
        return self.watermark.in_flight <= window.records // 2 and self.held_bytes + self.open_bytes <= window.low_bytes


class Intake:
    """One source: its own consumer and group, so that what is buffered here never delays another source.

    Nothing is taken between `leave` and `open`.
    """

    def __init__(self, kafka: KafkaSettings, source: Source, consumer: Consumer, group: str, window: Window) -> None:
        self.topic = source.topic
        self.consumer = consumer
        self.group = group
        self._failpoints = kafka.failpoints
        self._at_most = source.at_most
        self._window = window
        self._name = name(source.topic, kafka.topic_prefix)
        self._shares: dict[int, Share] = {}
        self._assigned = True  # a consumer that is not waits for it, however short it was told to wait
        self._adopt_as = group.removeprefix(kafka.topic_prefix)
        self._poll: asyncio.Task[Any] | None = None
        self._committing = asyncio.Lock()
        self._commit: asyncio.Task[None] | None = None
        self._consumed = RECORDS_CONSUMED.labels(group, source.topic)

    # Owning partitions

    def follow(self, partitions: frozenset[int]) -> None:
        """Take these partitions without a group's say; nothing is fetched before `open`."""
        self.consumer.unsubscribe()
        self._assigned = bool(partitions)
        if partitions:
            self.consumer.assign([self._at(partition) for partition in partitions])
        self.hush(partitions)

    def hush(self, partitions: frozenset[int]) -> None:
        """Fetch nothing of these partitions before `open`."""
        self.consumer.pause(*(self._at(partition) for partition in partitions))

    async def committed(self, partitions: frozenset[int]) -> dict[int, Start]:
        """Where each partition goes on. Raises NoCommittedOffset where the group has never been given a start."""
        found = await self.consumer.offsets([self._at(partition) for partition in sorted(partitions)])
        unknown = [partition for partition in sorted(partitions) if self._at(partition) not in found]
        if unknown:
            raise NoCommittedOffset(
                f"group {self.group} has no committed offset for {self._name}, partitions {_list(unknown)}: "
                f"provision with --adopt {self._adopt_as}=start to handle all of it, or with =end to skip it"
            )
        return {at.partition: Start(offset, offset_notes.read(offset, note)) for at, (offset, note) in found.items()}

    def open(self, starts: Mapping[int, Start]) -> None:
        """Begin to take records, from these offsets on, but for those that are finished."""
        now = time.monotonic()
        for partition, start in starts.items():
            self.consumer.seek(self._at(partition), start.offset)
            watermark = LowWatermark(start.offset, start.finished)
            self._shares[partition] = Share(watermark, (start.offset, watermark.changes), now)
        self.consumer.resume(*(self._at(partition) for partition in starts))

    def leave(self, *, unassign: bool) -> None:
        """Forget the partitions and what is held of them; what was not finished stays uncommitted."""
        self._shares = {}
        self._stop_polling()
        if self._commit is not None:
            self._commit.cancel()  # it would be sent again and again, and may reach the broker behind the next owner's
        if unassign:
            self._assigned = False
            self.consumer.unsubscribe()

    # Taking records

    async def take(self) -> list[tuple[Share, Record]]:
        """The next handful that may be handled now, in order per partition; does not wait for records."""
        while self._assigned:
            handful = self._ready()
            if handful or not await self._refill():
                return handful
        return []

    def expect(self) -> asyncio.Task[Any]:
        """A task that ends when there may be something to take, if it ever may."""
        if self._poll is None:
            self._poll = asyncio.create_task(self._getmany(POLL_MS) if self._assigned else _nothing())
        return self._poll

    def _ready(self) -> list[tuple[Share, Record]]:
        handful: list[tuple[Share, Record]] = []
        for share in self._shares.values():
            handful.extend((share, record) for record in share.take(self._at_most - len(handful), self._window))
        return handful

    async def _refill(self) -> bool:
        """Move what the consumer has buffered into what is held; whether there was anything."""
        if self._poll is None:
            batches = await self._getmany(0)
        elif self._poll.done():
            poll, self._poll = self._poll, None
            batches = poll.result()
        else:
            return False
        for at, raw in batches.items():
            share = self._shares.get(at.partition)
            if share is not None:
                for one in raw:
                    share.hold(read(self.topic, one))
                self._pause_if_full(share, at.partition)
        return bool(batches)

    async def _getmany(self, timeout_ms: int) -> Any:
        try:
            return await self.consumer.getmany(timeout_ms=timeout_ms, max_records=self._at_most)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            raise NoCommittedOffset(
                f"group {self.group} cannot go on in {self._name}: its committed offset is not in the log any more "
                f"({error}); provision with --adopt {self._adopt_as}=start or =end"
            ) from error

    # Handling and committing

    def begin(self, share: Share, record: Record) -> None:
        """The record is being handled; beyond the window its partition fetches no more."""
        share.begin(record)
        self._pause_if_full(share, record.partition)

    def finish(self, share: Share, record: Record) -> bool:
        """All effects of the record are confirmed; whether there may be something to take that was not before."""
        share.finish(record)
        self._consumed.inc()
        if share.paused and share.has_room(self._window):
            share.paused = False
            if self.owns(share, record.partition):
                self.consumer.resume(self._at(record.partition))
            return True
        return bool(share.held)

    def owns(self, share: Share, partition: int) -> bool:
        """Whether the partition has not gone since it was given out as `share`."""
        return self._shares.get(partition) is share

    def _pause_if_full(self, share: Share, partition: int) -> None:
        if not share.paused and share.is_full(self._window) and self.owns(share, partition):
            share.paused = True
            self.consumer.pause(self._at(partition))

    async def commit(self) -> None:
        """Commit what has passed, of the partitions that are still ours. A refusal costs duplicates only."""
        async with self._committing:
            now = time.monotonic()
            assigned = self.consumer.assignment()
            passing = {
                self._at(partition): share
                for partition, share in self._shares.items()
                if share.to_commit(now) and self._at(partition) in assigned
            }
            if not passing:
                return
            told = {at: share.now_at for at, share in passing.items()}
            notes = {at: _note(share) for at, share in passing.items()}
            try:
                if self._failpoints is not None:
                    await self._failpoints.passing(f"commit.{self.topic}.before", CommitFailedError)
                await self._send(notes)
                if self._failpoints is not None:
                    await self._failpoints.passing(f"commit.{self.topic}.after", CommitFailedError)
            except (
                CommitFailedError,
                IllegalGenerationError,
                IllegalStateError,
                RebalanceInProgressError,
                UnknownMemberIdError,
            ) as error:
                COMMIT_FAILURES.labels(self.group).inc()
                log.warning("commit.refused", group=self.group, error=type(error).__name__)
                return
            for at, share in passing.items():
                share.committed, share.committed_at = told[at], now

    async def _send(self, notes: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Raises CommitFailedError also where the partitions are let go meanwhile."""
        self._commit = asyncio.create_task(self._committed_with(notes))
        try:
            await asyncio.wait({self._commit})
            if self._commit.cancelled():
                raise CommitFailedError("the partitions are let go")
            self._commit.result()
        finally:
            self._commit.cancel()
            self._commit = None

    async def _committed_with(self, notes: Mapping[TopicPartition, tuple[int, str]]) -> None:
        try:
            await self.consumer.commit(notes)
        except OffsetMetadataTooLargeError:
            log.warning("commit.without_notes", group=self.group)
            await self.consumer.commit({at: (offset, "") for at, (offset, _) in notes.items()})

    async def close(self) -> None:
        """Let go of the connection, also when the broker does not answer."""
        self._stop_polling()
        await close(self.consumer)

    def _stop_polling(self) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.cancel()
            poll.add_done_callback(_forget)

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition)


def _note(share: Share) -> tuple[int, str]:
    """What is committed of a partition: its offset, and beside it what is finished beyond."""
    position = share.watermark.position
    return position, offset_notes.written(position, share.watermark.finished())


async def _nothing() -> None:
    await asyncio.Event().wait()


def _forget(poll: asyncio.Task[Any]) -> None:
    """Mark the outcome of a poll nobody waits for any more as seen."""
    if not poll.cancelled():
        poll.exception()


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
