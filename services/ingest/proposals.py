"""Which version will a filing probably be? The door's best guess; moderation raises it when it is taken."""

from collections import OrderedDict

from services.ingest.ports import Desk
from shared.domain.state import Stage, StoryState, VersionState
from shared.domain.story import Kind

REMEMBERED = 20_000


class Proposals:
    """Newest version per story: what the desk has, and what this door accepted that the desk has not answered yet."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._accepted: OrderedDict[str, tuple[int, str]] = OrderedDict()  # version and event_id of the newest filing

    def newest(self, story_id: str) -> int:
        """The newest version known; 0 for a story nobody has heard of."""
        state = self._desk.of(story_id)
        return max(state.newest if state else 0, self._on_its_way(story_id))

    def kind_of(self, story_id: str) -> Kind:
        """`publish` for a new story, `update` after."""
        return Kind.UPDATE if self.newest(story_id) else Kind.PUBLISH

    def duplicate_of(self, story_id: str, content_hash: str) -> VersionState | None:
        """Return the newest version when it has just this content."""
        state = self._desk.of(story_id)
        if state is None or state.newest < self.newest(story_id):
            return None
        version = state.versions.get(state.newest)
        if version is None or version.content_hash != content_hash or version.stage is Stage.REJECTED:
            return None
        return version

    def state(self, story_id: str) -> StoryState | None:
        return self._desk.of(story_id)

    def accepted(self, story_id: str, version: int, event_id: str) -> None:
        """Remember what the desk has not seen yet."""
        self._accepted[story_id] = (max(version, self.newest(story_id)), event_id)
        self._accepted.move_to_end(story_id)
        if len(self._accepted) > REMEMBERED:
            self._accepted.popitem(last=False)

    def _on_its_way(self, story_id: str) -> int:
        """The version proposed last, 0 once the desk has answered: a duplicate or a repeat has made none."""
        version, event_id = self._accepted.get(story_id, (0, ""))
        if version and self._desk.has_answered(story_id, event_id):
            del self._accepted[story_id]
            return 0
        return version
