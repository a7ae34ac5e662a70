"""From a release to the fan-out blocks that owe it to endpoints: recipients first, then the blocks, each confirmed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.distribution.matching import ShardOf, by_shard, matches
from services.distribution.ports import Clock, CurrentReleases, Publishing
from services.distribution.recipients import Recipients, record_of
from services.distribution.registry import Registry
from services.distribution.standings import Standings
from shared.domain.errors import UnknownEventType
from shared.domain.events import (
    DeliveryDue,
    FanOutBlock,
    StoryReleased,
    derived_id,
    encode_event,
    epoch_us,
    parse_event,
)
from shared.domain.item import Item
from shared.domain.story import NOTICES, Lane
from shared.platform.clock import SystemClock
from shared.platform.consuming import Record
from shared.platform.envelopes import headers_for
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic

REMEMBERED = 10_000
LARGEST_SKEW = timedelta(seconds=2)  # release times are the broker's, ours is this machine's clock


@dataclass(slots=True)
class Matcher:
    """Handles one released record at a time; may see one again after a restart and then writes the same blocks."""

    registry: Registry
    recipients: Recipients
    standings: Standings
    publisher: Publishing
    current: CurrentReleases
    shard_of: ShardOf
    clock: Clock = field(default_factory=SystemClock)
    skew: timedelta = LARGEST_SKEW
    _passed: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """The newest (release_no, seq) that went through here, of the stories that did last."""
    _since: datetime = field(init=False)
    """Whatever was released later than this and went through here is in `_passed`."""

    def __post_init__(self) -> None:
        self._forget()

    async def gained(self, partitions: frozenset[int]) -> None:
        """What went through elsewhere meanwhile is not known here."""
        self._forget()

    async def lost(self, partitions: frozenset[int]) -> None:
        """Nothing to let go of: every record is done when `handle` returns."""

    def _forget(self) -> None:
        self._passed.clear()
        self._since = self.clock.now() + self.skew

    async def handle(self, record: Record) -> None:
        """Raises `Unprocessable` for what is no release; returns once recipients and blocks are confirmed."""
        event = parse_event(record.value)
        if not isinstance(event, StoryReleased):
            raise UnknownEventType(f"{event.type} does not belong on {record.topic}")
        lane = Lane.FLASH if record.topic is Topic.RELEASED_FLASH else Lane.ROUTINE
        item = event.data.item.model_copy(update={"seq": record.offset, "lane": lane})
        earlier = self.recipients.of(event.story_id)
        matched = matches(self.registry.with_endpoint(), event.data, lane, record.offset)
        fresh = matched - earlier
        if fresh:
            await self._remember(event.story_id, earlier | fresh, item.release_no)
        newer = await self._overtaken_by(item)
        await self._owe(event, item, earlier if newer else earlier | fresh)
        if newer and newer.data.item.kind not in NOTICES:
            # all that match: a crash behind the record of recipients must not hide who has yet to get it
            await self._owe(newer, newer.data.item, matched)
        self._note(item)

    async def _remember(self, story_id: str, endpoint_ids: frozenset[str], release_no: int) -> None:
        key, value = record_of(story_id, endpoint_ids, release_no)
        await self.publisher.publish(Topic.RECIPIENTS, key, value)
        self.recipients.add(story_id, endpoint_ids)

    async def _overtaken_by(self, item: Item) -> StoryReleased | None:
        """Return the newest release of the story if it may have gone through here before this older one.

        Who matches only now gets that one instead, or nothing if it is a notice. A newer one of the same lane is
        still to come, whatever the story's state says: then everything goes on in order.
        """
        if item.release_no >= self.standings.of(item.story_id).newest:
            return None
        release_no, seq = self._passed.get(item.story_id, (0, None))
        newest = await self.current.newest(item.story_id, at_least=release_no)
        if newest is None or newest.data.item.release_no <= item.release_no or newest.data.item.lane is item.lane:
            return None
        if newest.data.item.release_no > release_no and newest.data.item.released_at > self._since:
            return None  # it is still to come, on the other lane: then everything goes on in order
        if newest.data.item.release_no == release_no:  # its place is not in `story.current`
            numbered = newest.data.item.model_copy(update={"seq": seq})
            newest = newest.model_copy(update={"data": newest.data.model_copy(update={"item": numbered})})
        return newest

    def _note(self, item: Item) -> None:
        self.standings.move(item)
        passed = self._passed.pop(item.story_id, (0, None))
        self._passed[item.story_id] = max(passed, (item.release_no, item.seq), key=lambda one: one[0])
        if len(self._passed) > REMEMBERED:
            self._forget()

    async def _owe(self, event: StoryReleased, item: Item, endpoint_ids: frozenset[str]) -> None:
        blocks = by_shard(endpoint_ids, self.shard_of)
        if item.kind in NOTICES:  # every shard's gate moves, recipients or not
            blocks = {shard: blocks.get(shard, [()]) for shard in range(self.shard_of.shards)}
        outgoing = [
            self._block(event, item, shard, number, ids)
            for shard, parts in blocks.items()
            for number, ids in enumerate(parts)
        ]
        if outgoing:
            await self.publisher.publish_all(outgoing)

    def _block(self, event: StoryReleased, item: Item, shard: int, number: int, ids: tuple[str, ...]) -> Outgoing:
        now = self.clock.now()
        due = DeliveryDue(
            event_id=derived_id("due", event.event_id, str(shard), str(number)),
            tenant=event.tenant,
            story_id=event.story_id,
            version=item.version,
            release_no=item.release_no,
            occurred_at=now,
            producer="distribution",
            cause=event.event_id,
            stage_times={**event.stage_times, "matched": epoch_us(now)},
            data=FanOutBlock(item=item, endpoint_ids=ids, shard=shard),
        )
        topic = Topic.DUE_FLASH if item.lane is Lane.FLASH else Topic.DUE
        return Outgoing(topic, str(shard), encode_event(due), headers_for(due), shard)
