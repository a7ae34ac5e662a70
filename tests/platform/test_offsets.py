"""Does the low watermark ever pass a record that is not finished?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.offsets import LowWatermark

OFFSETS = st.lists(st.integers(0, 1000), unique=True, max_size=40).map(sorted)


def test_nothing_begun_means_nothing_passes() -> None:
    """The position is where the partition was taken up."""
    assert LowWatermark(7).position == 7


def test_the_lowest_open_record_holds_the_position() -> None:
    """Whatever is finished behind it."""
    watermark = LowWatermark(0)
    for offset in (0, 1, 2):
        watermark.begin(offset)
    watermark.finish(2)
    watermark.finish(0)
    assert (watermark.position, watermark.in_flight) == (1, 1)
    watermark.finish(1)
    assert (watermark.position, watermark.in_flight) == (3, 0)


@given(offsets=OFFSETS, order=st.randoms(use_true_random=False))
def test_the_position_is_always_the_lowest_unfinished_offset(offsets: list[int], order: object) -> None:
    """In any order of finishing, with gaps as compaction leaves them; at the end everything has passed."""
    watermark = LowWatermark(0)
    for offset in offsets:
        watermark.begin(offset)
    unfinished = list(offsets)
    order.shuffle(unfinished)  # type: ignore[attr-defined]
    end = offsets[-1] + 1 if offsets else 0
    while unfinished:
        assert watermark.position == min(unfinished)
        watermark.finish(unfinished.pop())
    assert watermark.position == end


@given(offsets=OFFSETS, order=st.randoms(use_true_random=False))
def test_the_position_never_goes_back(offsets: list[int], order: object) -> None:
    """Beginning and finishing interleaved: a committed offset is never taken back."""
    watermark, last, waiting = LowWatermark(0), 0, list(offsets)
    open_ones: list[int] = []
    while waiting or open_ones:
        if waiting and (not open_ones or order.random() < 0.5):  # type: ignore[attr-defined]
            open_ones.append(waiting.pop(0))
            watermark.begin(open_ones[-1])
        else:
            watermark.finish(open_ones.pop(order.randrange(len(open_ones))))  # type: ignore[attr-defined]
        assert watermark.position >= last
        last = watermark.position


def test_a_record_cannot_begin_behind_one_that_has() -> None:
    """Order within the partition is the caller's promise; breaking it would let an offset pass too early."""
    watermark = LowWatermark(5)
    watermark.begin(6)
    with pytest.raises(ValueError, match="begins after"):
        watermark.begin(6)


def test_finishing_twice_is_an_error() -> None:
    """A second confirmation means that somebody counts wrongly."""
    watermark = LowWatermark(0)
    watermark.begin(0)
    watermark.finish(0)
    with pytest.raises(KeyError):
        watermark.finish(0)


def test_what_an_earlier_owner_has_finished_is_known_and_passed_over() -> None:
    """The position jumps over it as soon as what lies before it is finished."""
    watermark = LowWatermark(3, [(4, 6), (9, 10)])
    assert [offset for offset in range(3, 11) if watermark.was_finished(offset)] == [4, 5, 9]
    watermark.begin(3)
    assert (watermark.position, watermark.finished()) == (3, [(4, 6), (9, 10)])
    watermark.finish(3)
    assert (watermark.position, watermark.finished()) == (6, [(9, 10)])


FACTS = st.lists(st.booleans(), max_size=60)


@given(earlier=FACTS, later=st.randoms(use_true_random=False), count=st.integers(0, 60))
def test_begun_twice_is_exactly_what_was_not_finished(earlier: list[bool], later: object, count: int) -> None:
    """Two lives of one partition: the second begins what the first left, tells both, and ends where the log does."""
    base = next((at for at, done in enumerate(earlier) if not done), len(earlier))
    first = LowWatermark(0)
    for offset in range(len(earlier)):
        first.begin(offset)
    for offset, done in enumerate(earlier):
        if done:
            first.finish(offset)
    assert first.position == base

    second = LowWatermark(first.position, first.finished())
    left = [offset for offset in range(base, len(earlier) + count) if not second.was_finished(offset)]
    assert left == [at for at in range(base, len(earlier) + count) if at >= len(earlier) or not earlier[at]]
    open_ones: list[int] = []
    unfinished = list(left)
    while left or open_ones:
        if left and (not open_ones or later.random() < 0.5):  # type: ignore[attr-defined]
            open_ones.append(left.pop(0))
            second.begin(open_ones[-1])
        else:
            gone = open_ones.pop(later.randrange(len(open_ones)))  # type: ignore[attr-defined]
            second.finish(gone)
            unfinished.remove(gone)
        told = {offset for start, end in second.finished() for offset in range(start, end)}
        end = max(len(earlier), second.position, *(offset + 1 for offset in told), 0)
        passed = set(range(base, second.position)) | told
        assert passed.isdisjoint(unfinished)
        assert passed == {offset for offset in range(base, end) if offset not in unfinished and offset < end}
    assert second.position == len(earlier) + count
