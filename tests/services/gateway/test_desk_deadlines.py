"""What the queue tells of holds that nobody has decided on in time."""

from datetime import timedelta

from services.gateway.desk_story import queue
from shared.domain.lifecycle import Ruling, decide
from shared.domain.state import StoryState
from tests.domain.stories import NOON, filing


def held(story_id: str, within: timedelta) -> StoryState:
    ruling = Ruling("hold", reason="a minor may be identifiable in it", queue="legal", within=within)
    return decide(StoryState(story_id=story_id), filing(story_id, ruling=ruling), NOON)


def test_a_hold_that_is_past_its_deadline_comes_first_and_says_so() -> None:
    """A person is late, and only a person can let it go; nothing is released by itself."""
    early, late = held("early", timedelta(hours=1)), held("late", timedelta(minutes=5))
    shown = queue([early, late], NOON + timedelta(minutes=10))
    assert [(one.story_id, one.overdue) for one in shown] == [("late", True), ("early", False)]
    assert shown[0].deadline == NOON + timedelta(minutes=5)
