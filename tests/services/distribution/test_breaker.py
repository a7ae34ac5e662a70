"""When an endpoint is left alone, for how long, and what brings it back."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.breaker import STANDARD, Breaker, Rules, weight_of
from services.distribution.outcome import Failure, Refused, Unreachable
from tests.services.distribution.deliveries import NOON

SECOND = timedelta(seconds=1)
weights = st.sampled_from((0.5, 1.0))
answers = st.lists(st.tuples(st.one_of(st.none(), weights), st.floats(0, 40)), max_size=80)


def opened() -> Breaker:
    """One that has just opened."""
    breaker = Breaker()
    while not breaker.failed(1.0, NOON, 0.0):
        pass
    return breaker


def openings(given: list[tuple[float | None, float]]) -> list[int]:
    """After how many answers (a weight, None for a success) a breaker opens that is probed as soon as it may be."""
    breaker, now, found = Breaker(), NOON, []
    for number, (weight, seconds) in enumerate(given):
        now += seconds * SECOND
        breaker.probing(now)
        if weight is None:
            breaker.succeeded(now)
        elif breaker.failed(weight, now, 0.0):
            found.append(number)
    return found


def test_five_failures_in_a_row_open_it() -> None:
    """The fifth does."""
    assert openings([(1.0, 1)] * 6) == [4]


def test_a_success_in_between_begins_the_row_anew() -> None:
    """Four failures, one success, four failures: it stays closed."""
    assert openings([*[(1.0, 1.0)] * 4, (None, 1.0), *[(1.0, 1.0)] * 4]) == []


def test_half_of_many_answers_open_it_though_never_five_in_a_row() -> None:
    """A receiver that fails every other time is not well."""
    found = openings([(None, 0.1), (1.0, 0.1)] * 12)
    assert found == [STANDARD.sample - 1]


def test_half_of_a_few_answers_do_not_open_it() -> None:
    """A minimum sample stands before the ratio, and what is old does not count."""
    assert openings([(None, 61), (1.0, 61)] * 40) == []


@pytest.mark.parametrize("failure", [Unreachable("timeout"), Unreachable("dns"), Refused(500), Refused(429)])
def test_who_is_not_there_or_asks_for_less_counts_fully(failure: Failure) -> None:
    """A timeout holds a slot for as long as it lasts."""
    assert weight_of(failure) == 1.0


@given(st.integers(400, 499).filter(lambda status: status not in {408, 425, 429}))
def test_an_answer_that_says_no_counts_less_than_none(status: int) -> None:
    """The receiver is there, and may take the next one."""
    assert weight_of(Refused(status)) < weight_of(Unreachable("timeout"))


def test_when_its_time_is_over_one_probe_goes() -> None:
    """Not earlier, and not two."""
    breaker = opened()
    assert breaker.probe_at == NOON + STANDARD.first_open
    assert not breaker.probing(NOON + STANDARD.first_open - SECOND)
    assert breaker.probing(NOON + STANDARD.first_open)
    assert not breaker.probing(NOON + STANDARD.first_open)


def test_a_probe_that_never_left_gives_its_place_to_the_next() -> None:
    """Superseded before it was written: nothing was learnt."""
    breaker = opened()
    later = NOON + STANDARD.first_open
    assert breaker.probing(later)
    breaker.not_probed()
    assert breaker.probing(later)


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    """`Retry-After` beyond the time it would be open anyway."""
    breaker = Breaker(Rules(in_a_row=1))
    asked = NOON + timedelta(hours=2)
    assert breaker.failed(1.0, NOON, 0.0, asked)
    assert breaker.probe_at == asked


def test_what_was_in_flight_when_it_opened_lengthens_nothing() -> None:
    """Thirty timeouts of one moment are one sign."""
    breaker = opened()
    for _ in range(30):
        assert not breaker.failed(1.0, NOON + SECOND, 0.9)
    assert breaker.probe_at == NOON + STANDARD.first_open


@given(st.lists(st.floats(0, 0.999), min_size=2, max_size=40))
def test_each_probe_that_fails_keeps_it_open_longer_up_to_the_longest(jitters: list[float]) -> None:
    """Growth outruns jitter until there is no more growth."""
    breaker, now, lasted = opened(), NOON, []
    for jitter in jitters:
        assert breaker.probe_at is not None
        now = breaker.probe_at
        assert breaker.probing(now)
        assert breaker.failed(1.0, now, jitter)
        lasted.append(breaker.probe_at - now)
    assert max(lasted) <= STANDARD.longest * (1 + STANDARD.jitter_share)
    grows = [each for each in lasted if each < STANDARD.longest]
    assert grows == sorted(grows)


@given(answers)
def test_a_success_closes_it_whatever_was_before(given: list[tuple[float | None, float]]) -> None:
    """And the next failure is the first."""
    breaker, now = Breaker(), NOON
    for weight, seconds in given:
        now += seconds * SECOND
        breaker.probing(now)
        if weight is None:
            breaker.succeeded(now)
        else:
            breaker.failed(weight, now, 0.5)
        assert (breaker.state == "closed") == (breaker.probe_at is None)
    breaker.succeeded(now)
    assert (breaker.state, breaker.opened, breaker.failing_since) == ("closed", 0, None)


@given(answers)
def test_answers_that_say_no_never_open_it_sooner(given: list[tuple[float | None, float]]) -> None:
    """The same answers, each failure counted fully: the first opening comes no later."""
    heavier = [(None if weight is None else 1.0, seconds) for weight, seconds in given]
    assert openings(heavier)[:1] <= openings(given)[:1] or not openings(given)


@given(answers)
def test_it_knows_since_when_nothing_succeeded(given: list[tuple[float | None, float]]) -> None:
    """The first failure behind the last success, open or not; nothing else decides when it is disabled."""
    breaker, now = Breaker(), NOON
    expected: datetime | None = None
    for weight, seconds in given:
        now += seconds * SECOND
        if weight is None:
            breaker.succeeded(now)
            expected = None
        else:
            breaker.failed(weight, now, 0.0)
            expected = expected or now
    assert breaker.failing_since == expected


def test_who_has_been_well_for_a_while_is_forgotten() -> None:
    """Only failures of late make a difference to a new one."""
    breaker = Breaker()
    breaker.failed(1.0, NOON, 0.0)
    breaker.succeeded(NOON)
    assert not breaker.is_forgettable
    breaker.succeeded(NOON + 2 * STANDARD.window)
    assert breaker.is_forgettable
