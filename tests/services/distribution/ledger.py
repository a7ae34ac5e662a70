"""Small stand-ins for distribution's ports: they keep what they were given, and fail when told to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.distribution.attempts import Tried
from services.distribution.catching_up import CatchingUp
from services.distribution.conditions import Conditions
from services.distribution.deliverer import Deliverer
from services.distribution.dispatch import Dispatch
from services.distribution.health_book import HealthBook
from services.distribution.held_back import HeldBack
from services.distribution.in_turn import InTurn
from services.distribution.journal import TIER_OF, Journal
from services.distribution.matching import ShardOf
from services.distribution.outcome import Delivered, GateShut, Outcome, Timing
from services.distribution.overdue import Overdue
from services.distribution.queues import FairQueues
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.replay_book import ReplayBook
from services.distribution.replaying import Replaying
from services.distribution.sending import Answer, Gate, SendRequest, always_open
from services.distribution.standings import Standings
from services.distribution.telling import Telling
from services.distribution.tending import Tending
from services.distribution.tenure import Tenure
from services.distribution.waiting import Waiting
from shared.domain.events import DeliveryAttempted, DeliveryRetry, StoryReleased, parse_event
from shared.domain.story import Lane
from shared.domain.subscription import Endpoint, EndpointSecret, Subscription
from shared.platform.audit import Audit
from shared.platform.clock import FixedClock
from shared.platform.publishing import Appended, Outgoing
from shared.platform.records import Record
from shared.platform.signature import new_secret
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import NOON, record

ITS_SHARDS = frozenset({0})


@dataclass
class Log:
    """What was appended, in order; `attempts` is what a restart reads back."""

    appended: list[Outgoing] = field(default_factory=list)
    calls: list[list[Outgoing]] = field(default_factory=list)
    fail_on: Topic | None = None
    attempts: list[DeliveryAttempted] = field(default_factory=list)
    lanes: dict[tuple[Lane, int], StoryReleased] = field(default_factory=dict)
    passed_before: list[Record] = field(default_factory=list)
    flashes: dict[int, Record] = field(default_factory=dict)
    flash_waits: dict[int, int] = field(default_factory=dict)
    asked_back_to: list[datetime | None] = field(default_factory=list)
    newest_asked: list[tuple[int, str, datetime]] = field(default_factory=list)
    tiers_read: int = 0
    behind: Callable[[], None] = lambda: None
    """Called behind every append."""

    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        partition: int | None = None,
    ) -> Appended:
        if topic is self.fail_on:
            raise ConnectionError(f"{topic} is away")
        self.appended.append(Outgoing(topic, key, value, headers, partition))
        self.behind()
        return Appended(topic, partition or 0, len(self.appended) - 1, int(NOON.timestamp() * 1000))

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]:
        self.calls.append(list(outgoing))
        return [await self.publish(one.topic, one.key, one.value, partition=one.partition) for one in outgoing]

    async def since_backlog(
        self, shards: frozenset[int], take: Callable[[DeliveryAttempted], None], not_after: datetime | None = None
    ) -> None:
        self.asked_back_to.append(not_after)
        for row in self.attempts:
            take(row)

    async def newest_delivered(self, shard: int, endpoint_id: str, since: datetime) -> dict[str, int]:
        self.newest_asked.append((shard, endpoint_id, since))
        newest: dict[str, int] = {}
        for row in self.rows():
            if row.data.endpoint_id == endpoint_id and row.data.state == "delivered":
                newest[row.story_id] = max(newest.get(row.story_id, 0), row.release_no or 0)
        return newest

    async def read(self, lane: Lane, offset: int) -> StoryReleased | None:
        return self.lanes.get((lane, offset))

    async def read_from(self, lane: Lane, offset: int, limit: int) -> list[tuple[int, StoryReleased | None]]:
        places = sorted(at for of, at in self.lanes if of is lane)
        if places and offset < places[0]:
            return []  # as the broker does where the log does not reach back any more
        places = [at for at in places if at >= offset]
        return [(at, self.lanes[lane, at]) for at in places[:limit]]

    async def bounds(self) -> dict[Lane, tuple[int, int]]:
        places = {lane: [at for of, at in self.lanes if of is lane] for lane in Lane}
        return {lane: (min(found, default=0), max(found, default=-1) + 1) for lane, found in places.items()}

    async def record(self, lane: Lane, offset: int) -> Record | None:
        return self.flashes.get(offset) if lane is Lane.FLASH else None

    async def passed(self, take: Callable[[Record], None]) -> int:
        for one in self.passed_before:
            take(one)
        return 0

    async def flash_backlog(self, shards: frozenset[int]) -> dict[int, int]:
        return self.flash_waits

    def on(self, *topics: Topic) -> list[Outgoing]:
        return [one for one in self.appended if one.topic in topics]

    def rows(self) -> list[DeliveryAttempted]:
        events = [parse_event(one.value) for one in self.on(Topic.ATTEMPTS)]
        return [event for event in events if isinstance(event, DeliveryAttempted)]

    def retries(self, topic: Topic = Topic.RETRY_10S) -> list[tuple[DeliveryRetry, Record]]:
        found = []
        for offset, one in enumerate(self.on(topic)):
            event = parse_event(one.value)
            assert isinstance(event, DeliveryRetry)
            found.append((event, record(topic, one.value, offset, one.partition or 0)))
        return found

    def health(self) -> list[Record]:
        """What a successor reads of `endpoint.health`."""
        written = self.on(Topic.ENDPOINT_HEALTH)
        return [record(one.topic, one.value, offset, key=one.key) for offset, one in enumerate(written)]


@dataclass
class Wire:
    """A sender that answers from a script (then 200) and asks the gate like the real one."""

    answers: list[Outcome] = field(default_factory=list)
    sent: list[SendRequest] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    excerpt: str = "ok"

    async def send(self, request: SendRequest, gate: Gate = always_open) -> Answer:
        self.before()
        if not gate():
            return Answer(GateShut(), Timing(total=1.0))
        self.sent.append(request)
        outcome = self.answers.pop(0) if self.answers else Delivered(200)
        return Answer(outcome, Timing(total=1.0), self.excerpt)

    async def close(self) -> None: ...


@dataclass
class Bench:
    """A whole deliverer without broker and network."""

    log: Log = field(default_factory=Log)
    wire: Wire = field(default_factory=Wire)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    standings: Standings = field(default_factory=Standings)
    registry: Registry = field(default_factory=lambda: Registry(lambda sealed: sealed))
    tried: Tried = field(default_factory=Tried)
    queues: FairQueues = field(default_factory=lambda: FairQueues(20, probation=1.0))
    held: HeldBack = field(default_factory=HeldBack)
    book: HealthBook = field(default_factory=HealthBook)
    recipients: Recipients = field(default_factory=Recipients)
    alive: bool = True
    wake: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.shard_of = ShardOf(1)
        self.waiting = Waiting(self.clock)
        self.tenure = Tenure(lambda: self.alive)
        self.in_turn = InTurn(
            self.held,
            self.registry,
            self.standings,
            self.log,
            self.log,
            self.shard_of,
            self.queues.add,
            self.tenure,
            self.clock,
        )
        journal = Journal(self.log, self.clock, self.tried)
        self.conditions = Conditions(
            self.book, self.registry, self.log, self.queues, self.shard_of, self.clock, self.tenure
        )
        self.reader = CatchingUp(
            self.conditions,
            self.log,
            self.recipients,
            self.tried,
            self.in_turn,
            self.queues,
            self.clock,
            self.tenure,
            Tending(self.conditions, self.log, self.in_turn, journal, self.clock),
            lambda: None,
        )
        self.telling = Telling(self.conditions, self.log, Audit(self.log, self.clock, "distribution-test"), self.clock)
        self.registry.watchers.append(self.telling.noticed)
        self.replays = ReplayBook()
        self.replayer = Replaying(
            self.replays,
            self.conditions,
            self.log,
            self.log,
            self.recipients,
            self.tried,
            self.queues,
            self.log,
            self.clock,
            self.tenure,
            lambda: None,
        )
        self.deliverer = Deliverer(
            self.standings,
            journal,
            self.log,
            self.clock,
            self.shard_of,
            self.queues,
            self.waiting,
            self.wake,
            self.tried,
            self.in_turn,
            self.conditions,
            self.log,
            Overdue(self.clock, self.waiting, self.tenure, self.in_turn, self.conditions, journal),
            self.tenure,
        )
        self.dispatch = Dispatch(
            self.registry,
            self.standings,
            self.wire,
            journal,
            self.tried,
            self.clock,
            self.in_turn,
            self.conditions,
            self.tenure,
        )
        self.tenure.gained(ITS_SHARDS)
        self.conditions.gained(ITS_SHARDS, {})

    async def restarted(self) -> "Bench":
        """Return a successor that has read what this one wrote, its endpoints and subscriptions known."""
        again = Bench(
            log=self.log,
            registry=self.registry,
            standings=self.standings,
            clock=self.clock,
            recipients=self.recipients,
        )
        again.log.attempts = self.log.rows()
        for one in self.log.health():
            again.held.apply(one)
            again.book.apply(one)
            again.replays.apply(one)
        await again.deliverer.gained(ITS_SHARDS)
        return again

    def know(self, *entities: Endpoint | Subscription) -> None:
        for one in entities:
            if isinstance(one, Endpoint):
                secret = EndpointSecret(endpoint_id=one.endpoint_id, sealed=(new_secret(),))
                self._put(one.endpoint_id, "endpoint", one)
                self._put(one.endpoint_id, "secret", secret)
            else:
                self._put(one.subscription_id, "subscription", one)

    def _put(self, entity: str, part: str, value: Endpoint | EndpointSecret | Subscription) -> None:
        self.registry.apply(
            record(Topic.SUBSCRIPTION_STATE, value.model_dump_json().encode(), key=key_of(entity, part))
        )

    def read_registry(self) -> None:
        """Read what was written of endpoints meanwhile."""
        for one in self.log.on(Topic.SUBSCRIPTION_STATE):
            self.registry.apply(record(one.topic, one.value, key=one.key))

    def delete(self, endpoint_id: str) -> None:
        """What the owner's DELETE leaves in `subscription.state`."""
        for part in ("endpoint", "secret"):
            self.registry.apply(record(Topic.SUBSCRIPTION_STATE, None, key=key_of(endpoint_id, part)))

    async def work(self) -> None:
        """Send all that can be sent now, one after another."""
        while (one := self.queues.take()) is not None:
            outcome = await self.dispatch.deliver(one)
            nothing_sent = outcome is None or isinstance(outcome, GateShut)
            self.queues.finish(one, 0.001, ok=None if nothing_sent else isinstance(outcome, Delivered))

    async def read_tiers(self) -> None:
        """Let what was put into tiers since the last time be read, and held there for its time."""
        tiered = self.log.on(*TIER_OF)
        for one in tiered[self.log.tiers_read :]:
            await self.deliverer.handle(record(one.topic, one.value, 0, one.partition or 0))
        self.log.tiers_read = len(tiered)

    async def catch_up(self) -> None:
        """Let the reader and what it hands out go on until nobody can do any more at this moment."""
        while await self.reader.step():
            await self.work()
        await self.work()
        await self.telling.look()

    async def fall_due(self, seconds: float) -> None:
        """Move the clock on, do what falls due by then, and send what that put in the queues."""
        self.clock.advance(timedelta(seconds=seconds))
        await self.waiting.perform_due()
        await self.work()
