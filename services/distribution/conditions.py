"""May an endpoint of ours be sent to, and is what it is owed from the log written down? Kept in `endpoint.health`.

A dead endpoint costs one record: what falls due for it passes, once the record that owes it is confirmed.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from services.distribution.arrivals import Arrivals
from services.distribution.breaker import STANDARD, Breaker, Rules, weight_of
from services.distribution.condition import Condition
from services.distribution.deliveries import Delivery
from services.distribution.detour import Detour, Place, is_covered
from services.distribution.health_book import HealthBook
from services.distribution.matching import ShardOf
from services.distribution.outcome import Failure, Refused
from services.distribution.ports import Clock, Publishing
from services.distribution.queues import BURST, FairQueues
from services.distribution.registry import Registry, has_shared_secret
from services.distribution.tenure import Tenure
from shared.domain.health import HEALTH, BreakerState, Why
from shared.domain.item import Item
from shared.domain.retry_schedule import STANDARD as RETRIES
from shared.domain.story import Lane
from shared.domain.subscription import Disabled, Endpoint, EndpointState
from shared.platform.logs import logger
from shared.platform.metrics import RELEASES_LOST
from shared.platform.topics import Topic, key_of


def never() -> bool:
    """What makes no write unnecessary."""
    return False


@dataclass(slots=True)
class Conditions:
    """Those of the shards we own; endpoints that do well and have everything are not in here."""

    book: HealthBook
    registry: Registry
    publisher: Publishing
    queues: FairQueues
    shard_of: ShardOf
    clock: Clock
    tenure: Tenure = field(default_factory=Tenure)
    rules: Rules = STANDARD
    burst: int = BURST
    changed: Callable[[], None] = lambda: None
    """Called when somebody may be sent to again, or has somewhat more to read."""
    _own: dict[str, Condition] = field(default_factory=dict)
    _shards: set[int] = field(default_factory=set)
    arrivals: Arrivals = field(default_factory=Arrivals)

    def gained(self, shards: frozenset[int], ends: dict[Lane, int]) -> datetime | None:
        """Go on with what the owners before wrote. `ends`: where the lanes end now.

        Returns since when something may have been answered that is still to be read.
        """
        self.arrivals.gained(shards, ends)
        answered = []
        for read in self.book.of_shards(shards, self.shard_of):
            shard = self.shard_of(read.endpoint_id)
            state: BreakerState = "closed" if read.state == "closed" else "open"
            breaker = Breaker(self.rules, state, read.opened, read.probe_at, read.failing_since)
            condition = Condition(read.endpoint_id, shard, self.tenure.term(shard), breaker, written=read)
            condition.told, condition.lost = read.told, read.lost
            condition.lost_told, condition.disabled_told = read.lost_told, read.disabled_told
            if read.catch_up is not None:
                condition.detour, condition.confirmed = Detour.read_back(read.catch_up, ends), read.catch_up
                answered.append(read.catch_up.answered_since)
            self._own[read.endpoint_id] = condition
        self._shards |= shards
        self.changed()
        return min((each for each in answered if each is not None), default=None)

    def lost(self, shards: frozenset[int]) -> None:
        for condition in [one for one in self._own.values() if one.shard in shards]:
            del self._own[condition.endpoint_id]
        self.arrivals.lost(shards)
        self._shards -= shards

    def all(self) -> list[Condition]:
        return list(self._own.values())

    def own(self, endpoint_id: str) -> Condition | None:
        """The condition of an endpoint, made if there was nothing to say of it; None unless we go on with its shard."""
        return self._own_or_new(endpoint_id) if self.shard_of(endpoint_id) in self._shards else None

    def behind(self) -> Iterator[tuple[Condition, Detour]]:
        """Those that are owed something from the log."""
        for condition in list(self._own.values()):
            if condition.detour is not None:
                yield condition, condition.detour

    def why_shut(self, endpoint_id: str) -> Why | None:
        """Why nothing may be sent to an endpoint now that may be sent later; None when it may, or never will be."""
        endpoint = self.registry.endpoints.get(endpoint_id)
        if endpoint is None or endpoint.state is EndpointState.DISABLED:
            return None
        if endpoint.state is EndpointState.PAUSED:
            return "paused"
        if endpoint.state is EndpointState.PENDING:
            return "pending"
        condition = self._own.get(endpoint_id)
        if condition is not None and condition.breaker.state != "closed":
            return "breaker"
        return None

    def has_everything(self, endpoint_id: str) -> bool:
        """Whether it is not left alone, and the log owes it nothing."""
        condition = self._own.get(endpoint_id)
        return condition is None or (condition.detour is None and condition.breaker.state == "closed")

    def probes(self, endpoint_id: str) -> bool:
        """Whether somebody else than the catch-up reader may send one delivery to an endpoint that was left alone."""
        condition = self._own.get(endpoint_id)
        return condition is not None and condition.detour is None and condition.breaker.probing(self.clock.now())

    def not_probed(self, endpoint_id: str) -> None:
        """That one is done with; if nothing was learnt, the next one may go."""
        condition = self._own.get(endpoint_id)
        if condition is not None and condition.detour is None:
            condition.breaker.not_probed()

    def is_usual(self, endpoint_id: str) -> bool:
        """Whether what falls due for it goes to its queue at once: asked for every delivery there is."""
        if endpoint_id in self._own:
            return False
        endpoint = self.registry.endpoints.get(endpoint_id)
        if endpoint is not None and (endpoint.state is EndpointState.PAUSED or endpoint.state is EndpointState.PENDING):
            return False
        return self.queues.waiting(endpoint_id) < self.burst

    def is_over_for(self, endpoint_id: str) -> bool:
        """Whether nothing will be sent to it until its owner enables it: it is disabled, or deleted."""
        endpoint = self.registry.endpoints.get(endpoint_id)
        return endpoint is None or endpoint.state is EndpointState.DISABLED

    def is_ready(self, endpoint_id: str) -> bool:
        """Whether it is active, with a key to sign for it, whatever its breaker says."""
        endpoint = self.registry.endpoints.get(endpoint_id)
        active = endpoint is not None and endpoint.state is EndpointState.ACTIVE
        return active and has_shared_secret(self.registry.keys_of(endpoint_id, self.clock.now()))

    # What falls due

    async def covers(self, endpoint_id: str, item: Item, *, fresh: bool) -> bool:
        """Tell whether a matched release is owed from the log, so that its block need not wait for it.

        Returns once that is confirmed. `fresh`: what `Arrivals` says of it.
        """
        condition = self._own.get(endpoint_id)
        detour = condition.detour if condition else None
        shut = self.why_shut(endpoint_id)
        if item.seq is None or (detour is None and shut is None and not self._is_one_too_many(endpoint_id, item)):
            return False
        if condition is None or detour is None:
            condition, detour = self._begin(endpoint_id, shut or "burst")
        place = Place(item.lane, item.seq)
        if shut is not None:
            self._shut(detour, shut)
        elif detour.lets_past(item):
            await self._directly(condition, detour, place)
            return False
        if not detour.take(place, fresh=fresh):
            return False
        await self._confirm(condition, detour, [(place, 0)])
        return is_covered(place, 0, condition.confirmed)

    # What comes out of queues and tiers

    def detains(self, delivery: Delivery, *, ready: bool) -> bool:
        """Tell whether a delivery goes back to the log, or stays there, instead of to its endpoint.

        `ready`: whether that is active and can be signed for.
        """
        item = delivery.item
        if item is None or item.seq is None:
            return False
        condition = self._own.get(delivery.endpoint_id)
        detour = condition.detour if condition else None
        if not ready:
            return True
        if delivery.again:
            return condition is not None and (detour is not None or condition.breaker.state == "open")
        if condition is not None and condition.breaker.state != "closed":
            return not (delivery.reread and detour is not None and detour.probe == Place(item.lane, item.seq))
        return not delivery.reread and detour is not None and detour.folds and not detour.lets_past(item)

    async def fold(self, delivery: Delivery, attempts: int = 0, first: datetime | None = None) -> None:
        """Owe a delivery from the log; returns once that is confirmed, and whoever held it may let go."""
        condition, detour, place = self._owe(delivery, attempts, first)
        await self._confirm(condition, detour, [(place, attempts)])

    async def fold_all(self, deliveries: Sequence[Delivery]) -> None:
        """Owe many at once, with the tries they have had: one record for each endpoint."""
        owed: dict[str, list[tuple[Place, int]]] = {}
        for each in deliveries:
            _, _, place = self._owe(each, each.attempts, each.first_failed_at)
            owed.setdefault(each.endpoint_id, []).append((place, each.attempts))
        for endpoint_id, places in owed.items():
            condition = self._own.get(endpoint_id)
            if condition is not None and condition.detour is not None:
                await self._confirm(condition, condition.detour, places)

    def _owe(self, delivery: Delivery, attempts: int, first: datetime | None) -> tuple[Condition, Detour, Place]:
        assert delivery.item is not None
        assert delivery.item.seq is not None
        condition = self._own.get(delivery.endpoint_id)
        detour = condition.detour if condition else None
        shut = self.why_shut(delivery.endpoint_id) or (None if self.is_ready(delivery.endpoint_id) else "pending")
        if condition is None or detour is None:
            condition, detour = self._begin(delivery.endpoint_id, shut or "slow")
        if shut is not None or not detour.folds:
            self._shut(detour, shut or "slow")
        place = Place(delivery.item.lane, delivery.item.seq)
        detour.fold(place, delivery.item.released_at, attempts, first)
        return condition, detour, place

    # What endpoints answer

    def succeeded(self, endpoint_id: str) -> None:
        condition = self._own.get(endpoint_id)
        if condition is not None:
            condition.breaker.succeeded(self.clock.now())
            condition.told = 0
            self.changed()

    def failed(self, endpoint_id: str, failure: Failure) -> None:
        """Count it; what waits for the endpoint goes back to the log when its breaker opens."""
        condition, now = self._own_or_new(endpoint_id), self.clock.now()
        asked = failure.retry_after if isinstance(failure, Refused) else None
        not_before = now + min(asked, RETRIES.retry_after_cap) if asked else None
        if condition.breaker.failed(weight_of(failure), now, random.random(), not_before):
            if condition.detour is not None:
                condition.detour.reading = False
            logger().warning(
                "endpoint.left_alone",
                endpoint_id=endpoint_id,
                opened=condition.breaker.opened,
                until=str(condition.breaker.probe_at),
            )

    def left_alone_until(self, endpoint_id: str) -> datetime | None:
        """When an endpoint whose breaker is open is probed; None when it is not open."""
        condition = self._own.get(endpoint_id)
        return condition.breaker.probe_at if condition is not None and condition.breaker.state == "open" else None

    def has_room(self, delivery: Delivery) -> bool:
        """Whether the record can take one more that has been tried."""
        condition = self._own.get(delivery.endpoint_id)
        return condition is None or condition.detour is None or not condition.detour.is_full

    # The record

    async def write(self, condition: Condition, unless: Callable[[], bool] = never) -> None:
        """Write down how things stand now, and return when the broker has it; one write of an endpoint at a time.

        `unless` is asked when its turn has come: the write before may have been enough. Nothing is written for a shard
        that may be somebody else's by now: its record would take the place of theirs.
        """
        async with condition.writing:
            if not await self.tenure.sure(condition.shard, condition.term):
                return
            record = condition.record(self.clock.now())
            if record == condition.written or unless():
                return
            condition.written, condition.confirmed = record, None
            value = record.model_dump_json().encode() if record.says_something else None
            await self.publisher.publish(Topic.ENDPOINT_HEALTH, key_of(condition.endpoint_id, HEALTH), value)
            condition.confirmed = record.catch_up

    async def end(self, condition: Condition) -> None:
        """Nothing is owed from the log any more."""
        detour, condition.detour = condition.detour, None
        if detour is not None:
            logger().info("endpoint.caught_up", endpoint_id=condition.endpoint_id, why=detour.why)
        await self.write(condition)

    def lose(self, condition: Condition, lane: Lane, start: int, end: int) -> None:
        """The log does not have these any more, or they are too old: they are given up, and that is told."""
        RELEASES_LOST.labels(lane).inc(end - start)
        condition.tell_lost(lane, start, end, self.clock.now())
        logger().error("endpoint.lost", endpoint_id=condition.endpoint_id, lane=lane, start=start, end=end)

    def disabled(self, endpoint: Endpoint, reason: Literal["gone", "failing"]) -> Endpoint:
        """An endpoint as it is to be from now on."""
        condition, now = self._own.get(endpoint.endpoint_id), self.clock.now()
        since = condition.breaker.failing_since if condition else None
        why = Disabled(reason=reason, at=now, since=since or now)
        return endpoint.model_copy(update={"state": EndpointState.DISABLED, "disabled": why})

    def begin_anew_if_disabled(self, condition: Condition) -> None:
        """Whoever enables it again, or resumes it, is not held to what was; of one that was deleted nothing is kept."""
        endpoint = self.registry.endpoints.get(condition.endpoint_id)
        if endpoint is None or endpoint.state is EndpointState.DISABLED:
            condition.breaker, condition.told = Breaker(self.rules), 0
        elif endpoint.state is EndpointState.PAUSED:
            condition.breaker.excused()
            condition.told = 0
        if endpoint is None:
            condition.lost, condition.lost_told = (), None
        if endpoint is None or endpoint.state is not EndpointState.DISABLED:
            condition.disabled_told = None

    def forget(self, condition: Condition) -> None:
        """It does well, has everything, and there is no record of it."""
        self._own.pop(condition.endpoint_id, None)

    async def _confirm(self, condition: Condition, detour: Detour, places: Sequence[tuple[Place, int]]) -> None:
        def enough() -> bool:
            if condition.detour is not detour or self.tenure.term(condition.shard) != condition.term:
                return True
            return all(not detour.owes(each) or is_covered(each, n, condition.confirmed) for each, n in places)

        if not enough():
            await self.write(condition, enough)

    def _is_one_too_many(self, endpoint_id: str, item: Item) -> bool:
        """Whether so many wait in its queue that a release can as well wait in the log; a flash never does."""
        return item.lane is not Lane.FLASH and self.queues.waiting(endpoint_id) >= self.burst

    async def _directly(self, condition: Condition, detour: Detour, place: Place) -> None:
        """Let one go its own way; a successor has to know that something may be answered ahead of the reader."""
        detour.directly(place, self.clock.now())
        if condition.confirmed is None or condition.confirmed.answered_since is None:
            await self.write(condition)

    def _begin(self, endpoint_id: str, why: Why) -> tuple[Condition, Detour]:
        condition = self._own_or_new(endpoint_id)
        detour = condition.detour = Detour(why, self.clock.now(), folds=why != "burst")
        logger().warning("endpoint.behind", endpoint_id=endpoint_id, why=why)
        return condition, detour

    def _shut(self, detour: Detour, why: Why) -> None:
        """It is behind for this reason now; what waits in its queue goes back to the log unless it is a mere burst."""
        detour.why, detour.folds = why, True
        if why in {"paused", "pending"}:
            detour.reading = False

    def _own_or_new(self, endpoint_id: str) -> Condition:
        """One of a shard that we do not go on with is made for whoever asks, and kept and written by nobody."""
        condition = self._own.get(endpoint_id)
        if condition is None:
            shard = self.shard_of(endpoint_id)
            condition = Condition(endpoint_id, shard, self.tenure.term(shard), Breaker(self.rules))
            if shard in self._shards:
                self._own[endpoint_id] = condition
        return condition
