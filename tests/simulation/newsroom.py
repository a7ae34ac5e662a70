"""One life of moderation over the log in memory: the real desk, owner, ledger and embargo clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from services.moderation.adapters.ledger import KafkaLedger
from services.moderation.adapters.lifts import KafkaLifts
from services.moderation.adapters.texts import KafkaTexts
from services.moderation.embargo_clock import EmbargoClock
from services.moderation.handlers import read
from services.moderation.ownership import CHECK, Owner
from services.moderation.state_book import StateBook
from services.moderation.story_queue import StoryQueue
from shared.domain.state import KillRecord, Stage, StoryState
from shared.platform.clock import BrokerClock, FixedClock
from shared.platform.consuming import Membership
from shared.platform.health import Health
from shared.platform.publishing import Publisher
from shared.platform.reading import Lookup
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.simulation.copies import Copy
from tests.simulation.log import Appender, Consumer, Log

INBOXES = (Topic.INBOX_FLASH, Topic.LIFTS, Topic.INBOX)


@dataclass
class OwnClock:
    """The clock of moderation's machine; the broker's may be another."""

    broker: FixedClock
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return self.broker.now() + self.ahead


@dataclass(frozen=True, slots=True)
class Archive:
    """`services.moderation.ports.Archive` on the log."""

    log: Log

    async def load(
        self,
        partitions: frozenset[int],
        state: Callable[[int, StoryState], None],
        kill: Callable[[int, KillRecord], None],
    ) -> None:
        for one in {record.key: record for record in self.log.of(Topic.STATE)}.values():
            state(0, StoryState.model_validate_json(one.value or b""))
        for one in {record.key: record for record in self.log.of(Topic.KILLED)}.values():
            kill(0, KillRecord.model_validate_json(one.value or b""))

    async def follow(self, see: Callable[[Record], None]) -> None:
        """Nobody asks: what an earlier owner writes late is seen when a schedule says so."""

    async def committed(self, partitions: frozenset[int]) -> Mapping[tuple[str, int], int]:
        return {(topic.value, 0): self.log.committed.get((topic, 0), 0) for topic in INBOXES}


class OrderedBook(StateBook):
    """The real one hands over its stories as a set does, which is another order in each run."""

    def stories(self, partitions: Iterable[int]) -> Iterator[StoryState]:
        return iter(sorted(super().stories(partitions), key=lambda state: state.story_id))


class Newsroom:
    """Made new after each crash; `start` first."""

    def __init__(self, log: Log, clock: OwnClock, copy: Copy) -> None:
        self.appender = Appender(log)
        membership = Membership(monotonic=lambda: 0.0)
        membership.beat()
        publisher = cast(Publisher, self.appender)
        self._copy = copy
        self._book = OrderedBook()
        texts = KafkaTexts(cast(Lookup, log))
        self._desk = copy.desk(self._book, KafkaLedger(publisher, membership), texts, clock)
        health = Health(CHECK)
        self._embargoes = EmbargoClock(self._book, KafkaLifts(publisher, cast(BrokerClock, clock), health), clock)
        self._owner = Owner(self._book, Archive(log), self._desk, StoryQueue(), health)
        self._inboxes = {topic: Consumer(log, topic) for topic in INBOXES}

    async def start(self) -> None:
        await self._owner.gained(frozenset({0}))

    async def take(self, topic: Topic) -> bool:
        """Handle the next record of an inbox; say whether there was one."""
        inbox = self._inboxes[topic]
        record = inbox.take()
        if record is None:
            return False
        if self._copy.commits_first:
            inbox.commit_taken()
        await self._copy.handled(self._desk.handle(record, read(record)))
        inbox.handled(record, None)
        return True

    async def tick(self) -> None:
        """Let the embargo clock look at the time."""
        await self._embargoes.tick()

    def commit(self) -> None:
        for inbox in self._inboxes.values():
            inbox.commit()

    @property
    def at_rest(self) -> bool:
        return all(inbox.at_rest for inbox in self._inboxes.values()) and not self._book.waiting(Stage.EMBARGOED)
