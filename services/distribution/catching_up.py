"""How does an endpoint get what it is owed from the log? A reader per endpoint goes through the released lanes.

Capped in rate and in what it has in hand, flashes to their end before anything routine, in the order of the log. It
hands on what its endpoint is owed and does not have; queues, gate and order do the rest as for any delivery.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.distribution.attempts import Tried
from services.distribution.condition import Condition
from services.distribution.conditions import Conditions
from services.distribution.detour import LANES, Detour, Place
from services.distribution.in_turn import InTurn
from services.distribution.ports import Clock, ReleasedLog
from services.distribution.queues import FairQueues
from services.distribution.recipients import Recipients
from services.distribution.rereading import AT_ONCE, reread, was_owed
from services.distribution.retiring import PENDING_LASTS
from services.distribution.tables import at_once
from services.distribution.tending import Tending
from services.distribution.tenure import Tenure
from shared.domain.delivery import delivery_id
from shared.domain.events import StoryReleased
from shared.domain.health import Loose
from shared.domain.story import Lane
from shared.platform.logs import logger

IN_HAND: Final = 32
"""Deliveries of one endpoint that its reader gives to the queues at a time."""

DOUBLED_EVERY: Final = timedelta(seconds=10)
MOST_DOUBLINGS: Final = 6.0
"""A reader's pace doubles so many times: 200 a second become 12,800."""

MOST_WIDENED: Final = 8.0
"""So many times grows what it has in hand."""

AT_A_STEP: Final = 20 * AT_ONCE
"""Releases that one reader goes through before the others have their turn."""

WRITE_EVERY: Final = timedelta(seconds=5)


NAP_S: Final = 0.05
AT_MOST_EVERY_S: Final = 0.02
"""Many answers are one reason to look."""


async def stepping(step: Callable[[], Awaitable[bool]], changed: asyncio.Event, stop: asyncio.Event) -> None:
    """Call `step` until `stop`: soon again when it did something or `changed` is set, else after a nap."""
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            changed.clear()
            busy = await step()
            await asyncio.wait({stopping}, timeout=AT_MOST_EVERY_S)
            if not busy and not changed.is_set():
                changing = asyncio.create_task(changed.wait())
                await asyncio.wait({stopping, changing}, timeout=NAP_S, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
    finally:
        stopping.cancel()


@dataclass(slots=True)
class CatchingUp:
    """The readers of all endpoints that are behind, one step at a time.

    `per_second`: deliveries of one endpoint at first; `most_in_hand`: of one endpoint in the queues, at first.
    """

    conditions: Conditions
    released: ReleasedLog
    recipients: Recipients
    tried: Tried
    in_turn: InTurn
    queues: FairQueues
    clock: Clock
    tenure: Tenure
    tending: Tending
    wake: Callable[[], None]
    caught_up: Callable[[], Awaitable[None]] = at_once
    """Returns once the tables hold all that was in their topics when it was called."""
    per_second: float = 200.0
    most_in_hand: int = IN_HAND
    _written_at: dict[str, datetime] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """Something may be done now that could not a moment ago."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Job: step until `stop`. An error of ours ends the job."""
        await stepping(self.step, self._changed, stop)

    async def step(self) -> bool:
        """Let each endpoint that is behind come as far as it can at this moment; tell whether any did."""
        busy = False
        await self.tending.look()
        for condition, detour in self.conditions.behind():
            if self.tenure.term(condition.shard) == condition.term and self.tenure.alive():
                busy |= await self._in_time(condition, detour)
        return busy

    async def _in_time(self, condition: Condition, detour: Detour) -> bool:
        """Try again later what the broker does not answer in time: nothing is lost, and nothing is begun."""
        try:
            return await self._step_of(condition, detour)
        except TimeoutError:
            logger().warning("catch_up.no_answer", endpoint_id=condition.endpoint_id)
            if detour.probe is None:
                condition.breaker.not_probed()
            return False

    async def _step_of(self, condition: Condition, detour: Detour) -> bool:
        if self.conditions.is_over_for(condition.endpoint_id):
            await self._abandon(condition, detour)
            return True
        room = self._room(condition, detour)
        handed = 0
        if room and not detour.is_over:
            if not detour.reading:
                detour.reading, detour.reading_since, detour.folds = True, self.clock.now(), True
                await self.conditions.write(condition)
            handed = await self._read(condition, detour, room)
        if detour.is_over and condition.detour is detour:
            self._written_at.pop(condition.endpoint_id, None)
            await self.conditions.end(condition)
            return True
        if detour.reading:
            await self._write_now_and_then(condition)
        return handed > 0

    def _room(self, condition: Condition, detour: Detour) -> int:
        """How many may be handed out now; asked of every endpoint that is behind, most of them dead."""
        now, endpoint_id, breaker = self.clock.now(), condition.endpoint_id, condition.breaker
        if breaker.state == "open" and breaker.probe_at is not None and now < breaker.probe_at:
            return 0
        if not self.conditions.is_ready(endpoint_id) or (detour.resume_at and now < detour.resume_at):
            return 0
        if not detour.reading and self.queues.outstanding(endpoint_id) > len(detour.in_hand):
            return 0  # what was queued before goes first, or comes back
        if breaker.state == "closed":
            most = self.most_in_hand * min(MOST_WIDENED, self._haste(detour, now))
            return max(0, int(most) - len(detour.in_hand))
        return 0 if detour.in_hand or not breaker.probing(now) else 1

    def _haste(self, detour: Detour, now: datetime) -> float:
        """How many times its first pace a reader may go: whoever is owed more than that must catch up, too.

        One that has just come back is spared for a while; one that was never away is not. The queue's own cap and its
        place behind what is new hold either.
        """
        if detour.reading_since is None or detour.why in {"burst", "slow"}:
            return float(2.0**MOST_DOUBLINGS)
        doublings = min(MOST_DOUBLINGS, (now - detour.reading_since) / DOUBLED_EVERY)
        return float(2.0**doublings)

    async def _read(self, condition: Condition, detour: Detour, room: int) -> int:
        """Hand out up to `room` deliveries; return how many places were gone through."""
        handed = gone = 0
        for lane in LANES:
            for loose in detour.waiting(lane):
                if handed >= room or not self._goes_on(condition, detour):
                    break
                handed += await self._take_loose(condition, detour, Place(lane, loose.offset), loose)
                gone += 1
            while handed < room and detour.has_ahead(lane) and gone < AT_A_STEP:
                new, passed = await self._take_next(condition, detour, lane, room - handed)
                handed, gone = handed + new, gone + passed
                if not passed:
                    break
            if handed >= room or not self._goes_on(condition, detour):
                break
        if handed:
            now = self.clock.now()
            detour.resume_at = now + timedelta(seconds=handed / (self.per_second * self._haste(detour, now)))
            self.wake()
        else:
            condition.breaker.not_probed()
        return gone

    async def _take_loose(self, condition: Condition, detour: Detour, place: Place, loose: Loose) -> bool:
        """Hand out one that is owed by itself; one that is done with, or gone, is owed no more."""
        event = await self.released.read(*place)
        if not self._goes_on(condition, detour):
            return False
        if event is None:
            self.conditions.lose(condition, place.lane, place.offset, place.offset + 1)
            detour.answered(place)
            await self.in_turn.gone(condition.endpoint_id, *place)
            return False
        if self._has(condition.endpoint_id, event, loose.attempts, ended=False):
            detour.answered(place)
            return False
        self._hand_out(condition, detour, place, event, loose)
        return True

    async def _take_next(self, condition: Condition, detour: Detour, lane: Lane, room: int) -> tuple[int, int]:
        """Read on in a lane; return how many were handed out, and how many places were passed."""
        found = await self.released.read_from(lane, detour.position[lane], AT_ONCE)
        if not found:
            return 0, await self._past_what_is_gone(condition, detour, lane)
        detour.claim(lane, found[-1][0] + 1)
        await self.caught_up()
        if not self._goes_on(condition, detour):
            return 0, 0
        handed = passed = 0
        for offset, event in found:
            if handed == room:
                break
            place = Place(lane, offset)
            if event is not None and offset not in detour.loose[lane] and self._is_owed(condition.endpoint_id, event):
                self._hand_out(condition, detour, place, event, Loose(offset=offset))
                handed += 1
            detour.pass_by(lane, offset + 1)
            passed += 1
        detour.claim(lane, 0)
        return handed, passed

    async def _past_what_is_gone(self, condition: Condition, detour: Detour, lane: Lane) -> int:
        """Go on where the log begins now; what lay before that is told as lost."""
        begin, _ = (await self.released.bounds())[lane]
        position = detour.position[lane]
        if position >= begin:
            logger().error("catch_up.nothing_there", endpoint_id=condition.endpoint_id, lane=lane, offset=position)
            return 0
        self.conditions.lose(condition, lane, position, begin)
        detour.pass_by(lane, begin)
        return begin - position

    async def _abandon(self, condition: Condition, detour: Detour) -> None:
        """Nothing will be sent to it any more; its owner is told what that leaves unsent."""
        for lane, begin in detour.record(self.clock.now()).begins.items():
            if detour.ends(lane) > begin:
                self.conditions.lose(condition, lane, begin, detour.ends(lane))
        await self.conditions.end(condition)

    def _is_owed(self, endpoint_id: str, event: StoryReleased) -> bool:
        """Whether the endpoint is owed a release, and nobody has dealt with it."""
        owed = was_owed(self.recipients, self.conditions.registry, event, endpoint_id)
        return owed and not self._has(endpoint_id, event, 0, ended=True)

    def _has(self, endpoint_id: str, event: StoryReleased, attempts: int, *, ended: bool) -> bool:
        """Whether its last row says that nothing is left to do, or that somebody else does it.

        `ended`: what was given up is not tried once more. A release that is done and still listed as unanswered is
        brought to its end once more.
        """
        item = event.data.item
        known = delivery_id(item.story_id, item.release_no, endpoint_id)
        done = self.tried.is_done(known, attempts) or (ended and self.tried.how_it_ended(known) is not None)
        return done and not self.in_turn.held.lists(endpoint_id, item.story_id, item.release_no)

    def _hand_out(self, condition: Condition, detour: Detour, place: Place, event: StoryReleased, loose: Loose) -> None:
        delivery = reread(
            event,
            condition.endpoint_id,
            condition.shard,
            condition.term,
            done=partial(self._answered, condition, detour, place),
            undone=partial(self._unanswered, condition, detour, place),
            attempts=loose.attempts,
            first_failed_at=loose.first_failed_at,
            lapsed=self._lapsed(detour, event.data.item.released_at),
            reread=True,
        )
        detour.hand_out(place)
        if condition.breaker.state == "half_open":
            detour.probe = place
        self.queues.add(delivery)

    def _lapsed(self, detour: Detour, released_at: datetime) -> str:
        """Why it is too late for one; empty when it is not."""
        late = detour.why == "pending" and self.clock.now() - released_at > PENDING_LASTS
        return "endpoint pending for too long" if late else ""

    def _answered(self, condition: Condition, detour: Detour, place: Place) -> None:
        self._unanswered(condition, detour, place)
        detour.answered(place)

    def _unanswered(self, condition: Condition, detour: Detour, place: Place) -> None:
        """If it was the probe and nothing was learnt, the next one is."""
        if detour.probe == place:
            condition.breaker.not_probed()
        detour.give_back(place)
        self.look()

    def _goes_on(self, condition: Condition, detour: Detour) -> bool:
        """Whether this is still ours, and still what was asked about before waiting."""
        return condition.detour is detour and self.tenure.term(condition.shard) == condition.term

    async def _write_now_and_then(self, condition: Condition) -> None:
        """Let a successor begin not too far behind; what is answered meanwhile it finds in the delivery log."""
        now = self.clock.now()
        if now - self._written_at.setdefault(condition.endpoint_id, now) >= WRITE_EVERY:
            self._written_at[condition.endpoint_id] = now
            await self.conditions.write(condition)
