"""What stands in for Kafka: topics as lists, committed offsets, and appends at which a process can die."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from shared.domain.events import Event, encode_event
from shared.platform.clock import FixedClock
from shared.platform.handling import Completion
from shared.platform.publishing import Appended, Outgoing
from shared.platform.records import Record
from shared.platform.topics import Topic

Place = tuple[Topic, int]


class Crash(Exception):
    """The process died here."""


@dataclass
class Log:
    """All topics; append times are the virtual clock's. `committed` are the offsets of each topic's main group."""

    clock: FixedClock
    committed: dict[Place, int] = field(default_factory=dict)
    _records: dict[Place, list[Record]] = field(default_factory=dict)

    def of(self, topic: Topic, partition: int = 0) -> list[Record]:
        return self._records.setdefault((topic, partition), [])

    def append(self, topic: Topic, key: str, value: bytes | None, partition: int = 0) -> Appended:
        there = self.of(topic, partition)
        at = round(self.clock.now().timestamp() * 1000)
        there.append(Record(topic, partition, len(there), key, value, {}, at))
        return Appended(topic, partition, len(there) - 1, at)

    def put(self, topic: Topic, event: Event) -> None:
        """Append an event as the stage before would."""
        self.append(topic, event.story_id, encode_event(event))

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        """Return the record at a place; compaction has taken it as soon as its key has a newer one."""
        found = await self.read_from(topic, partition, offset, 1)
        return found[0] if found and found[0].offset == offset else None

    async def read_from(self, topic: Topic, partition: int, offset: int, most: int) -> list[Record]:
        """Return what compaction has left at a place and behind it, at most so many records."""
        newest = {record.key: record.offset for record in self.of(topic, partition)}
        left = (one for one in self.of(topic, partition)[offset:] if newest[one.key] == one.offset)
        return list(islice(left, most))


@dataclass
class Appender:
    """One process's way to the log. It dies `dies_in` appends from now, or at its next one to the topic `dies_at`.

    `arrives`: whether that last one does.
    """

    log: Log
    dies_in: int | None = None
    dies_at: Topic | None = None
    arrives: bool = True

    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        partition: int | None = None,
    ) -> Appended:
        dies = self.dies_in == 0 or self.dies_at is topic
        if dies:
            self.dies_in = self.dies_at = None
        elif self.dies_in is not None:
            self.dies_in -= 1
        if dies and not self.arrives:
            raise Crash(topic)
        appended = self.log.append(topic, key, value, partition or 0)
        if dies:
            raise Crash(topic)
        return appended

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]:
        return [await self.publish(one.topic, one.key, one.value, partition=one.partition) for one in outgoing]


class Consumer:
    """One life of a group on one partition: starts at the committed offset, and commits what has passed."""

    def __init__(
        self, log: Log, topic: Topic, partition: int = 0, *, committed: dict[Place, int] | None = None
    ) -> None:
        """`committed`: the offsets of another group than the topic's own."""
        self._log = log
        self._place = (topic, partition)
        self._committed = log.committed if committed is None else committed
        self._next = self._committed.setdefault(self._place, 0)
        self._open: deque[tuple[int, Completion | None]] = deque()

    def take(self) -> Record | None:
        """Return the next record, None at the end."""
        records = self._log.of(*self._place)
        if self._next == len(records):
            return None
        self._next += 1
        return records[self._next - 1]

    def handled(self, record: Record, completion: Completion | None) -> None:
        self._open.append((record.offset, completion))

    def commit(self) -> None:
        """Commit up to the oldest record that is not complete."""
        while self._open and ((completion := self._open[0][1]) is None or completion.done()):
            passed = self._open.popleft()[0] + 1
            self._committed[self._place] = max(passed, self._committed[self._place])

    def commit_taken(self) -> None:
        """What a broken runner does: commit what was read, whatever became of it."""
        self._committed[self._place] = self._next

    @property
    def at_rest(self) -> bool:
        """Whether every record was read and its effects are there, as far as this life knows."""
        read_all = self._next == len(self._log.of(*self._place))
        return read_all and all(completion is None or completion.done() for _, completion in self._open)
