"""An ingest door without broker and network: small ports that keep what they were given."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

from services.ingest.app import Intake, create_app
from services.ingest.handlers import Door
from services.ingest.proposals import Proposals
from services.ingest.quota import FlashQuota
from shared.domain.errors import Unprocessable
from shared.domain.events import DeskDecided, StoryReceived, parse_event
from shared.domain.keys import hash_key
from shared.domain.state import Principal, StoryState
from shared.platform.clock import FixedClock
from shared.platform.health import Health
from shared.platform.publishing import Appended, PublishTimeout
from shared.platform.topics import Topic

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = "sl_local_desk"
NINJS = {
    "uri": "urn:newsml:courier.example:1",
    "type": "text",
    "headlines": [{"value": "Ferry line reopens"}],
    "bodies": [{"contentType": "text/plain", "value": "The ferry sails again."}],
}


def principal(key: str, *scopes: str, source: str = "desk") -> Principal:
    return Principal.model_validate(
        {
            "key_id": f"key_{key}",
            "hash": hash_key(key),
            "prefix": key[:8],
            "person": "Dana",
            "source": source,
            "scopes": scopes,
            "created_at": NOON,
        }
    )


@dataclass
class Log:
    """Appends, unless the broker is away."""

    away: bool = False
    appended: list[tuple[Topic, str, bytes]] = field(default_factory=list)
    parked: list[tuple[str, bytes, str]] = field(default_factory=list)

    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        deadline: float | None = None,
    ) -> Appended:
        if self.away:
            raise PublishTimeout("no confirmation")
        assert value is not None
        self.appended.append((topic, key, value))
        return Appended(topic, 0, len(self.appended) - 1, 0)

    async def park_bytes(self, key: str, value: bytes, error: Unprocessable, stage: str = "") -> Appended:
        if self.away:
            raise PublishTimeout("no confirmation")
        self.parked.append((key, value, str(error)))
        return Appended(Topic.DEAD_INGEST, 0, 0, 0)

    def filings(self) -> list[StoryReceived]:
        events = [parse_event(value) for _, _, value in self.appended]
        return [event for event in events if isinstance(event, StoryReceived)]

    def decisions(self) -> list[DeskDecided]:
        events = [parse_event(value) for _, _, value in self.appended]
        return [event for event in events if isinstance(event, DeskDecided)]


@dataclass
class Memory:
    """First answers, until somebody empties it."""

    kept: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    async def first(self, source: str, key: str) -> dict[str, Any] | None:
        return self.kept.get((source, key))

    async def keep(self, source: str, key: str, answer: dict[str, Any]) -> None:
        self.kept.setdefault((source, key), answer)


@dataclass
class States:
    """What the desk is said to know."""

    known: dict[str, StoryState] = field(default_factory=dict)

    def of(self, story_id: str) -> StoryState | None:
        return self.known.get(story_id)

    def has_answered(self, story_id: str, event_id: str) -> bool:
        state = self.known.get(story_id)
        return state is not None and state.entry(event_id) is not None


@dataclass
class IngestBench:
    log: Log = field(default_factory=Log)
    answers: Memory = field(default_factory=Memory)
    states: States = field(default_factory=States)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    flash_quota: int = 3
    keys_known: bool = True

    def __post_init__(self) -> None:
        self.proposals = Proposals(self.states)
        self.door = Door(self.log, self.proposals, FlashQuota(self.flash_quota, lambda: 0.0), self.clock, 4.0)
        keys = {
            KEY: principal(KEY, "desk"),
            "sl_local_wire": principal("sl_local_wire", "desk", source="courier"),
            "sl_local_reader": principal("sl_local_reader", "subscriber"),
            "sl_local_editor": principal("sl_local_editor", "editor"),
        }
        intake = Intake(self.door, self.log, self.answers, keys.get, lambda: self.keys_known, asyncio.Semaphore(4))
        self.app = create_app(intake, Health())

    @asynccontextmanager
    async def client(self, key: str | None = KEY) -> AsyncIterator[httpx2.AsyncClient]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://ingest", headers=headers) as client:
            yield client
