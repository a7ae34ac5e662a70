"""Is the arithmetic of lag right, whatever the numbers?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.lag import (
    BEYOND,
    NO_COMMIT,
    NO_PARTITION,
    OVERTAKEN,
    Observed,
    Place,
    Reading,
    age_of,
    lag_of,
    rows,
)
from services.monitor.verdicts import Judgement, Verdict

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLACE = Place("matcher", "wire.story.released.v1", 0)
OFFSETS = st.integers(0, 2**40)


def ms(before: timedelta) -> int:
    return int((NOW - before).timestamp() * 1000)


@given(committed=OFFSETS, end=OFFSETS)
def test_lag_is_the_distance_to_the_end_and_never_negative(committed: int, end: int) -> None:
    """A commit beyond the end (the topic was made anew) is no negative lag."""
    lag = lag_of(committed, end)
    assert lag is not None
    assert lag >= 0
    assert lag == end - committed or committed > end


@pytest.mark.parametrize(("committed", "end"), [(None, 5), (5, None), (None, None)])
def test_lag_is_unknown_where_a_side_is(committed: int | None, end: int | None) -> None:
    """Unknown is said as such, not as 0 and not as the whole topic."""
    assert lag_of(committed, end) is None


def test_age_is_the_time_since_the_oldest_waiting_record() -> None:
    """Seconds between the record's timestamp and now."""
    assert age_of(Observed(PLACE, 3, 5, ms(timedelta(seconds=12.5))), NOW) == 12.5


def test_age_is_zero_when_caught_up() -> None:
    """An idle topic is not late, however long ago its last record came."""
    assert age_of(Observed(PLACE, 5, 5, ms(timedelta(days=3))), NOW) == 0.0


def test_age_is_unknown_when_the_record_could_not_be_read() -> None:
    """A lag without a readable record has no age; it is not 0."""
    assert age_of(Observed(PLACE, 3, 5, None), NOW) is None


def test_a_timestamp_from_the_future_is_no_negative_age() -> None:
    """Clocks of producers differ."""
    assert age_of(Observed(PLACE, 3, 5, ms(timedelta(seconds=-2))), NOW) == 0.0


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        (Observed(PLACE, None, 5), NO_COMMIT),
        (Observed(PLACE, 5, None), NO_PARTITION),
        (Observed(PLACE, 9, 5), BEYOND),
        (Observed(PLACE, 1, 5, 0, overtaken=True), OVERTAKEN),
    ],
)
def test_a_row_says_what_is_odd_about_it(observed: Observed, why: str) -> None:
    """Nobody has to guess why a number is missing or strange."""
    assert why in rows(Reading(NOW, (observed,)), {}, NOW)[0].why


def test_the_worst_row_comes_first() -> None:
    """A stalled reader stands above one that is older and at work."""
    well, stalled = Place("views", "a", 0), Place("matcher", "b", 0)
    reading = Reading(
        NOW,
        (
            Observed(well, 0, 9, ms(timedelta(seconds=90))),
            Observed(stalled, 0, 9, ms(timedelta(seconds=20))),
        ),
    )
    judged = {well: Judgement(Verdict.OK, ""), stalled: Judgement(Verdict.STALL, "")}
    assert [row.group for row in rows(reading, judged, NOW)] == ["matcher", "views"]


def test_a_row_ages_between_two_readings() -> None:
    """Asked three seconds later, a record that waits is three seconds older."""
    reading = Reading(NOW, (Observed(PLACE, 3, 5, ms(timedelta(seconds=2))),))
    assert rows(reading, {}, NOW + timedelta(seconds=3))[0].age_s == 5.0
