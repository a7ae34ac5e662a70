"""A run of one command leaves the figures of the others alone."""

from tests.bench.kept import replaced

A, B = "<!-- make a -->\nold a\n<!-- end of make a -->\n", "<!-- make b -->\nb\n<!-- end of make b -->\n"
PAGE = f"# Benchmarks\n\n{A}\nA word.\n\n{B}"


def test_a_part_is_exchanged_where_it_stands() -> None:
    """Whatever is in it, and nothing else."""
    page = replaced(PAGE, "make a", "new\\1\n")
    assert page == PAGE.replace("old a", "new\\1")


def test_a_part_that_was_not_there_comes_last() -> None:
    """Once; the next run finds it."""
    page = replaced(replaced(PAGE, "make c", "one"), "make c", "two")
    assert page == PAGE + "\n<!-- make c -->\ntwo\n<!-- end of make c -->\n"
