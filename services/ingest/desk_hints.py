"""What does the desk know of a story? A view of `story.state` in memory, for guesses at the door."""

from pydantic import ValidationError

from shared.domain.events import derived_id
from shared.domain.state import StoryState
from shared.platform.consuming import Record
from shared.platform.logs import logger

ANSWERS_KEPT = 16
"""How many answered filings are remembered of each story, newest first to stay."""


class DeskHints:
    """The newest state of every story; fed by a Tail. Decides nothing: the truth is on the receipt."""

    def __init__(self) -> None:
        self._states: dict[str, StoryState] = {}
        self._answered: dict[str, tuple[str, ...]] = {}

    def has_answered(self, story_id: str, event_id: str) -> bool:
        """By its own id or, as the desk enters filings, by the id that its enrichment had."""
        answered = self._answered.get(story_id, ())
        return event_id in answered or derived_id("enrich", event_id) in answered

    def of(self, story_id: str) -> StoryState | None:
        return self._states.get(story_id)

    def apply(self, record: Record) -> None:
        if record.key is None:
            return
        if record.value is None:
            self._states.pop(record.key, None)
            self._answered.pop(record.key, None)
            return
        try:
            state = StoryState.model_validate_json(record.value)
        except ValidationError:
            logger().error("state.unreadable", partition=record.partition, offset=record.offset)
            return
        self._answered[record.key] = tuple(entry.event_id for entry in state.applied[-ANSWERS_KEPT:])
        # the rest of `applied` is most of a state and says nothing the door asks for
        self._states[record.key] = state.model_copy(update={"applied": ()})
