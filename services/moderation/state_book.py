"""What does this process know of the stories it owns? Their states, unfinished kills, and outputs not yet confirmed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from shared.domain.state import KillRecord, Stage, StoryState
from shared.platform.metrics import STORIES_HELD

WAITING: Final = (Stage.HELD, Stage.EMBARGOED)

Watcher = Callable[[StoryState], None]


class StateBook:
    """States of the owned partitions, in memory; whoever watches is told of every state that is taken in."""

    def __init__(self) -> None:
        self._states: dict[str, StoryState] = {}
        self._kills: dict[str, KillRecord] = {}
        self._owned: dict[int, set[str]] = {}
        self._unsettled: set[str] = set()
        self._watchers: list[Watcher] = []
        self._waiting: Counter[Stage] = Counter()

    def __len__(self) -> int:
        """Count the stories known."""
        return len(self._states)

    def watch(self, watcher: Watcher) -> None:
        self._watchers.append(watcher)

    def of(self, story_id: str) -> StoryState:
        """Return the state as last written; an empty one for a story nothing is known of."""
        return self._states.get(story_id) or StoryState(story_id=story_id)

    def put(self, partition: int, state: StoryState) -> None:
        self._count(self._states.get(state.story_id), -1)
        self._count(state, 1)
        self._states[state.story_id] = state
        self._owned.setdefault(partition, set()).add(state.story_id)
        for watcher in self._watchers:
            watcher(state)

    def put_kill(self, partition: int, record: KillRecord) -> None:
        """Remember a kill; where the state does not have it yet, the story counts as killed all the same."""
        self._kills.setdefault(record.story_id, record)
        self._owned.setdefault(partition, set()).add(record.story_id)

    def knows(self, story_id: str) -> bool:
        """Tell whether a state of the story was ever written, as far as this process can know."""
        return story_id in self._states

    def knows_kill(self, story_id: str) -> bool:
        """Tell whether the story's kill is recorded already."""
        return story_id in self._kills

    def kill(self, story_id: str) -> KillRecord | None:
        """Return the kill as it was recorded."""
        return self._kills.get(story_id)

    def unfinished_kill(self, story_id: str) -> KillRecord | None:
        """Return the kill that was recorded but never reached the state: a crash came between."""
        return None if self.of(story_id).killed else self._kills.get(story_id)

    def owed(self, story_id: str) -> None:
        """Note that what the newest entry implies may not be on the wire yet."""
        self._unsettled.add(story_id)

    def settled(self, story_id: str) -> None:
        self._unsettled.discard(story_id)

    def is_owed(self, story_id: str) -> bool:
        return story_id in self._unsettled

    def stories(self, partitions: Iterable[int]) -> Iterator[StoryState]:
        """Give the states of these partitions; safe while states are put."""
        for partition in partitions:
            for story_id in list(self._owned.get(partition, ())):
                if story_id in self._states:
                    yield self._states[story_id]

    def all(self) -> list[StoryState]:
        """Return the states of every partition that is owned."""
        return list(self._states.values())

    def partition_of(self, story_id: str) -> int | None:
        """Return the partition in which a known story lies."""
        return next((number for number, stories in self._owned.items() if story_id in stories), None)

    def forget(self, partitions: Iterable[int]) -> None:
        """Drop everything known of these partitions; somebody else owns them now."""
        for partition in partitions:
            for story_id in self._owned.pop(partition, ()):
                self._count(self._states.pop(story_id, None), -1)
                self._kills.pop(story_id, None)
                self._unsettled.discard(story_id)

    def waiting(self, stage: Stage) -> int:
        """Count the versions that wait in this stage (held or embargoed)."""
        return self._waiting[stage]

    def _count(self, state: StoryState | None, step: int) -> None:
        if state is None:
            return
        for version in state.versions.values():
            if version.stage in WAITING and not state.killed:
                self._waiting[version.stage] += step
                STORIES_HELD.labels(version.stage).set(self._waiting[version.stage])

    def is_embargoed(self, story_id: str, version: int) -> bool:
        """Tell whether a version still waits for its time; not once its story is killed or is somebody else's."""
        state = self._states.get(story_id)
        if state is None or state.killed or story_id in self._kills:
            return False
        known = state.versions.get(version)
        return known is not None and known.stage is Stage.EMBARGOED
