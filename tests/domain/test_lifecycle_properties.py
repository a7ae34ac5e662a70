"""What no interleaving of inputs may break (design, section 3)."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.lifecycle import Deciding, Input, Lifting, decide
from shared.domain.state import Stage, StoryState
from shared.domain.story import NOTICES, Kind
from tests.domain.stories import NOON, deciding, filing, held, later, lifting, nothing_known

_ACTIONS = ("release", "reject", "hold", "withhold", "urgency", "embargo", "kill", "confirm", "cancel")


@st.composite
def filings(draw: st.DrawFn) -> Input:
    return filing(
        "set later",
        draw(st.sampled_from(["one", "two", "three"])),
        version=draw(st.integers(1, 4)),
        assigned=draw(st.booleans()),
        kind=draw(st.sampled_from([Kind.PUBLISH, Kind.UPDATE, Kind.CORRECT, Kind.REFILE, Kind.REPEAT])),
        urgency=draw(st.integers(1, 8)),
        embargo_until=draw(st.sampled_from([None, later(30), later(300)])),
        ruling=draw(st.sampled_from([held(), *[filing("x").ruling] * 3])),
    )


@st.composite
def decisions(draw: st.DrawFn) -> Input:
    return deciding(
        "set later",
        draw(st.sampled_from(_ACTIONS)),
        person=draw(st.sampled_from(["ann", "bob"])),
        decision_id=draw(st.sampled_from(["k1", "k2"])),
        version=draw(st.sampled_from([None, 1, 2, 3])),
        urgency=draw(st.sampled_from([None, 1, 4])),
        embargo_until=draw(st.sampled_from([None, later(-5), later(100)])),
        break_glass=draw(st.booleans()) and draw(st.booleans()),
        by_source=draw(st.booleans()),
    )


@st.composite
def lifts(draw: st.DrawFn) -> Input:
    return lifting("set later", draw(st.integers(1, 4)), later(30))


steps = st.lists(st.tuples(st.one_of(filings(), decisions(), lifts()), st.integers(0, 120)), min_size=1, max_size=25)


def run(moves: list[tuple[Input, int]]) -> list[tuple[Input, datetime, StoryState, StoryState]]:
    """Apply the moves under their own event ids; return (input, time, before, after) of each."""
    state, now, told = nothing_known(), NOON, []
    for number, (move, seconds) in enumerate(moves):
        now += timedelta(seconds=seconds)
        object.__setattr__(move, "event_id", f"e{number}")
        after = decide(state, move, now)
        told.append((move, now, state, after))
        state = after
    return told


@given(steps)
def test_nothing_leaves_killed(moves: list[tuple[Input, int]]) -> None:
    """After a kill no input releases anything, un-kills, or renumbers."""
    for _, _, before, after in run(moves):
        if before.killed:
            assert after.killed == before.killed
            assert after.release_no == before.release_no
            assert after.applied[-1].release is None


@given(steps)
def test_released_versions_never_go_back(moves: list[tuple[Input, int]]) -> None:
    """Each release has the next number, and a text never older than the one before it."""
    for _, _, before, after in run(moves):
        note = after.applied[-1].release
        assert after.release_no == before.release_no + (1 if note else 0)
        if note and note.kind not in NOTICES:
            assert note.version >= (before.released or 0)


@given(steps)
def test_an_embargoed_version_is_released_at_its_time_or_by_an_editor(moves: list[tuple[Input, int]]) -> None:
    """No filing and no lift releases a version whose embargo stands."""
    for move, now, before, after in run(moves):
        note = after.applied[-1].release
        if note and note.kind not in NOTICES and not isinstance(move, Deciding):
            entered = after.versions[note.version]
            assert entered.embargo_until is None or entered.embargo_until <= now
            if isinstance(move, Lifting):
                assert before.versions[note.version].stage is Stage.EMBARGOED


@given(steps)
def test_every_input_is_entered_once_and_states_what_came_of_it(moves: list[tuple[Input, int]]) -> None:
    """Receipts are views of `applied`: nothing accepted is without one."""
    for move, _, before, after in run(moves):
        assert len(after.applied) == len(before.applied) + 1
        assert after.applied[-1].event_id == move.event_id


@given(steps)
def test_the_state_survives_its_own_record(moves: list[tuple[Input, int]]) -> None:
    """What is read back from `story.state` after a restart decides as before."""
    state = run(moves)[-1][-1]
    assert StoryState.model_validate_json(state.model_dump_json()) == state


@given(steps)
def test_a_withheld_or_killed_story_has_no_newer_release(moves: list[tuple[Input, int]]) -> None:
    """While withheld nothing but the lifting release or the kill goes out."""
    for _, _, before, after in run(moves):
        note = after.applied[-1].release
        if before.withheld and note:
            assert note.kind in ({Kind.RELEASE, Kind.KILL} if before.released else {Kind.PUBLISH, Kind.KILL})
