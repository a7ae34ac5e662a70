"""What does the gate know, and what does it say? Pure."""

from dataclasses import dataclass

import pytest

from services.gateway.stream.gate import Gate, Refused
from services.gateway.stream.positions import Position
from shared.domain.state import Applied, KillRecord, Outcome, StoryState
from shared.domain.story import Kind, Lane

FLASH, ROUTINE = Lane.FLASH, Lane.ROUTINE
TAKEN = Applied(event_id="e", outcome=Outcome.APPLIED, at=1)


@dataclass(frozen=True)
class Placed:
    release_no: int
    lane: Lane = ROUTINE
    offset: int = 0
    kind: Kind = Kind.UPDATE
    story_id: str = "urn:a"


def state(release_no: int, *, withheld: bool = False, applied: tuple[Applied, ...] = (TAKEN,)) -> StoryState:
    return StoryState(story_id="urn:a", newest=1, release_no=release_no, withheld=withheld, applied=applied)


def kill(release_no: int = 5) -> KillRecord:
    return KillRecord(story_id="urn:a", version=1, release_no=release_no, cause="e", at=1)


def test_a_withhold_refuses_older_releases_and_not_itself() -> None:
    """The notice passes, and so does what comes after it."""
    gate = Gate()
    gate.know_state(state(2, withheld=True))
    assert gate.judge(Placed(1), Position()) is Refused.WITHHELD
    assert gate.judge(Placed(2, FLASH, kind=Kind.WITHHOLD), Position()) is None
    assert gate.judge(Placed(3), Position()) is None


@pytest.mark.parametrize("late_first", [True, False])
def test_an_older_state_never_undoes_a_newer_one(late_first: bool) -> None:
    """Lane and state topic are read side by side: whichever comes first, the newest release decides."""
    gate = Gate()
    lifted = Placed(3, FLASH, 0, Kind.RELEASE)
    if late_first:
        gate.note(lifted)
    gate.know_state(state(2, withheld=True))
    if not late_first:
        gate.note(lifted)
    assert gate.judge(Placed(1), Position()) is None


def test_a_kill_outlasts_every_state() -> None:
    """Neither a later state without it nor the quiet form of a story brings the story back."""
    gate = Gate()
    gate.know_kill(kill())
    gate.know_state(state(9))
    gate.know_state(state(9, applied=()))
    gate.note(Placed(10))
    assert gate.judge(Placed(11, offset=1), Position()) is Refused.KILLED
    assert gate.judge(Placed(5, FLASH, kind=Kind.KILL), Position()) is None


def test_a_state_that_holds_a_kill_is_as_good_as_the_kill_itself() -> None:
    """The kill's own topic may be read later."""
    gate = Gate()
    gate.know_state(state(5).model_copy(update={"killed": kill()}))
    assert gate.judge(Placed(4), Position()) is Refused.KILLED


def test_what_the_gate_forgets_is_what_nobody_asks_for() -> None:
    """Behind the forgotten position, places are kept."""
    gate = Gate()
    gate.note(Placed(1, ROUTINE, 0))
    gate.note(Placed(2, ROUTINE, 7))
    gate.forget(Position(0, 5))
    assert gate.judge(Placed(1, ROUTINE, 9), Position(0, 5)) is None
    assert gate.judge(Placed(1, ROUTINE, 9), Position(0, 9)) is Refused.PASSED


@pytest.mark.parametrize(("flash_position", "expected"), [(3, None), (4, Refused.PASSED)])
def test_a_newer_flash_counts_only_before_the_clients_position(flash_position: int, expected: Refused | None) -> None:
    """Who has yet to read the flash is shown the older release first."""
    gate = Gate()
    gate.note(Placed(2, FLASH, 3))
    assert gate.judge(Placed(1, ROUTINE, 0), Position(flash_position, 0)) is expected


def test_a_flash_overtaken_by_a_newer_routine_release_is_refused() -> None:
    """The lanes are two partitions: a reader may get the lifted withhold before the withhold."""
    gate = Gate()
    gate.note(Placed(3, ROUTINE, 0, Kind.RELEASE))
    assert gate.judge(Placed(2, FLASH, 0, Kind.WITHHOLD), Position(0, 1)) is Refused.PASSED
