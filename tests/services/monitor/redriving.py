"""What do the tests of redriving need? Dead letters in memory, and a Redriver over them without a broker."""

import itertools
from dataclasses import dataclass, field, replace

from services.monitor.dead_letters import DeadLetterBook, Place
from services.monitor.pacing import Pace
from services.monitor.redrive import Redriver
from services.monitor.redriven import Redriven
from shared.domain.events import from_epoch_us
from shared.platform import parking
from shared.platform.audit import Audit
from shared.platform.clock import FixedClock
from shared.platform.publishing import Appended, Headers, Outgoing, PublishTimeout
from shared.platform.records import Record
from shared.platform.topics import Topic


def dead(offset: int, topic: Topic = Topic.DEAD_MODERATION, at: int | None = None, **facts: str) -> Record:
    """A dead letter at that offset; `facts` are its dlq- headers by the names in `parking`."""
    told = {
        "ORIGIN_TOPIC": Topic.INBOX.value,
        "ORIGIN_PARTITION": "4",
        "ORIGIN_OFFSET": str(offset + 1000),
        "ERROR": "Undecodable",
        "REASON": "no JSON",
        "FINGERPRINT": "f00d",
        "STAGE": "decode",
        "ATTEMPTS": "1",
        "FIRST_SEEN": "1764000000000",
    } | facts
    headers = {getattr(parking, name): value.encode() for name, value in told.items() if value}
    return Record(topic, 0, offset, "urn:x", b"\xff bytes", {"ce_id": b"e1", **headers}, at or offset)


def place_of(record: Record) -> Place:
    return Place(record.topic.value, record.partition, record.offset)


@dataclass(slots=True)
class Log:
    """Topics in memory: what is published, and the dead letters that can be read. `away` is a broker that is gone."""

    letters: dict[Place, Record] = field(default_factory=dict)
    written: list[Outgoing] = field(default_factory=list)
    away: frozenset[Topic] = frozenset()
    _offsets: "itertools.count[int]" = field(default_factory=itertools.count)

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        return self.letters.get(Place(topic.value, partition, offset))

    async def publish(
        self, topic: Topic, key: str, value: bytes | None, headers: Headers = (), *, partition: int | None = None
    ) -> Appended:
        if topic in self.away:
            raise PublishTimeout("not confirmed")
        self.written.append(Outgoing(topic, key, value, headers, partition))
        return Appended(topic, partition or 0, next(self._offsets), 0)

    def on(self, topic: Topic) -> list[Outgoing]:
        return [one for one in self.written if one.topic is topic]


@dataclass(slots=True)
class Monitor:
    """One start of monitor, as far as dead letters are concerned: it knows what the log's audit says."""

    log: Log
    book: DeadLetterBook = field(default_factory=DeadLetterBook)
    redriven: Redriven = field(default_factory=Redriven)
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for record in self.log.letters.values():
            self.book.apply(record)
        for entry in self.log.on(Topic.AUDIT):
            self.redriven.apply(Record(Topic.AUDIT, 0, 0, entry.key, entry.value, {}, 0))

    def redriver(self) -> Redriver:
        audit = Audit(self.log, FixedClock(from_epoch_us(1_764_000_000_000_000)), "monitor-test")
        return Redriver(self.book, self.redriven, self.log, self.log, audit, Pace(self._now, self._sleep), lambda: True)

    def _now(self) -> float:
        return 1.0 + sum(self.waited)

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


def log_with(*records: Record) -> Log:
    return Log({place_of(record): replace(record) for record in records})
