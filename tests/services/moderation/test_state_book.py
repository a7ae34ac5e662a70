"""What the owner remembers of its stories, and what it counts."""

from services.moderation.state_book import StateBook
from shared.domain.lifecycle import decide
from shared.domain.state import KillRecord, Stage
from tests.domain.stories import NOON, STORY, deciding, filing, held, later, nothing_known

KILL = KillRecord(story_id=STORY, version=1, release_no=1, cause="k1", at=0)
HELD = decide(nothing_known(), filing("e1", ruling=held()), NOON)
EMBARGOED = decide(nothing_known(), filing("e1", embargo_until=later(60)), NOON)


def test_what_waits_is_counted_as_it_comes_and_goes() -> None:
    """Operations see how much waits for a person, and how much for the clock."""
    book = StateBook()
    book.put(0, HELD)
    assert book.waiting(Stage.HELD) == 1
    book.put(0, decide(HELD, deciding("d1", "release"), NOON))
    assert book.waiting(Stage.HELD) == 0


def test_what_is_forgotten_or_killed_waits_no_more() -> None:
    """Its new owner counts it; a dead story asks nobody for anything."""
    book = StateBook()
    book.put(0, EMBARGOED)
    book.put(0, decide(EMBARGOED, deciding("k1", "kill", break_glass=True), NOON))
    assert book.waiting(Stage.EMBARGOED) == 0
    book.put(1, HELD)
    book.forget([0, 1])
    assert book.waiting(Stage.HELD) == 0


def test_only_the_partitions_that_went_are_forgotten() -> None:
    """The others are still this process's to decide."""
    book = StateBook()
    book.put(0, HELD)
    book.put(1, HELD.model_copy(update={"story_id": "other"}))
    book.forget([0])
    assert [state.story_id for state in book.stories([0, 1])] == ["other"]


def test_a_recorded_kill_ends_an_embargo_before_the_state_shows_it() -> None:
    """No lift is sent for a story in `story.killed`, whatever its state says."""
    book = StateBook()
    book.put(0, EMBARGOED)
    assert book.is_embargoed(STORY, 1)
    book.put_kill(0, KILL)
    assert not book.is_embargoed(STORY, 1)
    assert book.unfinished_kill(STORY) == KILL


def test_a_kill_is_never_overwritten() -> None:
    """The first one counts, as on its topic."""
    book = StateBook()
    book.put_kill(0, KILL)
    book.put_kill(0, KILL.model_copy(update={"release_no": 9}))
    assert book.unfinished_kill(STORY) == KILL
