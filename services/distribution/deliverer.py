"""From a record to deliveries: the owner of some endpoint shards takes blocks, retries and tests into its queues.

A record's offset passes when all its deliveries are answered, given up, or durably in a retry topic. After a
restart the delivery log tells what was done, so a delivery is repeated only if its row was not yet written.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import orjson

from services.distribution.attempts import Tried
from services.distribution.conditions import Conditions
from services.distribution.deliveries import Delivery, body_of
from services.distribution.in_turn import InTurn
from services.distribution.journal import TIER_OF, Journal
from services.distribution.matching import ShardOf
from services.distribution.overdue import Overdue
from services.distribution.ports import AttemptLog, Clock, ReleasedLog
from services.distribution.queues import FairQueues
from services.distribution.retry import next_tier
from services.distribution.standings import Standings
from services.distribution.tables import at_once
from services.distribution.tenure import Tenure
from services.distribution.told import webhook_of
from services.distribution.waiting import Waiting
from shared.domain.delivery import delivery_id
from shared.domain.errors import Undecodable, UnknownEventType
from shared.domain.events import DeliveryDue, DeliveryRetry, EndpointTest, OwnerTold, parse_event
from shared.domain.item import rfc3339
from shared.domain.story import NOTICES, Lane
from shared.platform.consuming import Completion, Record
from shared.platform.topics import Topic

DUE = DeliveryDue | DeliveryRetry | EndpointTest | OwnerTold
FLASH_WITHIN = timedelta(seconds=2)
"""How long flashes that waited at a hand-over hold back the rest: what is finished already is not read again."""


@dataclass(slots=True)
class Deliverer:
    """The records' side of one owner; `workers` take from the queues what this puts in."""

    standings: Standings
    journal: Journal
    log: AttemptLog
    clock: Clock
    shard_of: ShardOf
    queues: FairQueues
    waiting: Waiting
    wake: Callable[[], None]
    tried: Tried
    in_turn: InTurn
    conditions: Conditions
    released: ReleasedLog
    overdue: Overdue
    tenure: Tenure = field(default_factory=Tenure)
    caught_up: Callable[[], Awaitable[None]] = at_once
    """Returns once the tables hold all that was in their topics when it was called."""
    _flash_first: dict[int, int] = field(default_factory=dict)
    """Up to where the flashes of a shard go before anything routine: they waited when it was gained."""
    _behind: dict[int, list[Delivery]] = field(default_factory=dict)

    async def gained(self, partitions: frozenset[int]) -> None:
        """Read what was tried and what is held back for these shards before taking their records."""
        self.tenure.gained(partitions)
        self.tried.forget(partitions, self.shard_of)  # what ended behind `lost` is not all that happened since
        await self.caught_up()
        ends = {lane: end for lane, (_, end) in (await self.released.bounds()).items()}
        may_come_again = (
            self.in_turn.held.gained(partitions, self.shard_of),
            self.conditions.gained(partitions, ends),
        )
        await self.log.since_backlog(
            partitions,
            lambda event: self.tried.read_back(event, self.shard_of(event.data.endpoint_id)),
            min((each for each in may_come_again if each is not None), default=None),
        )
        self._flash_first.update(await self.log.flash_backlog(partitions))
        for shard in sorted(partitions):
            self.waiting.add(self.clock.now(), shard, partial(self.in_turn.resume, shard))
            self.waiting.add(self.clock.now() + FLASH_WITHIN, shard, partial(self._flashes_read, shard))

    async def lost(self, partitions: frozenset[int]) -> None:
        """Another process sends for these shards now; an answer that is still to come may be recorded, no more."""
        self.tenure.lost(partitions)
        self.queues.drop(partitions)
        self.waiting.drop(partitions)
        self.tried.forget(partitions, self.shard_of)
        self.in_turn.lost(partitions)
        self.conditions.lost(partitions)
        for shard in partitions:
            self._flash_first.pop(shard, None)
            self._behind.pop(shard, None)

    async def handle(self, record: Record) -> Completion | None:
        """Take one record of `delivery.due`, `.due.flash` or a tier. Raises `Unprocessable` for anything else."""
        event = parse_event(record.value)
        if isinstance(event, DUE) and event.data.shard != record.partition:
            raise Undecodable("the record does not lie in the partition of its shard")
        match event:
            case DeliveryDue():
                completion = await self._take_block(event)
                if record.topic is Topic.DUE_FLASH and record.offset + 1 >= self._flash_first.get(record.partition, 0):
                    await self._flashes_read(record.partition)
                return completion
            case DeliveryRetry():
                return self._take_retry(event, record)
            case OwnerTold():
                return self._take_told(event, record)
            case EndpointTest():
                return self._take_test(event)
        raise UnknownEventType(f"{event.type} does not belong on {record.topic}")

    async def _take_block(self, event: DeliveryDue) -> Completion | None:
        """Queue what a block owes, but for those whose debt the log has: they cost neither a row nor memory."""
        block, term = event.data, self.tenure.term(event.data.shard)
        if block.item.kind in NOTICES:
            self.standings.move(block.item)
            self.waiting.add(self.clock.now(), block.shard, partial(self.in_turn.notice, event.story_id))
        owed = await self._owed(event)
        if not owed:
            return None
        finished = _Countdown(len(owed))
        body = body_of(block.item)
        deliveries = [
            Delivery(
                known,
                each,
                block.shard,
                body,
                finished.one_done,
                item=block.item,
                cause=event.event_id,
                stage_times=event.stage_times,
                overtaken_by=block.overtaken_by,
                term=term,
            )
            for each, known in owed
        ]
        for delivery in deliveries:
            self._line_up(delivery, block.item.lane)
        if block.item.seq is not None:
            self.overdue.watch(deliveries)
        self.wake()
        return finished.completion

    async def _owed(self, event: DeliveryDue) -> list[tuple[str, str]]:
        """Return endpoint and delivery id of what a block owes still, and the log does not."""
        block, release_no = event.data, event.data.item.release_no
        fresh = self.conditions.arrivals.is_fresh(block.shard, block.item, event.event_id)
        owed = []
        for each in block.endpoint_ids:
            known = delivery_id(event.story_id, release_no, each)
            if self._is_done(each, event.story_id, release_no, known, 0):
                continue
            usual = self.conditions.is_usual(each)
            # what was overtaken ends at the gate: its block alone knows by what
            if usual or block.overtaken_by or not await self.conditions.covers(each, block.item, fresh=fresh):
                owed.append((each, known))
        return owed

    def _line_up(self, delivery: Delivery, lane: Lane) -> None:
        """Queue a delivery, a routine one not before the flashes that may be older: two consumers bring the lanes."""
        if lane is Lane.ROUTINE and delivery.shard in self._flash_first:
            self._behind.setdefault(delivery.shard, []).append(delivery)
        else:
            self.queues.add(delivery)

    async def _flashes_read(self, shard: int) -> None:
        """The flashes that waited when the shard was gained are in the queues, or do not come."""
        self._flash_first.pop(shard, None)
        for delivery in self._behind.pop(shard, ()):
            self.queues.add(delivery)
        self.wake()

    def _take_retry(self, event: DeliveryRetry, record: Record) -> Completion | None:
        """Hold the record for its tier's time, then send it on its way or to the next tier of its chain."""
        retry = event.data
        item = retry.item
        if self._is_done(retry.endpoint_id, item.story_id, item.release_no, retry.delivery_id, retry.attempts):
            return None
        finished = _Countdown(1)
        delivery = Delivery(
            retry.delivery_id,
            retry.endpoint_id,
            retry.shard,
            body_of(item),
            finished.one_done,
            item=item,
            attempts=retry.attempts,
            first_failed_at=retry.first_failed_at,
            retried=True,
            due_at=retry.due_at,
            cause=event.event_id,
            stage_times=event.stage_times,
            term=self.tenure.term(retry.shard),
        )
        return self._held(delivery, record, retry.due_at, finished.completion)

    def _take_told(self, event: OwnerTold, record: Record) -> Completion | None:
        """Like a retry, from before its first try on."""
        told = event.data
        if self.tried.is_done(told.delivery_id, told.attempts):
            return None
        finished = _Countdown(1)
        delivery = Delivery(
            told.delivery_id,
            told.endpoint_id,
            told.shard,
            webhook_of(told),
            finished.one_done,
            told=told,
            attempts=told.attempts,
            first_failed_at=told.first_failed_at,
            retried=record.topic in TIER_OF,
            due_at=told.due_at,
            cause=event.event_id,
            term=self.tenure.term(told.shard),
        )
        return self._held(delivery, record, told.due_at or told.at, finished.completion)

    def _held(self, delivery: Delivery, record: Record, due_at: datetime, passing: Completion) -> Completion:
        """Let it wait for as long as its topic does."""
        tier = TIER_OF.get(record.topic)
        appended = datetime.fromtimestamp(record.timestamp_ms / 1000, tz=due_at.tzinfo)
        held_until = min(appended + tier.delay, due_at) if tier else due_at
        passing.at_rest = True  # neither a stop nor a hand-over waits for it
        self.waiting.add(held_until, delivery.shard, lambda: self._next_hop(delivery, due_at, passing))
        return passing

    async def _next_hop(self, delivery: Delivery, due_at: datetime, passing: Completion) -> None:
        """Wait out the last seconds in memory, else let `Dispatch` send it or carry it on: both ask the gate."""
        now = self.clock.now()
        if due_at > now and next_tier(due_at, now) is None:
            self.waiting.add(due_at, delivery.shard, lambda: self._next_hop(delivery, due_at, passing))
        else:
            passing.at_rest = False
            if delivery.told is not None or (delivery.item is not None and delivery.item.seq is not None):
                self.overdue.watch([delivery])
            self.queues.add(delivery)
            self.wake()

    def _is_done(self, endpoint_id: str, story_id: str, release_no: int, known: str, attempts: int) -> bool:
        """Tell whether nothing is left to do; a release that is done and still listed is brought to its end once more.

        Its owner died between its last row and letting go on whoever waits for it.
        """
        return self.tried.is_done(known, attempts) and not self.in_turn.held.lists(endpoint_id, story_id, release_no)

    def _take_test(self, event: EndpointTest) -> Completion | None:
        test = event.data
        if self.tried.is_done(test.test_id, 0):
            return None
        finished = _Countdown(1)
        body = orjson.dumps(
            {
                "type": "endpoint.test",
                "timestamp": rfc3339(event.occurred_at),
                "data": {"endpoint_id": test.endpoint_id},
            }
        )
        delivery = Delivery(
            test.test_id,
            test.endpoint_id,
            test.shard,
            body,
            finished.one_done,
            cause=event.event_id,
            term=self.tenure.term(test.shard),
        )
        self.queues.add(delivery)
        self.wake()
        return finished.completion


class _Countdown:
    """Completes a record when the last of its deliveries is done."""

    def __init__(self, deliveries: int) -> None:
        self.completion = Completion()
        self._left = deliveries

    def one_done(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.completion.complete()
