"""From a release to the fan-out blocks that owe it to endpoints: recipients first, then the blocks, each confirmed."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from services.distribution.matching import ShardOf, by_shard, matches
from services.distribution.ports import Clock, Publishing, ReleasedLog
from services.distribution.recipients import Recipients, records_of
from services.distribution.registry import Registry
from services.distribution.standings import Standings
from shared.domain.errors import UnknownEventType, Unprocessable
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

REMEMBERED = 50_000
MOST_AHEAD = 200


@dataclass(frozen=True, slots=True)
class Passed:
    """A release that went through the matcher, and where it lies in its lane."""

    release_no: int
    lane: Lane
    offset: int


class NotOurs(Exception):
    """The last heartbeat is too old: another matcher may have taken over. Nothing more is written."""


def always() -> bool:
    """The membership of a matcher that has nobody to share with."""
    return True


async def at_once(lane: Lane, offset: int) -> int:
    """The tables of whoever reads nothing from elsewhere are never behind, nor does it know of any flash."""
    return 0


@dataclass(slots=True)
class Matcher:
    """Handles one released record at a time; may see one again after a restart and then writes the same blocks."""

    registry: Registry
    recipients: Recipients
    standings: Standings
    publisher: Publishing
    released: ReleasedLog
    shard_of: ShardOf
    clock: Clock = field(default_factory=SystemClock)
    alive: Callable[[], bool] = always
    known_before: Callable[[Lane, int], Awaitable[int]] = at_once
    """Returns once the registry holds all that was in its topic when the release at that place was appended: the end
    of the flash lane, behind every flash that is older."""
    caught_up: Callable[[], Awaitable[None]] | None = None
    """Returns once the tables hold all that was in their topics when it was called."""
    remembered: int = REMEMBERED
    _passed: dict[Lane, OrderedDict[str, Passed]] = field(init=False)
    """The newest release of a story that went through on each lane, of those that may have overtaken another."""
    _next_flash: int = 0
    _unfit: set[int] = field(default_factory=set)
    """Flashes read ahead of their turn that are no releases: the loop parks them when it comes to them."""

    def __post_init__(self) -> None:
        self._passed = {lane: OrderedDict() for lane in Lane}

    async def gained(self, partitions: frozenset[int]) -> None:
        """Read all that the matcher before this one wrote, and what it passed, before the first release."""
        for passed in self._passed.values():
            passed.clear()
        if self.caught_up is not None:
            await self.caught_up()
        self._unfit.clear()
        self._next_flash = await self.released.passed(self._passed_before)

    async def lost(self, partitions: frozenset[int]) -> None:
        """Nothing to let go of: every record is done when `handle` returns."""

    async def handle(self, record: Record) -> None:
        """Raises `Unprocessable` for what is no release; returns once recipients and blocks are confirmed."""
        lane = _lane_of(record)
        if lane is Lane.FLASH and record.offset < self._next_flash and record.offset not in self._unfit:
            return  # it went through ahead of its turn
        event = _release_in(record)
        flashes = await self.known_before(lane, record.offset)
        if lane is Lane.FLASH:
            self._next_flash = max(self._next_flash, record.offset + 1)
        else:
            await self._flash_first(min(flashes, self._next_flash + MOST_AHEAD))
        await self._match(event, lane, record)

    async def _flash_first(self, end: int) -> None:
        """Match every flash up to `end`: two consumers bring the lanes, and the routine one may be the faster."""
        while self._next_flash < end:
            offset = self._next_flash
            record = await self.released.record(Lane.FLASH, offset)
            try:
                if record is not None:
                    await self._match(_release_in(record), Lane.FLASH, record)
            except Unprocessable:
                self._unfit.add(offset)
            self._next_flash = offset + 1

    async def _match(self, event: StoryReleased, lane: Lane, record: Record) -> None:
        item = event.data.item.model_copy(update={"seq": record.offset, "lane": lane})
        earlier = self.recipients.of(event.story_id)
        fresh = matches(self.registry, event.data, lane, record.offset) - earlier
        if fresh:
            await self._remember(event.story_id, fresh, item.release_no)
        newer = await self._overtaken_by(item)
        if newer and newer.data.item.kind not in NOTICES:
            # also those whom this release brought before a crash: they may not have got their block
            joined = self.recipients.joined(event.story_id).get(item.release_no, frozenset())
            await self._owe(newer, newer.data.item, fresh | joined)
        await self._owe(event, item, earlier | fresh, newer.data.item.release_no if newer else 0)
        self._note(item, lane, record.offset)

    async def _remember(self, story_id: str, fresh: frozenset[str], release_no: int) -> None:
        earlier = self.recipients.joined(story_id)
        await self._write(list(records_of(story_id, earlier, fresh, release_no, self.shard_of)))
        self.recipients.add(story_id, fresh, release_no)

    async def _overtaken_by(self, item: Item) -> StoryReleased | None:
        """Return the newest release of the story that went through here before this older one.

        Who matches only now gets that one instead, or nothing if it is a notice. One that is still to come overtakes
        nothing, whatever the story's state says: then everything goes on in order.
        """
        passed = [found for lane in Lane if (found := self._passed[lane].get(item.story_id))]
        newest = max(passed, key=lambda one: one.release_no, default=None)
        if newest is None or newest.release_no <= item.release_no:
            return None
        return await self.released.read(newest.lane, newest.offset)

    def _passed_before(self, record: Record) -> None:
        try:
            event = _release_in(record)
        except Unprocessable:
            return  # parked when it was its turn
        self._take_place(event.data.item, _lane_of(record), record.offset)

    def _note(self, item: Item, lane: Lane, offset: int) -> None:
        self.standings.move(item)
        self._take_place(item, lane, offset)

    def _take_place(self, item: Item, lane: Lane, offset: int) -> None:
        passed = self._passed[lane]
        before = passed.pop(item.story_id, None)
        newer = before if before and before.release_no > item.release_no else Passed(item.release_no, lane, offset)
        passed[item.story_id] = newer
        if len(passed) > self.remembered:
            passed.popitem(last=False)

    async def _write(self, outgoing: list[Outgoing]) -> None:
        if not self.alive():
            raise NotOurs("the last heartbeat is too old: another matcher may have taken over")
        if outgoing:
            await self.publisher.publish_all(outgoing)

    async def _owe(self, event: StoryReleased, item: Item, endpoint_ids: frozenset[str], overtaken_by: int = 0) -> None:
        blocks = by_shard(endpoint_ids, self.shard_of)
        if item.kind in NOTICES:  # every shard's gate moves, recipients or not
            blocks = {shard: blocks.get(shard, [()]) for shard in range(self.shard_of.shards)}
        outgoing = [
            self._block(event, item, shard, number, ids, overtaken_by)
            for shard, parts in blocks.items()
            for number, ids in enumerate(parts)
        ]
        await self._write(outgoing)

    def _block(
        self, event: StoryReleased, item: Item, shard: int, number: int, ids: tuple[str, ...], overtaken_by: int
    ) -> Outgoing:
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
            data=FanOutBlock(item=item, endpoint_ids=ids, shard=shard, overtaken_by=overtaken_by),
        )
        topic = Topic.DUE_FLASH if item.lane is Lane.FLASH else Topic.DUE
        return Outgoing(topic, str(shard), encode_event(due), headers_for(due), shard)


def _release_in(record: Record) -> StoryReleased:
    event = parse_event(record.value)
    if not isinstance(event, StoryReleased):
        raise UnknownEventType(f"{event.type} does not belong on {record.topic}")
    return event


def _lane_of(record: Record) -> Lane:
    return Lane.FLASH if record.topic is Topic.RELEASED_FLASH else Lane.ROUTINE
