"""One life of distribution over the log in memory: the real tables, matcher, deliverer and dispatch."""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from services.distribution.adapters.logs import LANES as LANE_TOPICS
from services.distribution.adapters.logs import LOOK_BACK, due_from
from services.distribution.attempts import Tried
from services.distribution.breaker import Rules
from services.distribution.deliverer import Deliverer
from services.distribution.deliveries import Delivery
from services.distribution.dispatch import backed_off
from services.distribution.in_turn import InTurn
from services.distribution.journal import TIER_TOPICS, Journal
from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.outcome import Delivered, GateShut, Outcome
from services.distribution.overdue import Overdue
from services.distribution.queues import FairQueues
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.sending import Sender
from services.distribution.standings import Standings
from services.distribution.tables import TOPICS, Tables
from services.distribution.tending import Tending
from services.distribution.tenure import Tenure
from services.distribution.waiting import Waiting
from shared.domain.events import DeliveryAttempted, StoryReleased, parse_event
from shared.domain.story import Lane
from shared.platform.clock import FixedClock
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.simulation.copies import Copy
from tests.simulation.log import Appender, Consumer, Log

SHARDS = 2
LANES = (Topic.RELEASED_FLASH, Topic.RELEASED)
DUE_TOPICS = (Topic.DUE_FLASH, Topic.DUE, *TIER_TOPICS.values())
DUE_PLACES = tuple((topic, shard) for topic in DUE_TOPICS for shard in range(SHARDS))
RULES = Rules(in_a_row=2.0, first_open=timedelta(seconds=5), longest=timedelta(seconds=40))
"""A breaker that opens soon and not for long: there are few answers in a schedule."""
BURST = 2

Exchange = tuple[Delivery, Coroutine[Any, Outcome | None, Outcome | None]]


class Readings:
    """`ReleasedLog` and `AttemptLog` on the log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def read(self, lane: Lane, offset: int) -> StoryReleased | None:
        event = parse_event(self._log.of(LANE_TOPICS[lane])[offset].value)
        assert isinstance(event, StoryReleased)
        item = event.data.item.model_copy(update={"seq": offset, "lane": lane})
        return event.model_copy(update={"data": event.data.model_copy(update={"item": item})})

    async def read_from(self, lane: Lane, offset: int, limit: int) -> list[tuple[int, StoryReleased | None]]:
        records = self._log.of(LANE_TOPICS[lane])[offset : offset + limit]
        return [(record.offset, await self.read(lane, record.offset)) for record in records]

    async def bounds(self) -> dict[Lane, tuple[int, int]]:
        return {lane: (0, len(self._log.of(topic))) for lane, topic in LANE_TOPICS.items()}

    async def record(self, lane: Lane, offset: int) -> Record | None:
        return self._log.of(LANE_TOPICS[lane])[offset]

    async def passed(self, take: Callable[[Record], None]) -> int:
        for topic in LANES:
            for record in self._log.of(topic)[: self._log.committed.get((topic, 0), 0)]:
                take(record)
        return self._log.committed.get((Topic.RELEASED_FLASH, 0), 0)

    async def known_before(self, lane: Lane, offset: int) -> int:
        return len(self._log.of(Topic.RELEASED_FLASH))

    async def flash_backlog(self, shards: frozenset[int]) -> dict[int, int]:
        ends = {shard: len(self._log.of(Topic.DUE_FLASH, shard)) for shard in shards}
        return {shard: end for shard, end in ends.items() if self._log.committed.get((Topic.DUE_FLASH, shard), 0) < end}

    async def since_backlog(
        self, shards: frozenset[int], take: Callable[[DeliveryAttempted], None], not_after: datetime | None = None
    ) -> None:
        began = self._backlog_began()
        since = (min(began, not_after or began) - LOOK_BACK).timestamp() * 1000
        for shard in shards:
            for record in self._log.of(Topic.ATTEMPTS, shard):
                event = parse_event(record.value)
                if record.timestamp_ms >= since and isinstance(event, DeliveryAttempted):
                    take(event)

    async def newest_delivered(self, shard: int, endpoint_id: str, since: datetime) -> dict[str, int]:
        raise NotImplementedError("no replays are asked for here")

    def _backlog_began(self) -> datetime:
        waiting = [
            due_from(self._log.of(*place)[offset])
            for place in (*DUE_PLACES, *((topic, 0) for topic in LANES))
            if (offset := self._log.committed.get(place, 0)) < len(self._log.of(*place))
        ]
        now = self._log.clock.now()
        return min((min(at, now) for at in waiting), default=now)


class Post:
    """Made new after each crash; `start` first."""

    def __init__(self, log: Log, clock: FixedClock, sender: Sender, copy: Copy) -> None:
        self.appender = Appender(log)
        self.exchanges: list[Exchange] = []
        self._log = log
        self._copy = copy
        self._tables = Tables(Registry(lambda sealed: sealed), Recipients(), Standings())
        self._read = dict.fromkeys(TOPICS, 0)
        registry, standings, shard_of = self._tables.registry, self._tables.standings, ShardOf(SHARDS)
        tried, readings, self._waiting, tenure = Tried(), Readings(log), Waiting(clock), Tenure()
        self._queues = FairQueues(20, probation=1.0)
        journal = Journal(self.appender, clock, tried)
        recipients, held = self._tables.recipients, self._tables.held
        self._matcher = Matcher(
            registry,
            recipients,
            standings,
            self.appender,
            readings,
            shard_of,
            clock,
            known_before=readings.known_before,
        )
        queue = self._queues.add
        in_turn = InTurn(held, registry, standings, self.appender, readings, shard_of, queue, tenure, clock)
        self.conditions = copy.conditions(
            self._tables.health, registry, self.appender, self._queues, shard_of, clock, tenure, RULES, BURST
        )
        self._reader = copy.reader(
            self.conditions,
            readings,
            recipients,
            tried,
            in_turn,
            self._queues,
            clock,
            tenure,
            Tending(self.conditions, readings, in_turn, journal, clock),
            lambda: None,
            most_in_hand=2,
        )
        self._deliverer = Deliverer(
            standings,
            journal,
            readings,
            clock,
            shard_of,
            self._queues,
            self._waiting,
            lambda: None,
            tried,
            in_turn,
            self.conditions,
            readings,
            Overdue(clock, self._waiting, tenure, in_turn, self.conditions, journal),
            tenure,
        )
        self._dispatch = copy.dispatch(
            registry, standings, sender, journal, tried, clock, in_turn, self.conditions, tenure
        )
        self._lanes = {topic: Consumer(log, topic) for topic in LANES}
        self._due = {place: Consumer(log, *place) for place in DUE_PLACES}

    async def start(self) -> None:
        for topic in TOPICS:
            self.follow(topic)
        await self._matcher.gained(frozenset({0}))
        await self._deliverer.gained(frozenset(range(SHARDS)))

    def follow(self, topic: Topic) -> bool:
        """Take in what a compacted topic has got since; say whether there was anything."""
        records = self._log.of(topic)
        fresh = records[self._read[topic] :]
        self._read[topic] = len(records)
        for record in fresh:
            self._tables.apply(record)
        return bool(fresh)

    async def match(self, topic: Topic) -> bool:
        lane = self._lanes[topic]
        record = lane.take()
        if record is None:
            return False
        if self._copy.commits_first:
            lane.commit_taken()
        await self._copy.handled(self._matcher.handle(record))
        lane.handled(record, None)
        return True

    async def take(self, place: tuple[Topic, int]) -> bool:
        due = self._due[place]
        record = due.take()
        if record is None:
            return False
        if self._copy.commits_first:
            due.commit_taken()
        due.handled(record, await self._deliverer.handle(record))
        return True

    async def catch_up(self) -> bool:
        """Let the readers of endpoints that are behind go on; say whether any did."""
        return await self._reader.step()

    def send(self) -> bool:
        """Begin the next delivery whose turn it is; it stands still where it waits for its connection."""
        delivery = self._queues.take()
        if delivery is None:
            return False
        self._go_on((delivery, self._dispatch.deliver(delivery)), None)
        return True

    def go_on(self, number: int, answer: Outcome) -> bool:
        """Let one exchange come to its next step: the bytes are written, or `answer` is there."""
        if not self.exchanges:
            return False
        self._go_on(self.exchanges.pop(number % len(self.exchanges)), answer)
        return True

    def _go_on(self, exchange: Exchange, answer: Outcome | None) -> None:
        delivery, running = exchange
        try:
            running.send(answer)
        except StopIteration as ended:
            outcome: Outcome | None = ended.value
            ok = None if outcome is None or isinstance(outcome, GateShut) else isinstance(outcome, Delivered)
            self._queues.finish(delivery, 0.001, ok=ok, back_off=backed_off(outcome))
        else:
            self.exchanges.append(exchange)

    async def tick(self) -> None:
        """Do what has become due."""
        await self._waiting.perform_due()

    def commit(self) -> None:
        for one in (*self._lanes.values(), *self._due.values()):
            one.commit()

    def end(self) -> None:
        """Leave nothing of this life running."""
        for _, running in self.exchanges:
            running.close()

    @property
    def at_rest(self) -> bool:
        if self.exchanges or len(self._queues) or len(self._waiting):
            return False  # a release that waited for an older one has no record that stays open for it
        if any(self.conditions.behind()):
            return False
        return all(one.at_rest for one in (*self._lanes.values(), *self._due.values()))
