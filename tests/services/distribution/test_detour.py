"""What the log owes an endpoint, however releases come, go, fail and are read: nothing is forgotten, little is kept."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.distribution.detour import MOST_LOOSE, Detour, Place, is_covered
from shared.domain.health import CatchUp
from shared.domain.story import Lane
from tests.services.distribution.deliveries import NOON

ROUTINE = Lane.ROUTINE
SECOND = timedelta(seconds=1)


def detour() -> Detour:
    return Detour("breaker", NOON)


def routine(offset: int) -> Place:
    return Place(ROUTINE, offset)


def test_the_first_release_that_nothing_lies_behind_is_the_position() -> None:
    """From there on the log owes everything."""
    one = detour()
    assert one.take(routine(7), fresh=True)
    assert one.take(routine(9), fresh=True)
    assert one.record(NOON).position == {ROUTINE: 7}


def test_a_release_read_again_after_a_restart_is_no_position() -> None:
    """What lies behind it may be answered already: it is for its queue, and goes back from there by itself."""
    one = detour()
    assert not one.take(routine(7), fresh=False)
    one.fold(routine(7), NOON)
    assert one.record(NOON).position == {}
    assert one.record(NOON).begins == {ROUTINE: 7}


def test_what_is_matched_while_it_is_judged_takes_the_usual_way() -> None:
    """The reader may have looked at it before its recipients were known."""
    one = detour()
    one.take(routine(7), fresh=True)
    one.claim(ROUTINE, 10)
    assert not one.take(routine(9), fresh=True)
    assert one.take(routine(10), fresh=True)


def test_the_tries_of_a_failed_release_are_part_of_what_is_owed() -> None:
    """A record that owes it as new does not owe its tries."""
    one = detour()
    one.take(routine(7), fresh=True)
    before = one.record(NOON)
    one.fold(routine(9), NOON, 3, NOON)
    assert is_covered(routine(9), 0, before)
    assert not is_covered(routine(9), 3, before)
    assert is_covered(routine(9), 3, one.record(NOON))


def test_nothing_is_covered_by_no_record() -> None:
    """While one is being written, there is none."""
    assert not is_covered(routine(0), 0, None)


def test_a_successor_needs_the_delivery_log_only_while_something_is_answered() -> None:
    """Dead all the while: not at all. Reading, or something in hand: from now on. Gone past it: since then."""
    one = detour()
    one.take(routine(7), fresh=True)
    assert one.record(NOON).answered_since is None
    one.reading = True
    assert one.record(NOON + SECOND).answered_since == NOON + SECOND
    one.reading = False
    one.directly(Place(Lane.FLASH, 3), NOON)
    assert one.record(NOON + SECOND).answered_since == NOON
    one.position[Lane.FLASH] = 4
    assert one.record(NOON + SECOND).answered_since is None


def test_many_that_were_never_tried_become_a_position() -> None:
    """The record stays small, and says that what lies behind the oldest may be answered."""
    one = detour()
    for offset in range(MOST_LOOSE + 1):
        one.fold(routine(2 * offset), NOON - timedelta(hours=1))
    told = one.record(NOON)
    assert told.loose == {}
    assert told.position == {ROUTINE: 0}
    assert told.answered_since == NOON - timedelta(hours=1)


def test_those_that_were_tried_stay_single_and_are_bounded_by_whoever_asks() -> None:
    """Their tries would be forgotten otherwise."""
    one = detour()
    for offset in range(MOST_LOOSE):
        assert not one.is_full
        one.fold(routine(offset), NOON, 1, NOON)
    assert one.is_full
    one.fold(routine(MOST_LOOSE), NOON)
    assert len(one.record(NOON).loose[ROUTINE]) == MOST_LOOSE


steps = st.lists(
    st.tuples(st.sampled_from(("due", "fold", "fail", "read", "answer", "back", "restart")), st.integers(0, 30)),
    max_size=60,
)


@given(steps)
def test_whatever_happens_the_record_owes_all_that_is_unanswered(done: list[tuple[str, int]]) -> None:
    """Taken as it stands at any moment: every release that somebody let go of, and nobody has answered."""
    one, ledger = detour(), Ledger()
    moves: dict[str, Callable[[Detour, int], None]] = {
        "due": ledger.due,
        "fold": ledger.fold,
        "fail": ledger.fail,
        "read": ledger.read,
        "answer": ledger.answer,
        "back": ledger.back,
    }
    for what, number in done:
        if what == "restart":
            one = Detour.read_back(one.record(NOON), {ROUTINE: ledger.end})
            ledger.in_hand.clear()
        else:
            moves[what](one, number)
        told = one.record(NOON)
        assert all(is_covered(place, attempts, told) for place, attempts in ledger.owed.items())
        assert all(one.owes(place) for place in ledger.owed)
        assert one.is_over <= (not ledger.owed)


class Ledger:
    """What is really owed, with the tries it has had; kept beside the detour."""

    def __init__(self) -> None:
        self.end = 0
        self.owed: dict[Place, int] = {}
        self.in_hand: list[Place] = []

    def due(self, one: Detour, _: int) -> None:
        place = routine(self.end)
        self.end += 1
        if one.take(place, fresh=True):
            self.owed[place] = 0

    def fold(self, one: Detour, number: int) -> None:
        if number < self.end:
            one.fold(routine(number), NOON)
            self.owed.setdefault(routine(number), 0)

    def fail(self, one: Detour, number: int) -> None:
        if self.in_hand:
            place = self.in_hand.pop(number % len(self.in_hand))
            self.owed[place] += 1
            one.fold(place, NOON, self.owed[place], NOON)
            one.give_back(place)

    def read(self, one: Detour, _: int) -> None:
        waiting = one.waiting(ROUTINE)
        if waiting:
            place = routine(waiting[0].offset)
        elif one.has_ahead(ROUTINE):
            place = routine(one.position[ROUTINE])
            one.pass_by(ROUTINE, place.offset + 1)
        else:
            return
        if place in self.owed:
            one.hand_out(place)
            self.in_hand.append(place)
        else:
            one.answered(place)

    def answer(self, one: Detour, number: int) -> None:
        if self.in_hand:
            place = self.in_hand.pop(number % len(self.in_hand))
            one.answered(place)
            del self.owed[place]

    def back(self, one: Detour, number: int) -> None:
        if self.in_hand:
            one.give_back(self.in_hand.pop(number % len(self.in_hand)))


def test_a_record_comes_back_from_its_bytes() -> None:
    """Lanes are its keys."""
    one = detour()
    one.take(routine(7), fresh=True)
    one.fold(Place(Lane.FLASH, 2), NOON, 1, NOON)
    assert CatchUp.model_validate_json(one.record(NOON).model_dump_json()) == one.record(NOON)
