"""One life of the gateway over the log in memory: the real hub, stream clients, keeper of the views, and pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from pydantic import TypeAdapter

from services.gateway.desk_view import DeskView
from services.gateway.followed import Followed
from services.gateway.read_cache import Made, ReadCache
from services.gateway.refusals import NotFound, NotReady
from services.gateway.representations import Representation
from services.gateway.shared_log import SharedLog
from services.gateway.stories import Stories
from services.gateway.stream.admission import Admission
from services.gateway.stream.clients import Client
from services.gateway.stream.hub import CHECK as OPEN
from services.gateway.stream.hub import Logs
from services.gateway.stream.options import StreamOptions
from services.gateway.stream.ports import Grant, HeaderView, History
from services.gateway.stream.positions import Position
from services.gateway.views.keeper import ViewsKeeper
from shared.domain.item import Item
from shared.domain.story import Lane
from shared.platform.health import Health
from shared.platform.reading import Pause, Since, TopicPartition
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.simulation.copies import Copy
from tests.simulation.listeners import LISTENERS, Line, Listener, Page
from tests.simulation.log import Consumer, Log, Place
from tests.simulation.view_store import ViewStore

T = TypeVar("T")
RELEASED = (Topic.RELEASED_FLASH, Topic.RELEASED)
HEARD = (*RELEASED, Topic.STATE, Topic.KILLED)
NEVER = 1e9  # seconds: whatever would wait for real time waits for the schedule instead
STILL = StreamOptions(ring_age_s=NEVER, heartbeat_s=NEVER, coalesce_s=NEVER, evict_s=NEVER, retry_s=1, drain_s=NEVER)
_PAGE: Final = TypeAdapter(list[Item])
TURNS = 12  # of the event loop, more than any chain of callbacks here is long


class Reading:
    """`services.gateway.stream.ports.Log`: reads to the ends at once, then follows as the schedule says."""

    def __init__(self, log: Log, topics: Sequence[Topic]) -> None:
        self._log = log
        self._next = dict.fromkeys(topics, 0)
        self._apply: Callable[[Record], None] | None = None

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None:
        self._apply = apply
        for topic in self._next:
            while self.follow_one(topic):
                pass

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        self._apply = apply
        await stop.wait()

    def positions(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition(topic, 0): offset for topic, offset in self._next.items()}

    def follow_one(self, topic: Topic) -> bool:
        """Take the next record of a topic; say whether there was one."""
        records, at = self._log.of(topic), self._next[topic]
        if at == len(records) or self._apply is None:
            return False
        self._next[topic] = at + 1
        self._apply(records[at])
        return True

    @property
    def at_end(self) -> bool:
        return all(at == len(self._log.of(topic)) for topic, at in self._next.items())


class NoHistory(History):
    """The ring holds everything here."""

    async def earliest(self) -> Position:
        return Position()

    async def at(self, when: datetime) -> Position:
        raise AssertionError("nobody asks by time")

    async def read(self, lane: Lane, since: int, until: int) -> Sequence[Record]:
        raise AssertionError("the ring holds everything")


class Gateway:
    """Made new after each crash; `end` it. `views` and `passed` outlive it: Redis, and the offsets of the group."""

    def __init__(
        self, log: Log, views: ViewStore, passed: dict[Place, int], listeners: Sequence[Listener], copy: Copy
    ) -> None:
        self._log = log
        self._listeners = listeners
        self._loop = asyncio.new_event_loop()
        self._knows = DeskView()
        self._released, self._standings = Reading(log, RELEASED), Reading(log, HEARD[2:])
        followed = Followed()
        self._health = Health(OPEN)
        logs = Logs(
            Reading(log, RELEASED[:1]),
            SharedLog(self._released, followed.apply, partial(followed.begin, self._released.positions)),
            SharedLog(self._standings, self._knows.apply, self._knows.all_loaded),
        )
        self._hub = copy.hub(
            epoch="e",
            authorize=_everyone,
            logs=logs,
            history=NoHistory(),
            options=STILL,
            health=self._health,
            now=lambda: 0.0,  # between two turns of this loop any time may pass
        )
        self._keeper = ViewsKeeper(views, self._read_log, Health(), look_every_s=NEVER)
        self._lanes = {topic: Consumer(log, topic, committed=passed) for topic in RELEASED}
        self._stories = Stories(views, self._knows)
        self._kept = ReadCache(views, self._knows, followed, clock=lambda: 0.0)  # what is kept grows never too old
        self._jobs: list[asyncio.Task[None]] = []
        self._lines: dict[str, tuple[Client, Line]] = {}

    def start(self) -> None:
        def begin() -> None:
            stop = asyncio.Event()
            self._jobs = [asyncio.create_task(job(stop)) for job in (self._hub.run, self._keeper.run)]

        self._turn(begin, TURNS)
        assert not self._health.ready()[1], "the hub opens as soon as all is read"
        self._loop.run_until_complete(self._keeper.gained(frozenset({0})))
        self._turn(lambda: None, TURNS)
        for listener in self._listeners:
            self.connect(listener)

    def end(self) -> None:
        """Leave nothing of this life running; what it writes now is heard by nobody."""
        for _, line in self._lines.values():
            line.abort()
        while tasks := asyncio.all_tasks(self._loop):
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    # --- the stream -------------------------------------------------------------------------------------

    def hear(self, topic: Topic) -> bool:
        """Take the next record of a topic into the hub; say whether there was one."""
        reading = self._released if topic in RELEASED else self._standings
        return self._turn(lambda: reading.follow_one(topic))

    def knows_kill(self, story_id: str) -> bool:
        """Tell whether this life was told that a story is killed."""
        return self._knows.kill(story_id) is not None

    def flush(self) -> None:
        """Let the moment pass for which routine releases wait for each other."""
        self._turn(self._hub.flush)

    def connect(self, listener: Listener) -> None:
        """Open a connection that goes on where the listener was; an earlier one is lost."""

        def open_one() -> None:
            if (known := self._lines.pop(listener.name, None)) is not None:
                known[1].abort()
                known[0].connection_lost(None)
            headers = {} if listener.last_id is None else {"last-event-id": listener.last_id}
            admitted = self._hub.admit(HeaderView("GET", "/v1/stream", LISTENERS[listener.name], headers))
            assert isinstance(admitted, Admission)
            line = Line(listener)
            self._lines[listener.name] = self._hub.open(admitted, line, set()), line

        self._turn(open_one)

    def fill(self, listener: Listener, full: bool) -> None:
        """Let a connection be full, or take bytes again."""
        client, _ = self._lines[listener.name]
        if full != client.full:
            self._turn(client.pause_writing if full else client.resume_writing)

    # --- the views --------------------------------------------------------------------------------------

    def view(self, topic: Topic) -> bool:
        """Hand the next record of a lane to the keeper of the views; say whether there was one."""
        lane = self._lanes[topic]
        record = lane.take()
        if record is None:
            return False
        lane.handled(record, self._loop.run_until_complete(self._keeper.handle(record)))
        return True

    def mend(self) -> None:
        """Let the keeper look after the views."""
        self._turn(self._keeper._wake.set, TURNS)

    def page(self, story_id: str) -> Page:
        """What a page shows of a story now: its newest release and its versions, or why it shows nothing."""
        return self._loop.run_until_complete(self._page(story_id))

    async def _page(self, story_id: str) -> Page:
        async def read() -> Made:
            shown = [await self._stories.story(story_id)]
            with suppress(NotFound):
                shown += await self._stories.versions(story_id)
            return Made(Representation(_PAGE.dump_json(shown)), frozenset({story_id}))

        try:
            answer = (await self._kept.get((story_id,), read)).answer
        except NotReady as refused:
            return refused
        return _PAGE.validate_json(answer.body) if isinstance(answer, Representation) else answer

    async def _read_log(
        self, take: Callable[[Record], None], between: Callable[[], Awaitable[None]] | None = None
    ) -> Position:
        """Read what is there; records that come meanwhile reach the keeper between the two parts."""
        ends = Position(*(len(self._log.of(topic)) for topic in RELEASED))
        for topic in RELEASED:
            for record in tuple(self._log.of(topic)):
                take(record)
        for topic in RELEASED:
            if (new := self._lanes[topic].take()) is not None:
                self._lanes[topic].handled(new, await self._keeper.handle(new))
        if between is not None:
            await between()
        for record in tuple(self._log.of(Topic.CURRENT)):
            take(record)
        return ends

    # --- both -------------------------------------------------------------------------------------------

    def commit(self) -> None:
        for lane in self._lanes.values():
            lane.commit()

    @property
    def at_rest(self) -> bool:
        read = self._released.at_end and self._standings.at_end
        return read and all(lane.at_rest for lane in self._lanes.values())

    def _turn(self, step: Callable[[], T], turns: int = 1) -> T:
        """Do something on the event loop, and whatever follows from it at once, in so many turns."""

        async def turn() -> T:
            done = step()
            for _ in range(turns):
                await asyncio.sleep(0)
            for job in self._jobs:
                if job.done():
                    job.result()
            return done

        return self._loop.run_until_complete(turn())


def _everyone(view: HeaderView) -> Grant:
    return Grant("sub")
