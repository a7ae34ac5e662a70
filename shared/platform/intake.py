"""What waits in one source, what of it is in flight, and how far may its offsets pass?"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import TopicPartition

from shared.domain.errors import Misconfigured
from shared.platform.consumers import close
from shared.platform.metrics import COMMIT_FAILURES, RECORDS_CONSUMED
from shared.platform.offsets import LowWatermark
from shared.platform.records import Record, read
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name

POLL_MS = 60_000  # how long a poll may wait; it ends as soon as anything comes
RECOMMIT_S = 3_600.0  # an unchanged offset is committed again, lest the broker forget it

log = structlog.stdlib.get_logger(__name__)


class NoCommittedOffset(Misconfigured):
    """A group has no offset to go on from; guessing one could send a month again, or skip one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A topic to take from, and how many records of it are handled at most before earlier sources are asked again."""

    topic: Topic
    at_most: int = 16


@dataclass(slots=True, eq=False)
class Share:
    """One partition while it is ours. After it is lost this object is left to itself: late finishes do no harm."""

    watermark: LowWatermark
    committed: int
    committed_at: float
    held: deque[Record] = field(default_factory=deque)
    paused: bool = False

    def to_commit(self, now: float) -> bool:
        """Whether the committed offset is behind, or so old that the broker may forget it."""
        return self.watermark.position != self.committed or now - self.committed_at > RECOMMIT_S


class Intake:
    """One source: its own consumer and group, so that what is buffered here never delays another source.

    Nothing is taken between `leave` and `open`.
    """

    def __init__(self, kafka: KafkaSettings, source: Source, consumer: Any, group: str, window: int) -> None:
        self.topic = source.topic
        self.consumer = consumer
        self.group = group
        self._failpoints = kafka.failpoints
        self._at_most = source.at_most
        self._window = window
        self._name = name(source.topic, kafka.topic_prefix)
        self._shares: dict[int, Share] = {}
        self._adopt_as = group.removeprefix(kafka.topic_prefix)
        self._poll: asyncio.Task[Any] | None = None
        self._committing = asyncio.Lock()
        self._consumed = RECORDS_CONSUMED.labels(group, source.topic)

    # Owning partitions

    def follow(self, partitions: frozenset[int]) -> None:
        """Take these partitions without a group's say; nothing is fetched before `open`."""
        self.consumer.unsubscribe()
        if partitions:
            self.consumer.assign([self._at(partition) for partition in partitions])
        self.hush(partitions)

    def hush(self, partitions: frozenset[int]) -> None:
        """Fetch nothing of these partitions before `open`."""
        self.consumer.pause(*(self._at(partition) for partition in partitions))

    async def committed(self, partitions: frozenset[int]) -> dict[int, int]:
        """Where each partition goes on. Raises NoCommittedOffset where the group has never been given a start."""
        ordered = sorted(partitions)
        found = await asyncio.gather(*(self.consumer.committed(self._at(partition)) for partition in ordered))
        offsets = dict(zip(ordered, found, strict=True))
        unknown = [partition for partition, offset in offsets.items() if offset is None]
        if unknown:
            raise NoCommittedOffset(
                f"group {self.group} has no committed offset for {self._name}, partitions {_list(unknown)}: "
                f"provision with --adopt {self._adopt_as}=start to handle all of it, or with =end to skip it"
            )
        return offsets

    def open(self, offsets: Mapping[int, int]) -> None:
        """Begin to take records, from these offsets."""
        now = time.monotonic()
        for partition, offset in offsets.items():
            self.consumer.seek(self._at(partition), offset)
            self._shares[partition] = Share(LowWatermark(offset), offset, now)
        self.consumer.resume(*(self._at(partition) for partition in offsets))

    def leave(self, *, unassign: bool) -> None:
        """Forget the partitions and what is held of them; what was not finished stays uncommitted."""
        self._shares = {}
        self._stop_polling()
        if unassign:
            self.consumer.unsubscribe()

    # Taking records

    async def take(self) -> list[tuple[Share, Record]]:
        """The next handful that may be handled now, in order per partition; does not wait for records."""
        while True:
            handful = self._ready()
            if handful or not await self._refill():
                return handful

    def expect(self) -> asyncio.Task[Any]:
        """A task that ends when there may be something to take."""
        if self._poll is None:
            self._poll = asyncio.create_task(self._getmany(POLL_MS))
        return self._poll

    def _ready(self) -> list[tuple[Share, Record]]:
        handful: list[tuple[Share, Record]] = []
        for share in self._shares.values():
            room = min(self._at_most - len(handful), self._window - share.watermark.in_flight, len(share.held))
            handful.extend((share, share.held.popleft()) for _ in range(room))
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
            if at.partition in self._shares:
                self._shares[at.partition].held.extend(read(self.topic, one) for one in raw)
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
        share.watermark.begin(record.offset)
        if not share.paused and share.watermark.in_flight >= self._window and self._is_ours(share, record):
            share.paused = True
            self.consumer.pause(self._at(record.partition))

    def finish(self, share: Share, record: Record) -> bool:
        """All effects of the record are confirmed; whether that makes room in a full window."""
        share.watermark.finish(record.offset)
        self._consumed.inc()
        if not share.paused or share.watermark.in_flight > self._window // 2:
            return False
        share.paused = False
        if self._is_ours(share, record):
            self.consumer.resume(self._at(record.partition))
        return True

    @property
    def in_flight(self) -> int:
        """How many records of all its partitions are being handled."""
        return sum(share.watermark.in_flight for share in self._shares.values())

    async def commit(self) -> None:
        """Commit what has passed, of the partitions that are still ours. A refusal costs duplicates only."""
        async with self._committing:
            now = time.monotonic()
            assigned = self.consumer.assignment()
            passing = {
                self._at(partition): (share, share.watermark.position)
                for partition, share in self._shares.items()
                if share.to_commit(now) and self._at(partition) in assigned
            }
            if not passing:
                return
            try:
                if self._failpoints is not None:
                    await self._failpoints.passing(f"commit.{self.topic}.before", CommitFailedError)
                await self.consumer.commit({at: offset for at, (_, offset) in passing.items()})
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
            for share, offset in passing.values():
                share.committed, share.committed_at = offset, now

    async def close(self) -> None:
        """Let go of the connection, also when the broker does not answer."""
        self._stop_polling()
        await close(self.consumer)

    def _stop_polling(self) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.cancel()
            poll.add_done_callback(_forget)

    def _is_ours(self, share: Share, record: Record) -> bool:
        return self._shares.get(record.partition) is share

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition)


def _forget(poll: asyncio.Task[Any]) -> None:
    """Mark the outcome of a poll nobody waits for any more as seen."""
    if not poll.cancelled():
        poll.exception()


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
