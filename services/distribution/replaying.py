"""How does an endpoint get again what it was owed since some time? Slowly, beside live traffic, through the gate."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.distribution.attempts import Tried
from services.distribution.catching_up import stepping
from services.distribution.conditions import Conditions
from services.distribution.detour import LANES, Place
from services.distribution.ports import AttemptLog, Clock, Publishing, ReleasedLog
from services.distribution.queues import FairQueues
from services.distribution.recipients import Recipients
from services.distribution.replay_book import ReplayBook
from services.distribution.rereading import AT_ONCE, first_since, reread, was_owed
from services.distribution.tables import at_once
from services.distribution.tenure import Tenure
from shared.domain.delivery import delivery_id
from shared.domain.events import StoryReleased
from shared.domain.replays import Replay, ReplayState
from shared.domain.story import Lane
from shared.domain.subscription import Ordering
from shared.platform.logs import logger
from shared.platform.topics import Topic, key_of

IN_HAND: Final = 16
TRIES: Final = 5
"""So often is one release tried within a replay; it is then passed over, and counted as skipped."""

ENABLED_WITHIN: Final = timedelta(seconds=10)
"""Who enables an endpoint may ask for a replay with it: two topics, of which the second may be read first."""

AGAIN_AFTER: Final = timedelta(seconds=10)
WRITE_EVERY: Final = timedelta(seconds=5)


@dataclass(slots=True, eq=False)
class Run:
    """One replay under way. `open`: handed out, or to be tried again at a time, with the tries it has had here."""

    replay: Replay
    term: int
    position: dict[Lane, int]
    end: dict[Lane, int]
    written_at: datetime
    has: dict[str, int] = field(default_factory=dict)
    """By story the newest release that its endpoint had when this began, as far as that refuses an older one."""
    open: dict[Place, tuple[int, datetime | None]] = field(default_factory=dict)
    resume_at: datetime | None = None
    sent: int = 0
    skipped: int = 0

    @property
    def reached(self) -> dict[Lane, int]:
        """Up to where everything is answered."""
        return {
            lane: min((place.offset for place in self.open if place.lane is lane), default=self.position[lane])
            for lane in LANES
        }

    @property
    def is_over(self) -> bool:
        return not self.open and all(self.position[lane] >= self.end[lane] for lane in LANES)

    def record(self, state: ReplayState, now: datetime, reason: str = "") -> Replay:
        return self.replay.model_copy(
            update={
                "state": state,
                "end": self.end,
                "position": self.reached,
                "sent": self.sent,
                "skipped": self.skipped,
                "updated_at": now,
                "reason": reason,
            }
        )


@dataclass(slots=True)
class Replaying:
    """All replays of the shards we own, one step at a time. `per_second`: deliveries of one replay.

    Durable: a successor goes on from the record, and sends once more what was answered since it was written.
    """

    book: ReplayBook
    conditions: Conditions
    released: ReleasedLog
    log: AttemptLog
    recipients: Recipients
    tried: Tried
    queues: FairQueues
    publisher: Publishing
    clock: Clock
    tenure: Tenure
    wake: Callable[[], None]
    caught_up: Callable[[], Awaitable[None]] = at_once
    per_second: float = 100.0
    _runs: dict[str, Run] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        """Job: step until `stop`. An error of ours ends the job."""
        await stepping(self.step, self._changed, stop)

    async def step(self) -> bool:
        """Let each replay come as far as it can at this moment; tell whether any did."""
        busy = False
        for asked in self.book.all():
            run = self._runs.get(asked.replay_id)
            if run is None and not asked.goes_on:
                continue
            term = self.tenure.term(self.conditions.shard_of(asked.endpoint_id))
            if run is not None and run.term != term:
                del self._runs[asked.replay_id]
                run = None
            if term and self.tenure.alive() and (run is not None or asked.goes_on):
                busy |= await self._in_time(asked, run, term)
        self._forget_dropped()
        return busy

    async def _in_time(self, asked: Replay, run: Run | None, term: int) -> bool:
        """Try again later what the broker does not answer in time."""
        try:
            return await self._step_of(asked, run, term)
        except TimeoutError:
            logger().warning("replay.no_answer", replay_id=asked.replay_id)
            self.conditions.not_probed(asked.endpoint_id)
            return False

    async def _step_of(self, asked: Replay, run: Run | None, term: int) -> bool:
        run = run or await self._begin(asked, term)
        if not asked.goes_on:
            return await self._end(run, asked.state, asked.reason)
        if self.conditions.is_over_for(asked.endpoint_id):
            if self.clock.now() - asked.asked_at < ENABLED_WITHIN:
                return False
            return await self._end(run, "failed", "the endpoint is disabled")
        if run.is_over:
            return await self._end(run, "done")
        handed = await self._hand_on(run)
        if self.clock.now() - run.written_at >= WRITE_EVERY:
            await self._write(run, "running")
        return handed

    async def _begin(self, asked: Replay, term: int) -> Run:
        """Fix where it ends, and where it begins if only a time was given."""
        bounds = await self.released.bounds()
        end = asked.end or {lane: bounds[lane][1] for lane in LANES}
        position = dict(asked.position)
        for lane in LANES:
            begin, last = bounds[lane][0], end.get(lane, 0)
            if lane not in position and asked.since is not None:
                position[lane] = await first_since(self.released, lane, begin, last, asked.since)
            position[lane] = max(begin, position.get(lane, (asked.start or {}).get(lane, last)))
        run = Run(asked, term, position, {lane: end.get(lane, 0) for lane in LANES}, self.clock.now())
        run.sent, run.skipped = asked.sent, asked.skipped
        run.has = await self._newest_had(run)
        self._runs[asked.replay_id] = run
        if asked.state == "requested":
            await self._write(run, "running")
        return run

    async def _newest_had(self, run: Run) -> dict[str, int]:
        """What `Tried` may have forgotten; under `latest` the newest release of all refuses the older ones anyway."""
        endpoint_id = run.replay.endpoint_id
        if self.conditions.registry.ordering_of(endpoint_id) is not Ordering.EVERY:
            return {}
        since = [at for lane in LANES if (at := await self._released_at(run, lane)) is not None]
        if not since:
            return {}
        return await self.log.newest_delivered(self.conditions.shard_of(endpoint_id), endpoint_id, min(since))

    async def _released_at(self, run: Run, lane: Lane) -> datetime | None:
        """When the first release was released that is to be sent again of a lane."""
        if run.position[lane] >= run.end[lane]:
            return None
        found = await self.released.read_from(lane, run.position[lane], AT_ONCE)
        return next((event.data.item.released_at for _, event in found if event is not None), None)

    async def _hand_on(self, run: Run) -> bool:
        now, endpoint_id = self.clock.now(), run.replay.endpoint_id
        if (run.resume_at and now < run.resume_at) or not (room := self._room(endpoint_id)):
            return False
        handed = await self._again(run, now, room)
        passed = 0
        for lane in LANES:
            while handed < room and len(run.open) < IN_HAND and run.position[lane] < run.end[lane]:
                new, here = await self._take_next(run, lane, room - handed)
                handed, passed = handed + new, passed + here
                if not here or run.term != self.tenure.term(self.conditions.shard_of(endpoint_id)):
                    break
        if not handed:
            self.conditions.not_probed(endpoint_id)
        else:
            run.resume_at = self.clock.now() + timedelta(seconds=handed / self.per_second)
            self.wake()
        return bool(handed or passed)

    def _room(self, endpoint_id: str) -> int:
        """How many may be handed out: what the endpoint is owed anyway goes first, and if it is dead one tries it."""
        if not self.conditions.is_ready(endpoint_id):
            return 0
        if self.conditions.has_everything(endpoint_id):
            return IN_HAND
        return int(self.conditions.probes(endpoint_id))

    async def _again(self, run: Run, now: datetime, room: int) -> int:
        """Hand out once more what failed a while ago."""
        due = sorted(place for place, (_, at) in run.open.items() if at is not None and at <= now)[:room]
        for place in due:
            event = await self.released.read(*place)
            if event is None:
                self._skip(run, place)
            elif place in run.open:
                self._hand_out(run, place, event, run.open[place][0])
        return len(due)

    async def _take_next(self, run: Run, lane: Lane, room: int) -> tuple[int, int]:
        """Read on in a lane; return how many were handed out, and how many places were passed."""
        begin = run.position[lane]
        found = await self.released.read_from(lane, begin, AT_ONCE)
        if not found or found[0][0] >= run.end[lane]:
            oldest, _ = (await self.released.bounds())[lane]
            run.position[lane] = min(oldest, run.end[lane]) if begin < oldest else run.end[lane]
            return 0, run.position[lane] - begin
        await self.caught_up()
        registry, endpoint_id = self.conditions.registry, run.replay.endpoint_id
        handed = 0
        for offset, event in found:
            if handed >= room or len(run.open) >= IN_HAND or offset >= run.end[lane]:
                break
            if event is not None and was_owed(self.recipients, registry, event, endpoint_id):
                self._hand_out(run, Place(lane, offset), event, 0)
                handed += 1
            run.position[lane] = offset + 1
        return handed, run.position[lane] - begin

    def _hand_out(self, run: Run, place: Place, event: StoryReleased, tries: int) -> None:
        item, endpoint_id = event.data.item, run.replay.endpoint_id
        known = delivery_id(item.story_id, item.release_no, endpoint_id)
        if self.tried.is_under_way(known) or item.release_no < run.has.get(item.story_id, 0):
            self._skip(run, place)  # somebody else brings it, or has brought a newer one
            return
        before = self.tried.tries(known)
        run.open[place] = (tries + 1, None)
        self.queues.add(
            reread(
                event,
                endpoint_id,
                self.conditions.shard_of(endpoint_id),
                run.term,
                done=partial(self._done, run, place, known, before),
                undone=partial(self._undone, run, place),
                attempts=before,
                again=True,
            )
        )

    def _done(self, run: Run, place: Place, known: str, before: int) -> None:
        """It has a row of this try, or ended without one."""
        self._changed.set()
        self.conditions.not_probed(run.replay.endpoint_id)
        if self.tried.tries(known) > before and self.tried.how_it_ended(known) == "delivered":
            run.open.pop(place, None)
            run.sent += 1
        else:
            self._skip(run, place)

    def _undone(self, run: Run, place: Place) -> None:
        """It failed, or may not go now: once more a little later, up to some number of tries."""
        endpoint_id = run.replay.endpoint_id
        self.conditions.not_probed(endpoint_id)
        tries, _ = run.open.get(place, (0, None))
        waits = not (self.conditions.is_ready(endpoint_id) and self.conditions.has_everything(endpoint_id))
        if tries >= TRIES and not waits:
            self._skip(run, place)
        else:
            run.open[place] = (tries - waits, self.clock.now() + AGAIN_AFTER)

    def _skip(self, run: Run, place: Place) -> None:
        run.open.pop(place, None)
        run.skipped += 1

    async def _end(self, run: Run, state: ReplayState, reason: str = "") -> bool:
        self._runs.pop(run.replay.replay_id, None)
        await self._write(run, state, reason)
        logger().info("replay.ended", replay_id=run.replay.replay_id, state=state, sent=run.sent, skipped=run.skipped)
        return True

    async def _write(self, run: Run, state: ReplayState, reason: str = "") -> None:
        run.written_at = self.clock.now()
        record = run.record(state, run.written_at, reason)
        self.book.keep(record)
        await self.publisher.publish(
            Topic.ENDPOINT_HEALTH, key_of(*record.key_parts), record.model_dump_json().encode()
        )

    def _forget_dropped(self) -> None:
        """A replay whose record is gone, with its endpoint, is over."""
        for replay_id in [known for known, run in self._runs.items() if not self._is_known(run)]:
            del self._runs[replay_id]

    def _is_known(self, run: Run) -> bool:
        return self.book.of(run.replay.endpoint_id, run.replay.replay_id) is not None
