"""What does the desk know of every story? States and kills, in memory, found by story, input or decision."""

import asyncio
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

from pydantic import ValidationError

from shared.domain.events import derived_id
from shared.domain.state import Applied, KillRecord, Stage, StoryState
from shared.platform.logs import logger
from shared.platform.records import Record
from shared.platform.topics import Topic

CHANGES_REMEMBERED: Final = 1000


class DeskView:
    """Fed by a Tail of `story.state` and `story.killed`. Also the gate of what is shown: a kill counts at once.

    `revision` counts the changes to what may be shown: kills, withholds and their ends.
    """

    def __init__(self) -> None:
        self._states: dict[str, StoryState] = {}
        self._kills: dict[str, KillRecord] = {}
        self._story_of_input: dict[str, str] = {}
        self._story_of_decision: dict[str, str] = {}
        self._open: set[str] = set()
        self._waiters: dict[str, asyncio.Event] = {}
        self._changed: deque[str] = deque(maxlen=CHANGES_REMEMBERED)
        self.revision = 0
        self.loaded = False

    def all_loaded(self) -> None:
        """All that was in the topics at the start is known: from here on the gate may be believed."""
        self.loaded = True

    def apply(self, record: Record) -> None:
        """Take one record; one that does not validate is logged and passed over."""
        if record.value is None:
            return
        try:
            if record.topic is Topic.KILLED:
                self._bury(KillRecord.model_validate_json(record.value))
            else:
                self._know(StoryState.model_validate_json(record.value))
        except ValidationError as error:
            logger().error("desk.unreadable", topic=record.topic, offset=record.offset, error=type(error).__name__)

    def state(self, story_id: str) -> StoryState | None:
        """What is known of a story; None before its first input was taken."""
        return self._states.get(story_id)

    def kill(self, story_id: str) -> KillRecord | None:
        """The kill of a story, if there was one."""
        return self._kills.get(story_id)

    def changed_since(self, revision: int) -> frozenset[str] | None:
        """The stories that were killed, withheld or let go since `revision`; None when that is too long ago."""
        changes = self.revision - revision
        if changes > len(self._changed):
            return None
        return frozenset(islice(reversed(self._changed), changes))

    def entry(self, event_id: str) -> tuple[StoryState, Applied] | None:
        """What became of an input, by its own id or (for a filing) by the id its enrichment had."""
        for known in (event_id, derived_id("enrich", event_id)):
            state = self._states.get(self._story_of_input.get(known, ""))
            if state is not None and (entry := state.entry(known)) is not None:
                return state, entry
        return None

    def deciding(self, decision_id: str) -> StoryState | None:
        """The story a decision is about, once it was taken."""
        return self._states.get(self._story_of_decision.get(decision_id, ""))

    def decisions(self) -> Iterator[tuple[str, StoryState]]:
        """Every decision that is remembered, with its story."""
        for decision_id, story_id in self._story_of_decision.items():
            yield decision_id, self._states[story_id]

    def open(self) -> list[StoryState]:
        """The stories that wait for somebody or for a time."""
        return [self._states[story_id] for story_id in self._open]

    async def until(self, event_id: str, within: float) -> None:
        """Return when an input was taken, at the latest after `within` seconds."""
        if self.entry(event_id) is not None:
            return
        waiter = self._waiters.setdefault(event_id, asyncio.Event())
        try:
            async with asyncio.timeout(within):
                await waiter.wait()
        except TimeoutError:
            return
        finally:
            self._waiters.pop(event_id, None)

    def _know(self, state: StoryState) -> None:
        before = self._states.get(state.story_id)
        self._states[state.story_id] = state
        if state.killed:
            self._bury(state.killed)
        if _withheld_at(before) != _withheld_at(state):
            self._change(state.story_id)
        if before is not None and before.applied[:1] != state.applied[:1]:
            self._forget(before, state)
        for entry in reversed(state.applied):
            if self._story_of_input.get(entry.event_id) == state.story_id:
                break  # all older ones are known
            self._story_of_input[entry.event_id] = state.story_id
            if entry.decision_id:
                self._story_of_decision[entry.decision_id] = state.story_id
            if waiter := self._waiters.get(entry.event_id):
                waiter.set()
        if is_open(state):
            self._open.add(state.story_id)
        else:
            self._open.discard(state.story_id)

    def _bury(self, kill: KillRecord) -> None:
        if self._kills.get(kill.story_id) != kill:
            self._change(kill.story_id)
        self._kills[kill.story_id] = kill

    def _change(self, story_id: str) -> None:
        self.revision += 1
        self._changed.append(story_id)

    def _forget(self, before: StoryState, now: StoryState) -> None:
        kept = {entry.event_id for entry in now.applied}
        decisions = {entry.decision_id for entry in now.applied}
        for entry in before.applied:
            if entry.event_id not in kept:
                self._story_of_input.pop(entry.event_id, None)
            if entry.decision_id and entry.decision_id not in decisions:
                self._story_of_decision.pop(entry.decision_id, None)


def _withheld_at(state: StoryState | None) -> int:
    return state.release_no if state is not None and state.withheld else 0


def is_open(state: StoryState) -> bool:
    """Tell whether a story waits for a person or for a time."""
    if state.killed:
        return False
    waiting = (Stage.HELD, Stage.EMBARGOED)
    return state.pending is not None or any(version.stage in waiting for version in state.versions.values())
