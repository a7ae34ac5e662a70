"""At an endpoint that wants every release: who waits for whom, and who goes on when an answer has come?

Written down in `endpoint.health` before anything passes on the strength of it, so that a restart knows it all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from services.distribution.deliveries import Delivery, body_of
from services.distribution.held_back import HeldBack, HeldStory, Place
from services.distribution.matching import ShardOf
from services.distribution.ports import Clock, Publishing, ReleasedLog
from services.distribution.registry import Registry
from services.distribution.standings import Standings
from services.distribution.tenure import Tenure
from shared.domain.delivery import delivery_id
from shared.domain.events import EPOCH, epoch_us
from shared.domain.item import Item
from shared.domain.story import Lane
from shared.domain.subscription import Ordering
from shared.platform.clock import SystemClock
from shared.platform.logs import logger
from shared.platform.topics import Topic

LONGEST_AWAY: Final = timedelta(days=7)
"""How long the retry topics keep a record; no delivery is tried for longer than half of that."""


@dataclass(slots=True)
class InTurn:
    """Called for one delivery of an (endpoint, story) at a time: the queues see to that."""

    held: HeldBack
    registry: Registry
    standings: Standings
    publisher: Publishing
    released: ReleasedLog
    shard_of: ShardOf
    queue: Callable[[Delivery], None]
    tenure: Tenure = field(default_factory=Tenure)
    clock: Clock = field(default_factory=SystemClock)
    _fetched: set[str] = field(default_factory=set)
    """Delivery ids of those that were fetched and have not ended."""

    def has(self, delivery: Delivery) -> int:
        """The newest release that the endpoint got while an older one is unanswered; 0 for none."""
        held = self.held.of(delivery)
        return held.has if held else 0

    def waits_for(self, delivery: Delivery, has: int) -> int | None:
        """The older unanswered release that this one has to wait for; `has`: the newest its endpoint is known to have.

        Notices and flashes never wait, and nobody for what a newer release or a withhold has ended.
        """
        held = self.held.of(delivery)
        if held is None or delivery.is_notice or delivery.item is None or delivery.item.lane is Lane.FLASH:
            return None
        if self.registry.ordering_of(delivery.endpoint_id) is not Ordering.EVERY:
            return None
        first = held.first(since=max(has, held.has, self.standings.of(delivery.story_id).ended))
        return first.release_no if first and first.release_no < delivery.release_no else None

    async def enlist(self, delivery: Delivery) -> None:
        """Write down that the release is unanswered, if nobody has yet."""
        if not self.held.lists(delivery.endpoint_id, delivery.story_id, delivery.release_no):
            await self.hold(delivery)

    async def hold(self, delivery: Delivery, *, waits: bool = False) -> None:
        """Write down that the release is unanswered, and who has it now; saying so again changes nothing.

        `waits`: nobody, its own record is about to pass. Otherwise a retry topic does already, or its own record.
        """
        item, held = delivery.item, self.held.of(delivery)
        if item is None or not self.tenure.reads(delivery):  # what another owner has listed is not known here
            return
        if held is None:
            if self.registry.ordering_of(delivery.endpoint_id) is not Ordering.EVERY:
                return
            held = HeldStory(endpoint_id=delivery.endpoint_id, story_id=delivery.story_id)
        before = held.place(item.release_no)
        place = Place(
            release_no=item.release_no,
            version=item.version,
            kind=item.kind,
            lane=item.lane,
            offset=item.seq,
            waits=waits,
            since=before.since if before else epoch_us(self.clock.now()),
        )
        self._fetched.discard(delivery.delivery_id)
        if before != place:
            await self._write(held.holding(place))

    async def ended(self, delivery: Delivery, *, delivered: bool) -> None:
        """The release's last row is written: whoever waited for it goes on."""
        held = self.held.of(delivery)
        if held is None:
            return
        self._fetched.discard(delivery.delivery_id)
        after = held.without(delivery.release_no, delivered=delivered)
        if after != held:
            await self._write(after)
        await self._go_on(after)

    async def gone(self, endpoint_id: str, lane: Lane, offset: int) -> None:
        """The log has lost the release at a place: nobody waits for it any more."""
        if (found := self.held.at(endpoint_id, lane, offset)) is not None:
            held, place = found
            after = held.without(place.release_no, delivered=False)
            await self._write(after)
            await self._go_on(after)

    async def notice(self, story_id: str) -> None:
        """A kill or withhold has come: whatever waits of its story waits no more."""
        for held in self.held.of_story(story_id):
            await self._go_on(held)

    async def resume(self, shard: int) -> None:
        """Go on with what an owner before this one left between an answer and the next release."""
        for held in self.held.of_shard(shard, self.shard_of):
            await self._go_on(await self._without_strays(held))

    async def _without_strays(self, held: HeldStory) -> HeldStory:
        """Let nobody wait for a release that no retry topic holds any more: its owner was away for too long."""
        oldest = epoch_us(self.clock.now() - LONGEST_AWAY)
        strays = [each.release_no for each in held.releases if not each.waits and each.since < oldest]
        for release_no in strays:
            logger().error("held.stray", endpoint_id=held.endpoint_id, story_id=held.story_id, release_no=release_no)
            held = held.without(release_no, delivered=False)
        if strays:
            await self._write(held)
        return held

    def lost(self, shards: frozenset[int]) -> None:
        self.held.lost(shards, self.shard_of)
        self._fetched.clear()  # at worst one is fetched twice, and sent once

    async def _write(self, held: HeldStory) -> None:
        self.held.keep(held)
        value = held.model_dump_json().encode() if held.releases else None
        await self.publisher.publish(Topic.ENDPOINT_HEALTH, held.key, value)

    async def _go_on(self, held: HeldStory) -> None:
        for place in self._may_go(held):
            known = delivery_id(held.story_id, place.release_no, held.endpoint_id)
            if known not in self._fetched:
                self._fetched.add(known)
                self.queue(await self._fetch(held, place, known))

    def _may_go(self, held: HeldStory) -> list[Place]:
        """Those that wait for nobody any more: the oldest, and what can never be sent (the gate will say why)."""
        standing = self.standings.of(held.story_id)
        waiting = [each for each in held.releases if each.waits]
        if standing.killed or self.registry.ordering_of(held.endpoint_id) is not Ordering.EVERY:
            return waiting
        since = max(held.has, standing.ended)
        first = held.first(since)
        return [each for each in waiting if each.release_no < since or each is first]

    async def _fetch(self, held: HeldStory, place: Place, known: str) -> Delivery:
        """Make the delivery anew from the release itself; its end is in `endpoint.health`, it has no record."""
        event = None if place.offset is None else await self.released.read(place.lane, place.offset)
        shard = self.shard_of(held.endpoint_id)
        term = self.tenure.term(shard)
        item = event.data.item if event else _notion_of(held.story_id, place)
        return Delivery(
            known,
            held.endpoint_id,
            shard,
            body_of(item),
            lambda: None,
            item=item,
            cause=event.event_id if event else None,
            stage_times=event.stage_times if event else {},
            term=term,
            lapsed="" if event else "its text is not in the log any more",
        )


def _notion_of(story_id: str, place: Place) -> Item:
    """Return what is still known of a release that the log has lost: enough for its last row."""
    return Item(
        lane=place.lane,
        kind=place.kind,
        story_id=story_id,
        version=place.version,
        release_no=place.release_no,
        released_at=EPOCH,
        story={},
    )
