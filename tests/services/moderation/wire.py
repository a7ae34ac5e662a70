"""Moderation's ports in memory: what was written stays, in order; any write can be made to fail."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.moderation.handlers import Desk, read
from services.moderation.ownership import Owner
from services.moderation.state_book import StateBook
from services.moderation.story_queue import StoryQueue
from shared.domain.events import (
    DeskDecided,
    EmbargoDue,
    Event,
    Lift,
    StoryEnriched,
    StoryReleased,
    derived_id,
    encode_event,
)
from shared.domain.state import KillRecord, StoryState, StoryText, TextRef
from shared.platform.clock import FixedClock
from shared.platform.health import Health
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.domain.stories import NOON, STORY, deciding, enriched

PARTITION = 3
TEXT, KILL, STATE, OUT, DROP = "text", "kill", "state", "out", "drop"


class Crash(Exception):
    """The process died here."""


@dataclass
class Wire:
    """The topics. The process dies once, at the write `crash_at` writes from now; `arrives`: whether that one does."""

    effects: list[str] = field(default_factory=list)
    texts: list[StoryText | None] = field(default_factory=list)
    states: dict[str, StoryState] = field(default_factory=dict)
    kills: dict[str, KillRecord] = field(default_factory=dict)
    released: list[StoryReleased] = field(default_factory=list)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    crash_at: int | None = None
    arrives: bool = True

    def _written(self, kind: str, write: Callable[[], None]) -> None:
        dies = self.crash_at == 0
        self.crash_at = None if self.crash_at is None or dies else self.crash_at - 1
        if not dies or self.arrives:
            write()
            self.effects.append(kind)
        if dies:
            raise Crash(kind)

    async def keep_text(self, text: StoryText) -> TextRef:
        self._written(TEXT, lambda: self.texts.append(text))
        return TextRef(partition=PARTITION, offset=len(self.texts) - 1)

    async def keep_kill(self, record: KillRecord) -> None:
        self._written(KILL, lambda: self.kills.update({record.story_id: record}))

    async def keep_state(self, state: StoryState) -> None:
        self._written(STATE, lambda: self.states.update({state.story_id: state}))

    async def put_out(self, event: StoryReleased) -> None:
        self._written(OUT, lambda: self.released.append(event))

    async def keep_current(self, event: StoryReleased) -> None:
        raise AssertionError("nobody else writes here, so nothing is to be written again")

    async def follow(self, see: Callable[[Record], None]) -> None:
        raise AssertionError("nobody else writes here, so nobody is looked out for")

    async def drop_texts(self, story_id: str, versions: Collection[int]) -> None:
        def drop() -> None:
            for place, text in enumerate(self.texts):
                if text and text.story_id == story_id and text.version in versions:
                    self.texts[place] = None

        self._written(DROP, drop)

    async def fetch(self, ref: TextRef) -> StoryText | None:
        return self.texts[ref.offset]

    async def load(
        self,
        partitions: frozenset[int],
        state: Callable[[int, StoryState], None],
        kill: Callable[[int, KillRecord], None],
    ) -> None:
        for one in self.states.values():
            state(PARTITION, StoryState.model_validate_json(one.model_dump_json()))
        for record in self.kills.values():
            kill(PARTITION, record)

    async def committed(self, partitions: frozenset[int]) -> Mapping[tuple[str, int], int]:
        return self.offsets

    def kept(self, version: int) -> StoryText | None:
        """Return the newest text kept of a version, if it was not dropped."""
        return next((text for text in reversed(self.texts) if text and text.version == version), None)


class Process:
    """One life of the moderation service over a wire: owns everything, takes records, can be succeeded."""

    def __init__(self, wire: Wire, clock: FixedClock | None = None) -> None:
        self.wire = wire
        self.book = StateBook()
        self.desk = Desk(self.book, wire, wire, clock or FixedClock(NOON))
        self.health = Health()
        self.owner = Owner(self.book, wire, self.desk, StoryQueue(), self.health)

    async def own(self) -> "Process":
        await self.owner.gained(frozenset({PARTITION}))
        return self

    async def take(self, *records: Record) -> None:
        """Handle records, and pass the offset of each one that was finished."""
        for one in records:
            await self.desk.handle(one, read(one))
            self.wire.offsets[one.topic.value, one.partition] = one.offset + 1

    def state(self) -> StoryState:
        return self.book.of(STORY)


class Inbox:
    """Makes records as they would lie on the inbox topics, each at the next offset."""

    def __init__(self) -> None:
        self._next: dict[Topic, int] = {}

    def filing(
        self,
        event_id: str,
        text: str = "one",
        *,
        version: int = 1,
        at: datetime = NOON,
        accepted: int = 1_000_000,
        **more: object,
    ) -> Record:
        event = StoryEnriched(
            event_id=event_id,
            story_id=STORY,
            version=version,
            occurred_at=at,
            producer="enrich",
            stage_times={"accepted": accepted, "enriched": 2_000_000},
            data=enriched(text, **more),
        )
        return self.record(Topic.INBOX, event, at)

    def decision(self, event_id: str, action: str, *, at: datetime = NOON, **more: object) -> Record:
        given = deciding(event_id, action, **more)  # type: ignore[arg-type]  # the builder's own keywords
        event = DeskDecided(event_id=event_id, story_id=STORY, occurred_at=at, producer="gateway", data=given.decision)
        return self.record(Topic.INBOX_FLASH, event, at)

    def lift(self, version: int, due_at: datetime, *, at: datetime) -> Record:
        event = EmbargoDue(
            event_id=derived_id(STORY, str(version), due_at.isoformat()),
            story_id=STORY,
            version=version,
            occurred_at=at,
            producer="moderation",
            data=Lift(due_at=due_at),
        )
        return self.record(Topic.LIFTS, event, at)

    def record(self, topic: Topic, event: Event, at: datetime = NOON) -> Record:
        return self.raw(topic, encode_event(event), at)

    def raw(self, topic: Topic, value: bytes | None, at: datetime = NOON, key: str = STORY) -> Record:
        offset = self._next.get(topic, 0)
        self._next[topic] = offset + 1
        return Record(topic, PARTITION, offset, key, value, {}, round(at.timestamp() * 1000))
