"""What was taken in and has not reached its story's state yet, or never will?"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from shared.domain.errors import Unprocessable
from shared.domain.events import Decision, DeskDecided, derived_id, parse_event
from shared.platform.logs import logger
from shared.platform.records import Record
from shared.platform.topics import Topic

REMEMBERED: Final = 100_000
FILED: Final = (Topic.RECEIVED, Topic.RECEIVED_FLASH)
DECIDED: Final = (Topic.INBOX, Topic.INBOX_FLASH)
DEAD: Final = (Topic.DEAD_ENRICH, Topic.DEAD_MODERATION)
"""Where a filing or a decision ends that nobody could process. What ingest parks has no receipt."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One input on its way: a filing, or a decision with what was decided."""

    event_id: str
    story_id: str
    version: int | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """One input that was parked, and why."""

    story_id: str
    reason: str


class InTransit:
    """The newest inputs by event id, fed by Tails of the received, inbox and dead-letter topics."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, Taken] = OrderedDict()
        self._parked: OrderedDict[str, Parked] = OrderedDict()
        self._of_story: dict[str, int] = {}
        self._decisions: dict[str, Taken] = {}
        self._waiters: dict[str, asyncio.Event] = {}

    def apply(self, record: Record) -> None:
        """Take a record of a received, inbox or dead-letter topic; it is known by its `ce_id` header."""
        event_id = record.headers.get("ce_id", b"").decode("utf-8", "replace")
        if not event_id or record.key is None:
            return
        if record.topic in FILED:
            self.take(Taken(event_id, record.key, _version(record.value)))
        elif record.topic in DECIDED and record.headers.get("ce_type") == b"desk.decided":
            self._decided(record)
        elif record.topic in DEAD:
            reason = record.headers.get("dlq-reason", b"").decode("utf-8", "replace")
            self._parked[event_id] = Parked(record.key, reason)
            _trim(self._parked)

    def take(self, taken: Taken) -> None:
        """Remember an input; the oldest is forgotten."""
        if taken.event_id in self._taken:
            return
        self._taken[taken.event_id] = taken
        self._of_story[taken.story_id] = self._of_story.get(taken.story_id, 0) + 1
        for known in (taken.story_id, taken.event_id):
            if waiter := self._waiters.pop(known, None):
                waiter.set()
        if taken.decision is not None and taken.decision.decision_id == taken.event_id:
            self._decisions[taken.event_id] = taken
        if len(self._taken) > REMEMBERED:
            self._forget_oldest()

    def taken(self, event_id: str) -> Taken | None:
        return self._taken.get(event_id)

    def decision(self, decision_id: str) -> Taken | None:
        """The input that asked for a decision."""
        return self._decisions.get(decision_id)

    def decisions(self) -> list[Taken]:
        return list(self._decisions.values())

    def parked(self, event_id: str) -> Parked | None:
        """Why an input was parked, before or after it was enriched."""
        return self._parked.get(event_id) or self._parked.get(derived_id("enrich", event_id))

    def has_story(self, story_id: str) -> bool:
        """Tell whether anything under this id is or was on its way lately."""
        return story_id in self._of_story

    async def until_story(self, story_id: str, within: float) -> bool:
        """Tell whether anything under this id is or was on its way lately, once it is or after `within` seconds."""
        if not self.has_story(story_id):
            await self._until(story_id, within)
        return self.has_story(story_id)

    async def until_taken(self, event_id: str, within: float) -> None:
        """Return once an input is on its way, at the latest after `within` seconds."""
        if event_id not in self._taken:
            await self._until(event_id, within)

    async def _until(self, known: str, within: float) -> None:
        waiter = self._waiters.setdefault(known, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await waiter.wait()
        if self._waiters.get(known) is waiter:
            del self._waiters[known]

    def _decided(self, record: Record) -> None:
        try:
            event = parse_event(record.value)
        except Unprocessable as error:
            logger().error("decision.unreadable", topic=record.topic, offset=record.offset, error=type(error).__name__)
            return
        if isinstance(event, DeskDecided):
            self.take(Taken(event.event_id, event.story_id, event.data.version, event.data))

    def _forget_oldest(self) -> None:
        event_id, taken = self._taken.popitem(last=False)
        self._decisions.pop(event_id, None)
        self._of_story[taken.story_id] -= 1
        if not self._of_story[taken.story_id]:
            del self._of_story[taken.story_id]


def _version(value: bytes | None) -> int | None:
    try:
        version = orjson.loads(value or b"")["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, int) else None


def _trim(remembered: "OrderedDict[str, Parked]") -> None:
    if len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
