"""Which embargoes are due, which first, and when is the next one? Pure but for what it remembers."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.domain.state import Stage, StoryState

AFTER_T0: Final = timedelta(milliseconds=5)
"""The broker cuts append times to milliseconds, and its clock is known to about one: later than T0 for certain."""

AGAIN_AFTER: Final = timedelta(seconds=1)

IsEmbargoed = Callable[[str, int], bool]


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A version whose embargo is over at `due_at`; of many the most urgent comes first, then the earliest."""

    urgency: int
    due_at: datetime
    story_id: str
    version: int


class Agenda:
    """Every embargo of the owned stories. A lift that was given out is given out again until it shows in the state.

    `is_embargoed(story_id, version)` tells whether the version still waits, at whatever time.
    """

    def __init__(self, is_embargoed: IsEmbargoed) -> None:
        self._is_embargoed = is_embargoed
        self._waiting: list[tuple[datetime, Due]] = []
        self._planned: dict[tuple[str, int], Due] = {}

    def __len__(self) -> int:
        """Count the embargoes that are planned."""
        return len(self._planned)

    def plan(self, state: StoryState) -> bool:
        """Take in a story's embargoes as they are now; tell whether the next time may have become earlier."""
        planned = False
        for version in state.versions.values():
            if version.stage is not Stage.EMBARGOED or version.embargo_until is None:
                continue
            due = Due(version.urgency, version.embargo_until, state.story_id, version.version)
            if self._planned.get((due.story_id, due.version)) != due:
                self._planned[due.story_id, due.version] = due
                heapq.heappush(self._waiting, (due.due_at + AFTER_T0, due))
                planned = True
        return planned

    def next_at(self) -> datetime | None:
        """Return when there is something to do next; None when nothing is planned."""
        self._drop_done()
        return self._waiting[0][0] if self._waiting else None

    def due(self, now: datetime) -> list[Due]:
        """Return what is due, the most urgent first; each comes again a second later unless it is done by then."""
        found: set[Due] = set()
        while (at := self.next_at()) is not None and at <= now:
            _, due = heapq.heappop(self._waiting)
            found.add(due)
        for due in found:
            heapq.heappush(self._waiting, (now + AGAIN_AFTER, due))
        return sorted(found)

    def _drop_done(self) -> None:
        while self._waiting:
            _, due = self._waiting[0]
            key = (due.story_id, due.version)
            current = self._planned.get(key) == due
            if current and self._is_embargoed(*key):
                return
            heapq.heappop(self._waiting)
            if current:
                del self._planned[key]
