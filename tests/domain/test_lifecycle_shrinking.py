"""What stays of a quiet story, and that it still decides as it must."""

from datetime import timedelta

import pytest

from shared.domain.lifecycle import Input, decide
from shared.domain.shrinking import is_quiet, shrunk
from shared.domain.state import Outcome, Stage, StoryState, TextRef, encode_state
from shared.domain.story import Kind
from tests.domain.stories import NOON, deciding, filing, held, later, lifting, nothing_known

MONTHS_LATER = NOON + timedelta(days=40)


def quiet(*inputs: Input) -> StoryState:
    state = nothing_known()
    for given in inputs:
        state = decide(state, given, NOON)
    return shrunk(state, MONTHS_LATER)


def test_a_story_of_yesterday_keeps_all() -> None:
    """Its inputs may come again for thirty days."""
    state = decide(nothing_known(), filing("e1"), NOON)
    assert not is_quiet(state, NOON + timedelta(days=34))
    assert shrunk(state, NOON + timedelta(days=34)) is state


def test_a_quiet_story_takes_little_room() -> None:
    """Forty versions of it or one: about two hundred bytes, and as much again for what a kill is judged by."""
    state = quiet(*(filing(f"e{number}", f"text {number}", version=number) for number in range(1, 40)))
    assert (state.applied, set(state.versions)) == ((), {39})
    assert len(encode_state(state)) < 1_000
    killed = quiet(filing("e1"), deciding("k1", "kill", break_glass=True))
    assert len(encode_state(killed)) < 500


def test_its_next_release_has_the_next_number_and_its_kill_reaches_as_far() -> None:
    """An idle month before the kill: who was owed the first release is owed the notice."""
    state = quiet(filing("e1"), filing("e2", "two", version=2))
    reach = state.reach
    note = decide(state, deciding("k1", "kill", break_glass=True), MONTHS_LATER).applied[-1].release
    assert note is not None
    assert (note.kind, note.release_no, note.version, note.reach) == (Kind.KILL, 3, 2, reach)


def test_the_same_text_is_still_a_duplicate_of_the_newest() -> None:
    """A feed that is read again after a holiday releases nothing."""
    state = decide(quiet(filing("e1")), filing("e9", version=1), MONTHS_LATER)
    assert (state.applied[-1].outcome, state.release_no) == (Outcome.DUPLICATE, 1)


def test_a_withheld_story_can_be_released_again_with_its_text() -> None:
    """The place of the text stays for as long as the text is the one released."""
    state = decide(nothing_known(), filing("e1"), NOON)
    placed = {1: state.versions[1].model_copy(update={"text": TextRef(partition=0, offset=7)})}
    state = decide(state.model_copy(update={"versions": placed}), deciding("d1", "withhold"), NOON)
    note = decide(shrunk(state, MONTHS_LATER), deciding("d2", "release"), MONTHS_LATER).applied[-1].release
    assert note is not None
    assert (note.kind, note.release_no, note.text) == (Kind.RELEASE, 3, TextRef(partition=0, offset=7))


@pytest.mark.parametrize("waits", [filing("e1", ruling=held()), filing("e1", embargo_until=later(90 * 86_400))])
def test_what_still_waits_stays_whole(waits: Input) -> None:
    """A person or a date may come to it after months."""
    state = quiet(waits)
    assert state.versions == decide(nothing_known(), waits, NOON).versions
    released = decide(state, deciding("d1", "release"), later(90 * 86_400))
    assert released.versions[1].stage is Stage.RELEASED


def test_an_embargo_of_next_year_is_lifted_at_its_time() -> None:
    """However long nothing was heard of the story."""
    until = later(90 * 86_400)
    state = decide(quiet(filing("e1", embargo_until=until)), lifting("l1", 1, until), until)
    assert state.applied[-1].outcome is Outcome.RELEASED


def test_what_is_dead_stays_dead() -> None:
    """Of a killed story only the kill is left, and that is enough."""
    state = decide(quiet(filing("e1"), deciding("k1", "kill", break_glass=True)), filing("e2", "two"), MONTHS_LATER)
    assert (state.applied[-1].outcome, state.release_no) == (Outcome.KILLED, 2)


def test_a_small_record_is_read_back_as_it_was() -> None:
    """Defaults are left out of the record and come back."""
    state = quiet(filing("e1"), deciding("d1", "withhold"))
    assert StoryState.model_validate_json(encode_state(state)) == state
