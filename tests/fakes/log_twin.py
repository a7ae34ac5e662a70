"""What stands in for a Kafka cluster under the real loop: logs, groups and consumers in memory, their quirks included.

`LogTwin.open_consumer` goes into `consume(..., open_consumer=)`. The quirks: rebalances are eager and learnt of by
heartbeat; a group waits for its members until their rebalance timeout; a static member that comes again takes the
place of the one before, which is told at its next heartbeat; nobody fences a commit without a group; `pause` does not
take back what is fetched; who is not assigned by hand waits for that whatever the timeout; while the log is away
everything waits and is sent again.
"""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import CommitFailedError, IllegalStateError, OffsetMetadataTooLargeError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from shared.platform.publishing import Appended
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name

FETCH_AT_ONCE = 500
HEARTBEATS_PER_SESSION = 12

Commit = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """One record, with the names that aiokafka's have."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


@dataclass(eq=False)
class Member:
    """Somebody in a group, as the group knows it."""

    member_id: str
    instance: str | None
    topics: tuple[str, ...]
    session: float
    patience: float
    heard_at: float
    joined: asyncio.Future[tuple[int, frozenset[TopicPartition]]] | None = None
    assigned: frozenset[TopicPartition] = frozenset()


@dataclass
class Group:
    """One consumer group: who is in, which generation it is, what is committed."""

    offsets: dict[TopicPartition, Commit] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    generation: int = 0
    preparing_until: float | None = None


class LogTwin:
    """A cluster in memory, for the tests of one event loop."""

    def __init__(self) -> None:
        self._logs: dict[str, list[list[Stored]]] = {}
        self._groups: defaultdict[str, Group] = defaultdict(Group)
        self._numbers = itertools.count(1)
        self._moved = asyncio.Event()
        self._there = asyncio.Event()
        self._there.set()
        self.longest_note = 4_096

    # What a test does

    def make_topic(self, topic: str, partitions: int) -> None:
        self._logs[topic] = [[] for _ in range(partitions)]

    def append(
        self, kafka: KafkaSettings, topic: Topic, partition: int, key: str | None, value: bytes | None
    ) -> Appended:
        log = self._logs[name(topic, kafka.topic_prefix)][partition]
        now = time.time_ns() // 1_000_000
        log.append(Stored(partition, len(log), None if key is None else key.encode(), value, (), now))
        self.wake()
        return Appended(topic, partition, len(log) - 1, now)

    def commit(self, group: str, offsets: Mapping[TopicPartition, Commit]) -> None:
        """As an operator does, to a group without members."""
        self._groups[group].offsets.update(offsets)

    def committed(self, group: str) -> Mapping[TopicPartition, Commit]:
        return self._groups[group].offsets

    def go_away(self) -> None:
        """From here on nothing is answered."""
        self._there.clear()

    def come_back(self) -> None:
        self._there.set()

    async def open_consumer(self, kafka: KafkaSettings, **settings: Any) -> "ConsumerTwin":
        return ConsumerTwin(self, settings)

    # What a consumer asks

    async def reached(self) -> None:
        """Return once the log answers."""
        await self._there.wait()
        await asyncio.sleep(0)

    def partitions(self, topic: str) -> int:
        return len(self._logs.get(topic, ()))

    def read(self, at: TopicPartition, offset: int) -> Sequence[Stored]:
        log = self._logs[at.topic][at.partition]
        if offset > len(log):
            raise OffsetOutOfRangeError({at: offset})
        return log[offset : offset + FETCH_AT_ONCE] if self._there.is_set() else ()

    def wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def something(self) -> None:
        """Return when a log or an assignment has changed."""
        await self._moved.wait()

    # The coordinator of a group

    def enter(self, group_id: str, member: Member) -> bool:
        """Take a member in; whether it took the place of one before it in a group that goes on."""
        group = self._groups[group_id]
        namesakes = (one for one in group.members.values() if member.instance and one.instance == member.instance)
        before = next(namesakes, None)
        member.member_id = f"member-{next(self._numbers)}"
        if before is not None:
            del group.members[before.member_id]
            member.assigned = before.assigned
        group.members[member.member_id] = member
        return before is not None and group.preparing_until is None and before.topics == member.topics

    async def join(self, group_id: str, member: Member) -> tuple[int, frozenset[TopicPartition]]:
        """Wait for the others, for as long as the longest patience, then share the partitions out."""
        group, loop = self._groups[group_id], asyncio.get_running_loop()
        if group.preparing_until is None:
            patience = max(one.patience for one in group.members.values())
            group.preparing_until = loop.time() + patience
        joined: asyncio.Future[tuple[int, frozenset[TopicPartition]]] = loop.create_future()
        member.joined = joined
        while not joined.done():
            self._complete_when_ready(group, loop.time())
            await asyncio.wait({joined}, timeout=member.session / HEARTBEATS_PER_SESSION)
        return joined.result()

    def heartbeat(self, group_id: str, member: Member) -> str:
        """Return ok, rebalance or unknown."""
        group = self._groups[group_id]
        if group.members.get(member.member_id) is not member:
            return "unknown"
        member.heard_at = time.monotonic()
        if self._miss(group) and group.preparing_until is None:
            group.preparing_until = asyncio.get_running_loop().time() + member.patience
        return "ok" if group.preparing_until is None else "rebalance"

    def generation(self, group_id: str) -> int:
        return self._groups[group_id].generation

    def commit_as(self, group_id: str, member: Member | None, generation: int, offsets: Mapping[Any, Commit]) -> None:
        """Raises what aiokafka makes of the broker's answer."""
        group = self._groups[group_id]
        if member is not None and (group.members.get(member.member_id) is not member or group.generation != generation):
            raise CommitFailedError("the group has already rebalanced")
        if any(len(note) > self.longest_note for _, note in offsets.values()):
            raise OffsetMetadataTooLargeError()
        group.offsets.update(offsets)

    def _miss(self, group: Group) -> bool:
        """Forget members whose session has ended; whether there were any."""
        now = time.monotonic()
        silent = [one for one in group.members.values() if now - one.heard_at > one.session]
        for one in silent:
            del group.members[one.member_id]
        return bool(silent)

    def _complete_when_ready(self, group: Group, now: float) -> None:
        self._miss(group)
        awaited = [one for one in group.members.values() if one.joined is None]
        if group.preparing_until is None or (awaited and now < group.preparing_until):
            return
        for one in awaited:
            del group.members[one.member_id]
        group.generation += 1
        group.preparing_until = None
        members = list(group.members.values())
        for position, one in enumerate(members):
            places = (TopicPartition(topic, at) for topic in one.topics for at in range(self.partitions(topic)))
            one.assigned = frozenset(place for place in places if place.partition % len(members) == position)
            joined, one.joined = one.joined, None
            assert joined is not None
            joined.set_result((group.generation, one.assigned))


class ConsumerTwin:
    """`shared.platform.consumers.Consumer` over a `LogTwin`."""

    def __init__(self, log: LogTwin, settings: Mapping[str, Any]) -> None:
        self._log = log
        self._group: str | None = settings.get("group_id")
        self._instance: str | None = settings.get("group_instance_id")
        self._session = settings.get("session_timeout_ms", 10_000) / 1000
        self._patience = settings.get("rebalance_timeout_ms", 10_000) / 1000
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._unassigned = True  # not the same as being assigned nothing
        self._turns: list[TopicPartition] = []  # who has waited longest is drained first
        self._position: dict[TopicPartition, int] = {}
        self._fetched: dict[TopicPartition, list[Stored]] = {}
        self._paused: set[TopicPartition] = set()
        self._member: Member | None = None
        self._generation = -1
        self._tasks: list[asyncio.Task[None]] = []
        self._rejoin = asyncio.Event()
        self._sending: Callable[[], float] = time.monotonic
        self._accepted: Callable[[float], None] = lambda at: None
        self._gone: Callable[[], None] = lambda: None
        self._allowed: Callable[[], bool] = lambda: True

    # Owning

    def subscribe(self, topics: Sequence[str], *, listener: Any) -> None:
        assert self._group is not None
        self._member = Member("", self._instance, tuple(topics), self._session, self._patience, time.monotonic())
        self._tasks.append(asyncio.create_task(self._coordinate(self._group, self._member, listener)))

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self._take(frozenset(places))

    def unsubscribe(self) -> None:
        self._take(frozenset())
        self._unassigned = True

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    def _take(self, places: frozenset[TopicPartition]) -> None:
        self._assigned = places
        self._unassigned = False
        self._turns = sorted(places)
        self._position, self._fetched, self._paused = {}, {}, set()
        self._log.wake()

    async def _coordinate(self, group: str, member: Member, listener: Any) -> None:
        await self._log.reached()
        in_place = self._log.enter(group, member)
        heart = asyncio.create_task(self._beat(group, member))
        self._tasks.append(heart)
        await listener.on_partitions_revoked(set())
        while not heart.done():
            if in_place:
                self._generation, places = self._log.generation(group), member.assigned
                in_place = False
            else:
                self._generation, places = await self._log.join(group, member)
            self._take(places)
            await listener.on_partitions_assigned(set(places))
            rejoin = asyncio.create_task(self._rejoin.wait())
            await asyncio.wait({rejoin, heart}, return_when=asyncio.FIRST_COMPLETED)
            rejoin.cancel()
            if heart.done():
                return
            self._rejoin.clear()
            await listener.on_partitions_revoked(set(places))

    async def _beat(self, group: str, member: Member) -> None:
        while True:
            sent_at = self._sending()
            await self._log.reached()
            answer = self._log.heartbeat(group, member)
            if answer == "unknown":
                self._gone()
                return
            self._accepted(sent_at)
            if answer == "rebalance" and member.joined is None:
                self._rejoin.set()
            await asyncio.sleep(self._session / HEARTBEATS_PER_SESSION)

    def watch(self, sending: Callable[[], float], accepted: Callable[[float], None], gone: Callable[[], None]) -> None:
        self._sending, self._accepted, self._gone = sending, accepted, gone

    def check(self) -> None: ...

    # Reading

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._position[place] = offset
        self._fetched.pop(place, None)
        self._log.wake()

    def pause(self, *places: TopicPartition) -> None:
        self._paused.update(places)

    def resume(self, *places: TopicPartition) -> None:
        self._paused.difference_update(places)
        self._log.wake()

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Stored]]:
        while self._unassigned:  # whatever the timeout
            await self._log.something()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_ms / 1000 if timeout_ms else None):
                while not (drained := self._drain(max_records)) and timeout_ms:
                    await self._log.something()
                return drained
        return {}

    def _drain(self, max_records: int) -> dict[TopicPartition, list[Stored]]:
        drained: dict[TopicPartition, list[Stored]] = {}
        for place in list(self._turns):
            fetched = self._fetched.get(place, [])
            if not fetched and place in self._position and place not in self._paused:
                fetched = list(self._log.read(place, self._position[place]))
            taken, self._fetched[place] = fetched[:max_records], fetched[max_records:]
            if taken:
                drained[place] = taken
                self._position[place] = taken[-1].offset + 1
                max_records -= len(taken)
                self._turns.remove(place)
                self._turns.append(place)
        return drained

    # Committing, asking, ending

    async def offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Commit]:
        assert self._group is not None
        await self._log.reached()
        known = self._log.committed(self._group)
        return {place: known[place] for place in places if place in known}

    async def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        await self._log.reached()
        return {topic: self._log.partitions(topic) for topic in topics}

    def commit_only(self, allowed: Callable[[], bool]) -> None:
        self._allowed = allowed

    async def commit(self, offsets: Mapping[TopicPartition, Commit]) -> None:
        assert self._group is not None
        if not set(offsets) <= self.assignment():
            raise IllegalStateError("not assigned")
        await self.way_of_commits()
        await self._log.reached()
        if not self._allowed():
            raise CommitFailedError("not allowed")
        self._log.commit_as(self._group, self._member, self._generation, offsets)

    async def way_of_commits(self) -> None:
        """What a commit goes through before it is sent; for tests that hold it up."""

    async def stop(self) -> None:
        """A static member does not leave; its group misses it when its session ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
