"""May this release be shown to a client at this position, at this moment? Pure."""

from collections import deque
from enum import StrEnum
from typing import Final, Protocol

from services.gateway.stream.positions import LANES, Position
from shared.domain.delivery import Standing
from shared.domain.state import KillRecord, StoryState
from shared.domain.story import Kind, Lane

_UNKNOWN: Final = Standing()


class Refused(StrEnum):
    """Why a release is not shown."""

    KILLED = "killed"
    WITHHELD = "withheld"
    PASSED = "passed"


class Release(Protocol):
    """What the gate looks at of a release."""

    @property
    def lane(self) -> Lane: ...
    @property
    def offset(self) -> int: ...
    @property
    def story_id(self) -> str: ...
    @property
    def release_no(self) -> int: ...
    @property
    def kind(self) -> Kind: ...


class Passed:
    """Which releases of a story lie before a position."""

    def __init__(self) -> None:
        self._by_story: dict[str, tuple[tuple[Lane, int, int], ...]] = {}
        self._order: dict[Lane, deque[tuple[int, str]]] = {lane: deque() for lane in LANES}

    def note(self, release: Release) -> None:
        """Remember where a release lies; offsets of a lane may come again, but not out of order."""
        order = self._order[release.lane]
        if order and release.offset <= order[-1][0]:
            return
        order.append((release.offset, release.story_id))
        place = (release.lane, release.offset, release.release_no)
        self._by_story[release.story_id] = (*self._by_story.get(release.story_id, ()), place)

    def newest(self, story_id: str, before: Position) -> int:
        """The highest release_no of the story before a position; 0 for none."""
        places = self._by_story.get(story_id, ())
        return max((number for lane, offset, number in places if offset < before.of(lane)), default=0)

    def forget(self, before: Position) -> None:
        """Forget what lies before a position: nobody will ask from there any more."""
        for lane, order in self._order.items():
            while order and order[0][0] < before.of(lane):
                self._drop(lane, *order.popleft())

    def _drop(self, lane: Lane, offset: int, story_id: str) -> None:
        kept = tuple(place for place in self._by_story[story_id] if place[:2] != (lane, offset))
        if kept:
            self._by_story[story_id] = kept
        else:
            del self._by_story[story_id]


class Gate:
    """The stream's send gate (design, section 7), asked at the moment of writing, live and replayed alike.

    Refuses what is killed, what is older than a standing withhold, and what has a release of the same story,
    the same number or a newer one, before the client's position in either lane (a copy, or one that another
    lane overtook); never merely because a newer release exists. A kill is refused only as a copy of itself.
    """

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}
        self._passed = Passed()
        self.changes = 0
        """How often it has learnt something beside the releases themselves."""

    def know_state(self, state: StoryState) -> None:
        """Take a record of `story.state`; an older one than known changes nothing but a kill."""
        self.changes += 1
        if state.killed:
            self.know_kill(state.killed)
        known = self._standings.get(state.story_id, _UNKNOWN)
        if state.release_no > known.newest:
            withheld = state.release_no if state.withheld else 0
            self._standings[state.story_id] = Standing(state.release_no, withheld, known.killed)
        if not state.applied and not state.withheld and not known.killed and not state.killed:
            self._standings.pop(state.story_id, None)  # quiet for 35 days: nothing of it is in the log any more

    def know_kill(self, kill: KillRecord) -> None:
        """Take a record of `story.killed`; never undone."""
        self.changes += 1
        known = self._standings.get(kill.story_id, _UNKNOWN)
        self._standings[kill.story_id] = Standing(
            max(known.newest, kill.release_no), known.withheld, max(kill.release_no, 1)
        )

    def note(self, release: Release) -> None:
        """Take a release as it comes off its lane, in the order of the lane."""
        self._passed.note(release)
        known = self._standings.get(release.story_id, _UNKNOWN)
        self._standings[release.story_id] = known.after(release.kind, release.release_no)

    def forget(self, before: Position) -> None:
        """Nobody will read before this position again."""
        self._passed.forget(before)

    def judge(self, release: Release, position: Position, also: Passed | None = None) -> Refused | None:
        """Why the release is refused to a client at `position`, not yet past it; None when it may go.

        `also`: what this client passed beyond what the gate remembers.
        """
        newest = self._passed.newest(release.story_id, position)
        if also is not None:
            newest = max(newest, also.newest(release.story_id, position))
        if newest >= release.release_no:
            return Refused.PASSED
        if release.kind is Kind.KILL:
            return None
        standing = self._standings.get(release.story_id, _UNKNOWN)
        if standing.killed:
            return Refused.KILLED
        return Refused.WITHHELD if release.release_no < standing.withheld else None
