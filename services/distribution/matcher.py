"""From a release to the fan-out blocks that owe it to endpoints: recipients first, then the blocks, each confirmed."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from services.distribution.matching import ShardOf, entitled, matches
from services.distribution.ports import Clock, Publishing, ReleasedLog
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.rounds import Round
from services.distribution.standings import Standings
from services.distribution.tenure import always
from shared.domain.errors import UnknownEventType, Unprocessable
from shared.domain.events import StoryReleased, parse_event
from shared.domain.item import Item
from shared.domain.story import NOTICES, Lane
from shared.platform.clock import SystemClock
from shared.platform.consuming import Completion, Record
from shared.platform.jobs import is_cancelled
from shared.platform.topics import Topic

REMEMBERED: Final = 50_000
MOST_AHEAD: Final = 200
MOST_FLASHES: Final = 64
MOST_ROUTINE: Final = 16
"""Written together; a flash that comes meanwhile waits for them, a few milliseconds."""
MOST_BYTES: Final = 1024 * 1024
"""Of releases written together: each goes into as many blocks as there are shards."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A release that went through the matcher, and where it lies in its lane."""

    release_no: int
    lane: Lane
    offset: int


@dataclass(frozen=True, slots=True)
class _Taken:
    """A release that waits to be matched."""

    event: StoryReleased
    lane: Lane
    record: Record
    completion: Completion = field(default_factory=Completion)


async def knows_of_no_flash(lane: Lane, offset: int) -> int:
    """The tables of whoever reads nothing from elsewhere are never behind, nor does it know of any flash."""
    return 0


@dataclass(slots=True)
class Matcher:
    """Matches releases in the order of their lanes, some at a time, so that a broker's round trip serves them all."""

    registry: Registry
    recipients: Recipients
    standings: Standings
    publisher: Publishing
    released: ReleasedLog
    shard_of: ShardOf
    clock: Clock = field(default_factory=SystemClock)
    alive: Callable[[], bool] = always
    known_before: Callable[[Lane, int], Awaitable[int]] = knows_of_no_flash
    """Returns once the registry holds all that was in its topic when the release at that place was appended: the end
    of the flash lane, behind every flash that is older."""
    caught_up: Callable[[], Awaitable[None]] | None = None
    """Returns once the tables hold all that was in their topics when it was called."""
    remembered: int = REMEMBERED
    _passed: dict[Lane, OrderedDict[str, Passed]] = field(init=False)
    """The newest release of a story that went through on each lane, of those that may have overtaken another."""
    _next_flash: int = 0
    _waiting: list["_Taken"] = field(default_factory=list)
    _working: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._passed = {lane: OrderedDict() for lane in Lane}

    async def gained(self, partitions: frozenset[int]) -> None:
        """Read all that the matcher before this one wrote, and what it passed, before the first release."""
        for passed in self._passed.values():
            passed.clear()
        if self.caught_up is not None:
            await self.caught_up()
        self._next_flash = await self.released.passed(self._passed_before)

    async def lost(self, partitions: frozenset[int]) -> None:
        """Write nothing more: what was not written is the next owner's to match."""
        working, self._working = self._working, None
        self._waiting.clear()
        if working is not None:
            working.cancel()
            await asyncio.wait({working})

    async def handle(self, record: Record) -> None:
        """Match one release by itself. Raises `Unprocessable` for what is none; returns once all is confirmed."""
        await self._match_all([_Taken(_release_in(record), _lane_of(record), record)])

    async def take(self, record: Record) -> Completion:
        """Take one release; complete once its recipients and blocks are confirmed.

        Raises `Unprocessable` for what is no release. What comes while others are being written is matched and written
        together next. May be called again with a record, and then writes the same blocks.
        """
        taken = _Taken(_release_in(record), _lane_of(record), record)
        self._waiting.append(taken)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return taken.completion

    async def _work(self) -> None:
        """Match what waits, a handful at a time, until nothing does."""
        try:
            while handful := self._next_handful():
                try:
                    await self._match_all(handful)
                except (Exception, asyncio.CancelledError) as error:
                    if is_cancelled():
                        raise  # by `lost`: what was not written is the next owner's to match
                    for each in (*handful, *self._waiting):
                        each.completion.fail(error)  # the loop ends with it
                    self._waiting.clear()
                    return
                for each in handful:
                    each.completion.complete()
        finally:
            if self._working is asyncio.current_task():
                self._working = None

    def _next_handful(self) -> list["_Taken"]:
        """Flashes before anything routine, in the order of each lane, and no more than is soon written."""
        self._waiting.sort(key=lambda each: (each.lane is not Lane.FLASH, each.record.offset))
        most = MOST_FLASHES if self._waiting and self._waiting[0].lane is Lane.FLASH else MOST_ROUTINE
        size = 0
        for number, each in enumerate(self._waiting[:most]):
            size += len(each.record.value or b"")
            if number and (size > MOST_BYTES or each.lane is not self._waiting[0].lane):
                most = number
                break
        handful, self._waiting[:most] = self._waiting[:most], []
        return handful

    async def _match_all(self, handful: Sequence["_Taken"]) -> None:
        """All of one lane. Subscriptions are known up to the newest; what is older than one of them says so itself."""
        lane, written = handful[0].lane, self._round()
        flashes = await self.known_before(lane, handful[-1].record.offset)
        for each in handful:
            if lane is Lane.ROUTINE:
                await self._flash_first(min(flashes, self._next_flash + MOST_AHEAD), written)
            elif each.record.offset < self._next_flash:
                continue  # it went through ahead of its turn
            else:
                self._next_flash = each.record.offset + 1
            await self._match(each.event, lane, each.record, written)
            if each is not handful[-1]:
                await asyncio.sleep(0)  # sixteen at once would hold up a webhook that is due
        await written.write()

    async def _flash_first(self, end: int, written: Round) -> None:
        """Match every flash up to `end`: two consumers bring the lanes, and the routine one may be the faster.

        What is no release among them is parked by the loop, when it comes to it.
        """
        while self._next_flash < end:
            offset = self._next_flash
            record = await self.released.record(Lane.FLASH, offset)
            with suppress(Unprocessable):
                if record is not None:
                    await self._match(_release_in(record), Lane.FLASH, record, written)
            self._next_flash = offset + 1

    async def _match(self, event: StoryReleased, lane: Lane, record: Record, written: Round) -> None:
        if written.has_joined(event.story_id):
            await written.write()
        now, item = self.clock.now(), event.data.item.model_copy(update={"seq": record.offset, "lane": lane})
        earlier = self.recipients.of(event.story_id)
        fresh = matches(self.registry, event.data, lane, record.offset) - earlier
        if fresh:
            written.join(event.story_id, fresh, item.release_no)
        newer = await self._overtaken_by(item)
        if newer and newer.data.item.kind not in NOTICES:
            # also those whom this release brought before a crash: they may not have got their block
            joined = self.recipients.joined(event.story_id).get(item.release_no, frozenset())
            written.owe(newer, newer.data.item, entitled(self.registry, newer.data, fresh | joined), now)
        owed = entitled(self.registry, event.data, earlier) | fresh
        written.owe(event, item, owed, now, newer.data.item.release_no if newer else 0)
        written.gone_through(item)
        self._take_place(item, lane, record.offset)

    def _round(self) -> Round:
        return Round(self.recipients, self.standings, self.publisher, self.shard_of, self.alive)

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

    def _take_place(self, item: Item, lane: Lane, offset: int) -> None:
        passed = self._passed[lane]
        before = passed.pop(item.story_id, None)
        newer = before if before and before.release_no > item.release_no else Passed(item.release_no, lane, offset)
        passed[item.story_id] = newer
        if len(passed) > self.remembered:
            passed.popitem(last=False)


def _release_in(record: Record) -> StoryReleased:
    event = parse_event(record.value)
    if not isinstance(event, StoryReleased):
        raise UnknownEventType(f"{event.type} does not belong on {record.topic}")
    return event


def _lane_of(record: Record) -> Lane:
    return Lane.FLASH if record.topic is Topic.RELEASED_FLASH else Lane.ROUTINE
