"""The benchmark's arithmetic; what it measures is never asserted."""

from tests.bench.figures import Spread, median_spread, spread, table


def test_percentiles_are_values_that_were_measured() -> None:
    """Nearest rank: of a hundred values the 95th, of one value that one, of none nothing."""
    assert spread([float(each) for each in range(100, 0, -1)]) == Spread(100, 50.0, 95.0, 99.0, 100.0)
    assert spread([7.0]) == Spread(1, 7.0, 7.0, 7.0, 7.0)
    assert spread([]) is None


def test_runs_are_told_by_the_median_of_each_percentile() -> None:
    """One disturbed run moves nothing but the worst value."""
    runs = [[1.0, 2.0], [1.0, 3.0], [50.0, 900.0]]
    assert median_spread(runs) == Spread(6, 1.0, 3.0, 3.0, 900.0)
    assert median_spread([[1.0], []]) is None
    assert median_spread([]) is None


def test_a_table_is_markdown_with_columns_of_one_width() -> None:
    """The first column to the left, figures to the right."""
    assert table(["hop", "ms"], [["webhook", "8.1"], ["stream", "12.25"]]) == [
        "| hop     |    ms |",
        "| ------- | ----: |",
        "| webhook |   8.1 |",
        "| stream  | 12.25 |",
    ]
