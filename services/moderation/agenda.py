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

WINDOW: Final = 128
"""Lifts under way at once. What is sent cannot be put in order any more, so of many the rest waits here, by urgency."""

IsEmbargoed = Callable[[str, int], bool]
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A version whose embargo is over at `due_at`; of many the most urgent comes first, then the earliest."""

    urgency: int
    due_at: datetime
    story_id: str
    version: int

    @property
    def key(self) -> _Key:
        return self.story_id, self.version


class Agenda:
    """Every embargo of the owned stories. A lift that was given out is given out again until it shows in the state.

    `is_embargoed(story_id, version)` tells whether the version still waits, at whatever time.
    """

    def __init__(self, is_embargoed: IsEmbargoed, window: int = WINDOW) -> None:
        self._is_embargoed = is_embargoed
        self._window = window
        self._planned: dict[_Key, Due] = {}
        self._waiting: list[tuple[datetime, Due]] = []  # by time: not due yet
        self._ready: list[Due] = []  # by urgency: due, and waiting for room
        self._sent: dict[_Key, datetime] = {}  # until when its answer is waited for

    def __len__(self) -> int:
        """Count the embargoes that are planned."""
        return len(self._planned)

    def plan(self, state: StoryState) -> bool:
        """Take in a story's embargoes as they are now; tell whether there may be something to do earlier for it."""
        planned = False
        for version in state.versions.values():
            if version.stage is not Stage.EMBARGOED or version.embargo_until is None:
                planned |= self._done((state.story_id, version.version))
                continue
            due = Due(version.urgency, version.embargo_until, state.story_id, version.version)
            if self._planned.get(due.key) != due:
                self._planned[due.key] = due
                self._sent.pop(due.key, None)
                heapq.heappush(self._waiting, (due.due_at + AFTER_T0, due))
                planned = True
        return planned

    def _done(self, key: _Key) -> bool:
        """Note what waits no more; tell whether half of the window is free for what does."""
        self._planned.pop(key, None)
        return self._sent.pop(key, None) is not None and bool(self._ready) and len(self._sent) <= self._window // 2

    def next_at(self) -> datetime | None:
        """Return when there is something to do next; None when nothing is planned."""
        self._drop_done()
        if self._ready and len(self._sent) <= self._window // 2:
            return self._ready[0].due_at
        times = [self._waiting[0][0]] if self._waiting else []
        return min([*times, *self._sent.values()], default=None)

    def due(self, now: datetime) -> list[Due]:
        """Return what is due and has room, the most urgent first; each comes again a second later unless it is done."""
        self._drop_done()
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._waiting)[1])
            self._drop_done()
        found = {self._planned[key] for key, again in self._sent.items() if again <= now}
        while self._ready and len(self._sent) < self._window:
            due = heapq.heappop(self._ready)
            if self._counts(due) and due.key not in self._sent:
                self._sent[due.key] = now
                found.add(due)
        self._sent |= dict.fromkeys((due.key for due in found), now + AGAIN_AFTER)
        return sorted(found)

    def _counts(self, due: Due) -> bool:
        """Tell whether this is still what is planned for its version; forget it when it is done."""
        if self._planned.get(due.key) != due:
            return False
        if not self._is_embargoed(*due.key):
            del self._planned[due.key]
            return False
        return True

    def _drop_done(self) -> None:
        while self._waiting and not self._counts(self._waiting[0][1]):
            heapq.heappop(self._waiting)
        while self._ready and not self._counts(self._ready[0]):
            heapq.heappop(self._ready)
        for key in [key for key in self._sent if key not in self._planned or not self._is_embargoed(*key)]:
            del self._sent[key]
            self._planned.pop(key, None)
