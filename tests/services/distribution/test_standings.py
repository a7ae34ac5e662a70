"""What the send gate knows of a story, from whichever topic it is told first."""

from services.distribution.standings import Standings
from shared.domain.delivery import Verdict, gate
from shared.domain.lifecycle import Input, decide
from shared.domain.state import KillRecord
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Ordering
from shared.platform.topics import Topic
from tests.domain.stories import NOON, STORY, deciding, filing, nothing_known
from tests.services.distribution.deliveries import item, record


def told(*inputs: Input) -> Standings:
    """Return what is known after a restart from the story's newest record alone."""
    state = nothing_known()
    for given in inputs:
        state = decide(state, given, NOON)
    standings = Standings()
    standings.apply(record(Topic.STATE, state.model_dump_json().encode(), key=STORY))
    return standings


def verdict(standings: Standings, release_no: int, ordering: Ordering = Ordering.EVERY) -> Verdict:
    return gate(standings.of(STORY), Kind.UPDATE, release_no, ordering)


def test_a_lifted_withhold_is_remembered_from_the_state() -> None:
    """After a restart, too, the text from before the withhold does not go out behind the story's return."""
    standings = told(filing("e1"), deciding("d1", "withhold"), deciding("d2", "release"))
    assert [verdict(standings, number) for number in (1, 3)] == [Verdict.SUPERSEDED, Verdict.SEND]


def test_a_withhold_block_behind_the_state_that_lifts_it_still_counts() -> None:
    """The state's Tail may be ahead of the blocks."""
    standings = Standings()
    standings.move(item(3, Kind.RELEASE))
    standings.move(item(2, Kind.WITHHOLD, Lane.FLASH))
    assert [verdict(standings, number) for number in (1, 3)] == [Verdict.SUPERSEDED, Verdict.SEND]


def test_a_kill_counts_whatever_its_number() -> None:
    """Dead stays dead, also where a state written by mistake had a higher number."""
    standings = Standings()
    standings.move(item(5, Kind.UPDATE))
    standings.move(item(4, Kind.KILL, Lane.FLASH))
    assert verdict(standings, 5) is Verdict.KILLED


def test_a_state_behind_the_kill_does_not_undo_it() -> None:
    """The two topics are read side by side."""
    standings = Standings()
    kill = KillRecord(story_id=STORY, version=1, release_no=2, cause="k1", at=0)
    standings.apply(record(Topic.KILLED, kill.model_dump_json().encode(), key=STORY))
    state = decide(nothing_known(), filing("e1"), NOON)
    standings.apply(record(Topic.STATE, state.model_dump_json().encode(), key=STORY))
    assert verdict(standings, 1) is Verdict.KILLED
