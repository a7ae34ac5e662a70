"""Does a commit's note give back exactly what was finished, and nothing where it is not ours or not of this offset?"""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.offset_notes import LONGEST_NOTE, MARK, read, written
from shared.platform.offsets import Span

OFFSETS = st.integers(0, 2**63 - 1)
RUNS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), max_size=100)


def spans(base: int, runs: list[tuple[int, int]]) -> list[Span]:
    """Runs of (unfinished, finished) from `base` on."""
    found: list[Span] = []
    for skipped, length in runs:
        start = (found[-1][1] if found else base) + skipped
        found.append((start, start + length))
    return found


@given(base=OFFSETS, runs=RUNS)
def test_what_is_written_is_read(base: int, runs: list[tuple[int, int]]) -> None:
    """Whatever is finished, as long as it fits."""
    finished = spans(base, runs)
    note = written(base, finished)
    assert len(note.encode()) <= LONGEST_NOTE
    assert read(base, note) == finished


def test_nothing_finished_is_an_empty_note() -> None:
    """Most commits are that: everything in order."""
    assert written(7, []) == ""
    assert read(7, "") == []


def test_a_full_window_in_the_worst_order_fits() -> None:
    """512 in flight, every other one finished over a million records: still one note of 4 KiB."""
    chance = random.Random(1)
    finished = spans(10**12, [(1, chance.randrange(1, 4_000)) for _ in range(512)])
    assert read(10**12, written(10**12, finished)) == finished


@given(base=OFFSETS, seed=st.integers(0, 1000), longest=st.integers(len(MARK), 300))
def test_what_does_not_fit_is_left_out_from_the_far_end(base: int, seed: int, longest: int) -> None:
    """Then it is handled again; never is something told as finished that is not."""
    chance = random.Random(seed)
    finished = spans(base, [(chance.randrange(1, 5_000), chance.randrange(1, 5_000)) for _ in range(300)])
    note = written(base, finished, longest)
    assert len(note) <= longest
    found = read(base, note)
    assert found == finished[: len(found)]
    assert len(found) < len(finished)
    assert len(written(base, finished[: len(found) + 1])) > longest


@given(base=OFFSETS, runs=RUNS, other=OFFSETS)
def test_a_note_of_another_offset_says_nothing(base: int, runs: list[tuple[int, int]], other: int) -> None:
    """An operator who sets an offset back wants all of it handled, whatever a tool keeps beside it."""
    if other != base:
        assert read(other, written(base, spans(base, runs))) == []


@given(st.text(max_size=200))
def test_a_foreign_note_says_nothing(note: str) -> None:
    """Other clients write what they like there, and it is no error."""
    assert read(0, note) == []
    assert read(0, MARK + note) == []


@given(base=OFFSETS, runs=RUNS.filter(bool), seed=st.randoms(use_true_random=False))
def test_a_broken_note_says_nothing(base: int, runs: list[tuple[int, int]], seed: random.Random) -> None:
    """A character that changed, or an end that is missing, must not pass a record that nobody handled."""
    finished = spans(base, runs)
    note = written(base, finished)
    at = seed.randrange(len(MARK), len(note))
    other = "0" if note[at] != "0" else "1"
    assert read(base, note[:at] + other + note[at + 1 :]) in ([], finished)  # the last one holds bits that are no data
    assert read(base, note[:at]) == []


@pytest.mark.parametrize(
    "runs", [[(144, 51216), (144, 273), (145, 145), (528, 663)], [(1, 1)] * 9, [(1, 2), (300, 70_000), (1, 2)]]
)
def test_no_single_character_can_be_changed_into_another_truth(runs: list[tuple[int, int]]) -> None:
    """Every one of them, into every other that a note may hold."""
    base = 82_190_697_528_297_619
    finished = spans(base, runs)
    note = written(base, finished)
    for at in range(len(MARK), len(note)):
        told = {tuple(read(base, note[:at] + other + note[at + 1 :])) for other in string.printable}
        assert told <= {(), tuple(finished)}  # what the last one holds beyond the data may be anything


@pytest.mark.parametrize("version", ["done1:", "done2", "DONE2:"])
def test_another_form_says_nothing(version: str) -> None:
    """A later release may write differently; this one then repeats, and loses nothing."""
    assert read(0, version + written(0, [(1, 2)]).removeprefix(MARK)) == []
