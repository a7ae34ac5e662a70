"""What may still be sent of each story: the send gate's memory, from `story.state`, `story.killed` and blocks."""

from pydantic import ValidationError

from shared.domain.delivery import Standing
from shared.domain.item import Item
from shared.domain.state import KillRecord, StoryState
from shared.domain.story import Kind
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.topics import Topic

UNKNOWN = Standing()


class Standings:
    """In memory for every story; only what is released counts, never what is merely held."""

    def __init__(self) -> None:
        self._by_story: dict[str, Standing] = {}

    def of(self, story_id: str) -> Standing:
        return self._by_story.get(story_id, UNKNOWN)

    def apply(self, record: Record) -> None:
        """Take one record of `story.state` or `story.killed`; a kill is never undone by a state behind it."""
        if record.value is None or record.key is None:
            return
        try:
            if record.topic is Topic.KILLED:
                kill = KillRecord.model_validate_json(record.value)
                self._know(kill.story_id, Standing(kill.release_no, 0, kill.release_no))
            else:
                self._take_state(StoryState.model_validate_json(record.value))
        except ValidationError:
            logger().error("standing.unreadable", topic=record.topic, partition=record.partition, offset=record.offset)

    def move(self, item: Item) -> None:
        """A release is on its way out: from here on older ones of its story are judged by it."""
        standing = self.of(item.story_id).after(item.kind, item.release_no)
        self._by_story[item.story_id] = standing

    def _take_state(self, state: StoryState) -> None:
        # While withheld nothing but the lifting release or a kill can follow, so the newest is the withhold.
        withheld = state.release_no if state.withheld and state.killed is None else 0
        killed = state.killed.release_no if state.killed else 0
        withholds = (
            entry.release.release_no
            for entry in state.applied
            if entry.release is not None and entry.release.kind is Kind.WITHHOLD
        )
        self._know(state.story_id, Standing(state.release_no, withheld, killed, max(withholds, default=withheld)))

    def _know(self, story_id: str, told: Standing) -> None:
        before = self.of(story_id)
        newer = told if told.newest > before.newest else before
        killed = told.killed or before.killed
        ended = max(told.ended, before.ended)
        self._by_story[story_id] = Standing(newer.newest, newer.withheld, killed, ended)
