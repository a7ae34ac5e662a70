"""When does a figure pass, and how is it shown?"""

from tests.bench.bars import Bar, Figure, judged, verdict

RATE = Bar("rate", "/s", 100, 200)
LATE = Bar("late", "ms", 10, 5)


def test_a_figure_is_judged_by_floor_and_aim_whichever_way_is_better() -> None:
    """More deliveries a second are better, more milliseconds are not."""
    assert [verdict(rate, 12_000, 20_000) for rate in (11_999, 12_000, 20_000)] == ["BELOW", "floor", "aim"]
    assert [verdict(ms, 25, 14) for ms in (25.1, 25, 14)] == ["BELOW", "floor", "aim"]


def test_a_figure_that_lost_something_does_not_pass_whatever_its_value() -> None:
    """Nor does one that could not be measured, unless the run can do without it."""
    assert Figure(RATE, 150, "").passes
    assert not Figure(RATE, 99, "").passes
    assert not Figure(RATE, 300, "", sound=False).passes
    assert not Figure(RATE, None, "why").passes
    assert Figure(RATE, None, "why", needed=False).passes


def test_the_table_tells_value_floor_aim_and_verdict() -> None:
    """Small values with two digits, large ones in thousands."""
    rows = [Figure(RATE, 12_345, "all"), Figure(LATE, 6.5, "", sound=False), Figure(LATE, None, "no")]
    assert [row.replace(" ", "") for row in judged(rows)[2:]] == [
        "|rate|12,345/s|100|200|aim|all|",
        "|late|6.50ms|10|5|NOTSOUND||",
        "|late|notmeasured|10|5|-|no|",
    ]
