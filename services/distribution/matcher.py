"""From a release to the fan-out blocks that owe it to endpoints: recipients first, then the blocks, each confirmed."""

from dataclasses import dataclass
from datetime import UTC, datetime

from services.distribution.matching import ShardOf, by_shard, matches
from services.distribution.ports import CurrentReleases, Publishing
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
from shared.platform.consuming import Record
from shared.platform.envelopes import headers_for
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic


@dataclass(slots=True)
class Matcher:
    """Handles one released record at a time; may see one again after a restart and then writes the same blocks."""

    registry: Registry
    recipients: Recipients
    standings: Standings
    publisher: Publishing
    current: CurrentReleases
    shard_of: ShardOf

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
        late = item.release_no < self.standings.of(event.story_id).newest
        await self._owe(event, item, earlier if late else earlier | fresh)
        if late and fresh:
            await self._owe_newest(event.story_id, fresh)
        self.standings.move(item)

    async def _remember(self, story_id: str, endpoint_ids: frozenset[str], release_no: int) -> None:
        key, value = record_of(story_id, endpoint_ids, release_no)
        await self.publisher.publish(Topic.RECIPIENTS, key, value)
        self.recipients.add(story_id, endpoint_ids)

    async def _owe_newest(self, story_id: str, endpoint_ids: frozenset[str]) -> None:
        """Who matches an overtaken release gets the newest one instead; nothing if that is a notice."""
        newest = await self.current.newest(story_id)
        if newest and newest.data.item.kind not in NOTICES:
            await self._owe(newest, newest.data.item, endpoint_ids)

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
        now = datetime.now(UTC)
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
