"""What is written for some releases together: all recipients, confirmed, then all blocks, confirmed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from services.distribution.matching import ShardOf, by_shard
from services.distribution.ports import Publishing
from services.distribution.recipients import Recipients, records_of
from services.distribution.standings import Standings
from shared.domain.events import StoryReleased, derived_id, epoch_us
from shared.domain.item import Item
from shared.domain.story import NOTICES, Lane
from shared.platform.envelopes import cloud_headers
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic
from shared.platform.tracing import inject

PRODUCER: Final = "distribution"
DUE_TYPE: Final = "delivery.due"


class NotOurs(Exception):
    """The last heartbeat is too old: another matcher may have taken over. Nothing more is written."""


@dataclass(slots=True)
class Round:
    """Two round trips to the broker for however many releases; `write` may be called again and again.

    The tables take in what is confirmed, and nothing before: whoever else reads them acts on it.
    """

    recipients: Recipients
    standings: Standings
    publisher: Publishing
    shard_of: ShardOf
    alive: Callable[[], bool]
    _records: list[Outgoing] = field(default_factory=list)
    _joined: dict[str, tuple[frozenset[str], int]] = field(default_factory=dict)
    _blocks: list[Outgoing] = field(default_factory=list)
    _items: list[Item] = field(default_factory=list)

    def has_joined(self, story_id: str) -> bool:
        """Whether somebody joins a story in what is not written yet: what follows of it has to wait for that."""
        return story_id in self._joined

    def join(self, story_id: str, fresh: frozenset[str], release_no: int) -> None:
        """These become recipients of a story, by that release."""
        earlier = self.recipients.joined(story_id)
        self._records += records_of(story_id, earlier, fresh, release_no, self.shard_of)
        self._joined[story_id] = fresh, release_no

    def owe(
        self, event: StoryReleased, item: Item, endpoint_ids: frozenset[str], now: datetime, overtaken_by: int = 0
    ) -> None:
        """A release is owed to these; a notice moves every shard's gate, recipients or not."""
        blocks = by_shard(endpoint_ids, self.shard_of)
        if item.kind in NOTICES:
            blocks = {shard: blocks.get(shard, [()]) for shard in range(self.shard_of.shards)}
        if not blocks:
            return
        encoded = orjson.Fragment(item.model_dump_json())  # once, however many blocks hold it
        for shard, parts in blocks.items():
            for number, ids in enumerate(parts):
                data = {"item": encoded, "endpoint_ids": ids, "shard": shard, "overtaken_by": overtaken_by}
                self._blocks.append(_block(event, item, shard, number, now, data))

    def gone_through(self, item: Item) -> None:
        """From when this is written on, older releases of its story are judged by it."""
        self._items.append(item)

    async def write(self) -> None:
        """Write all of it. Raises NotOurs, and what publishing raises: then nothing of it may be taken for written."""
        await self._publish(self._records)
        for story_id, (fresh, release_no) in self._joined.items():
            self.recipients.add(story_id, fresh, release_no)
        self._records, self._joined = [], {}
        await self._publish(self._blocks)
        for item in self._items:
            self.standings.move(item)
        self._blocks, self._items = [], []

    async def _publish(self, outgoing: list[Outgoing]) -> None:
        if not self.alive():
            raise NotOurs("the last heartbeat is too old: another matcher may have taken over")
        if outgoing:
            await self.publisher.publish_all(outgoing)


def _block(
    event: StoryReleased, item: Item, shard: int, number: int, now: datetime, data: dict[str, object]
) -> Outgoing:
    """The record of one fan-out block: what `encode_event` would make of its `DeliveryDue`."""
    event_id = derived_id("due", event.event_id, str(shard), str(number))
    value = orjson.dumps(
        {
            "event_id": event_id,
            "tenant": event.tenant,
            "story_id": event.story_id,
            "version": item.version,
            "release_no": item.release_no,
            "occurred_at": now,
            "producer": PRODUCER,
            "cause": event.event_id,
            "stage_times": {**event.stage_times, "matched": epoch_us(now)},
            "type": DUE_TYPE,
            "data": data,
        },
        option=orjson.OPT_UTC_Z,
    )
    headers = cloud_headers(event_id, DUE_TYPE, PRODUCER, now)
    inject(headers)
    topic = Topic.DUE_FLASH if item.lane is Lane.FLASH else Topic.DUE
    return Outgoing(topic, str(shard), value, headers, shard)
