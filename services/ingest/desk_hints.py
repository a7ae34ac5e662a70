"""What does the desk know of a story? A view of `story.state` in memory, for guesses at the door."""

from pydantic import ValidationError

from shared.domain.state import StoryState
from shared.platform.consuming import Record
from shared.platform.logs import logger


class DeskHints:
    """The newest state of every story; fed by a Tail. Decides nothing: the truth is on the receipt."""

    def __init__(self) -> None:
        self._states: dict[str, StoryState] = {}

    def of(self, story_id: str) -> StoryState | None:
        return self._states.get(story_id)

    def apply(self, record: Record) -> None:
        if record.key is None:
            return
        if record.value is None:
            self._states.pop(record.key, None)
            return
        try:
            state = StoryState.model_validate_json(record.value)
        except ValidationError:
            logger().error("state.unreadable", partition=record.partition, offset=record.offset)
            return
        # `applied` is most of a state and says nothing the door asks for
        self._states[record.key] = state.model_copy(update={"applied": ()})
