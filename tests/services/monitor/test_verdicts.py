"""Do the verdicts name what ails a reader, soon enough, and nothing where nothing ails it?"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.verdicts import Point, Verdict, judge, theil_sen

RATE = 20  # records per second that come in
EVERY_S = 2
FAULT_AT = 30

Committed = Callable[[float], int]


def trace(committed: Committed, until: float, *, end: Committed = lambda at: int(at * RATE)) -> list[Point]:
    """The readings of the minute before `until`, every two seconds."""
    times = [float(at) for at in range(0, int(until) + 1, EVERY_S) if at >= until - 60]
    return [Point(at, committed(at), end(at), (end(at) - committed(at)) / RATE) for at in times]


def well(at: float) -> int:
    return int(at * RATE)


def still(at: float) -> int:
    return int(min(at, FAULT_AT) * RATE)


def crawling(at: float) -> int:
    return int(min(at, FAULT_AT) * RATE + max(0.0, at - FAULT_AT) * RATE * 0.2)


def dipping(at: float) -> int:
    """Crawls, but gains three seconds' worth of records at once every twelve seconds."""
    return crawling(at) + int(max(0.0, at - FAULT_AT) // 12) * RATE * 3


def rewound(at: float) -> int:
    return int(at * RATE) - (600 if at >= FAULT_AT else 0)


def when(committed: Committed, wanted: Verdict, *, members: int = 1) -> float:
    """Seconds after the fault until the verdict is `wanted`."""
    for after in range(0, 120, EVERY_S):
        if judge(trace(committed, FAULT_AT + after), members=members).verdict is wanted:
            return after
    pytest.fail(f"never {wanted}")


def test_a_reader_that_keeps_up_is_well() -> None:
    """No verdict in two minutes of steady work."""
    assert {judge(trace(well, at)).verdict for at in range(2, 120, EVERY_S)} == {Verdict.OK}


def test_an_idle_reader_is_well() -> None:
    """An old commit at the end of a topic where nothing comes is no standstill."""
    assert judge([Point(float(at), 50, 50, 0.0) for at in range(0, 60, 2)]).verdict is Verdict.OK


def test_a_first_record_after_a_long_silence_is_no_stall() -> None:
    """The commit has not moved for a minute, but records have waited for a moment only."""
    silent = [Point(float(at), 50, 50, 0.0) for at in range(0, 58, 2)]
    assert judge([*silent, Point(58.0, 50, 51, 0.4)]).verdict is Verdict.OK


def test_a_commit_that_does_not_move_is_a_stall_within_15_s() -> None:
    """The group has consumers, records wait, nothing moves."""
    assert when(still, Verdict.STALL) <= 15


def test_a_group_without_consumers_has_stopped_within_20_s() -> None:
    """The same standstill with nobody there has another name: somebody must start it."""
    assert when(still, Verdict.STOP, members=0) <= 20


def test_a_commit_that_went_back_is_a_rewind_within_5_s() -> None:
    """The evidence says by how much."""
    assert when(rewound, Verdict.REWIND) <= 5
    assert "560" in judge(trace(rewound, FAULT_AT)).why


def test_a_rewind_does_not_read_as_losing_afterwards() -> None:
    """Its step is left out of the slope: the reader works at the rate of its input again."""
    assert judge(trace(rewound, FAULT_AT + 40)).verdict is Verdict.OK


@pytest.mark.parametrize("losing", [crawling, dipping])
def test_a_reader_that_is_too_slow_is_losing_within_60_s(losing: Committed) -> None:
    """Also one that gains for a moment now and then."""
    assert when(losing, Verdict.LOSING) <= 60


def test_records_may_rest_in_a_retry_tier() -> None:
    """A tier of ten seconds holds each record that long: the commit stands still by design."""
    points = [Point(float(at), 0, 5, float(at)) for at in range(0, 15, 2)]
    assert judge(points, patience_s=15).verdict is Verdict.OK
    assert judge(points, patience_s=10).verdict is Verdict.STALL


def test_the_drain_is_foretold_from_the_rate_of_catching_up() -> None:
    """A thousand records behind, gaining ten a second: a hundred seconds."""
    points = [Point(float(at), 30 * at, 1_200 + 20 * at, 30.0) for at in range(0, 21, 2)]
    assert judge(points).drain_s == 100.0


def test_no_drain_is_foretold_for_a_backlog_that_grows() -> None:
    """Never at this rate is said as null."""
    assert judge(trace(crawling, FAULT_AT + 60)).drain_s is None


@given(slope=st.floats(-50, 50), at=st.integers(0, 19), outlier=st.floats(-1e6, 1e6), start=st.floats(-1000, 1000))
def test_one_outlier_does_not_move_the_slope(slope: float, at: int, outlier: float, start: float) -> None:
    """The slope of a line is found although one of its twenty points is anywhere."""
    line = [(float(x), start + slope * x) for x in range(20)]
    line[at] = (float(at), outlier)
    assert theil_sen(line) == pytest.approx(slope, abs=1e-6)
