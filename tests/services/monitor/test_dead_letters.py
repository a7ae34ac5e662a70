"""Can an operator find what kills: page by page, and counted by cause?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.dead_letters import DeadLetterBook, Mark, Place, Wanted
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.services.monitor.redriving import dead


def book_of(*records: Record) -> DeadLetterBook:
    book = DeadLetterBook()
    for record in records:
        book.apply(record)
    return book


@given(times=st.lists(st.integers(1, 3), max_size=12), limit=st.integers(1, 5))
def test_the_pages_together_are_all_letters_once_newest_first(times: list[int], limit: int) -> None:
    """Also where many were parked in the same millisecond."""
    book = book_of(*(dead(offset, at=at) for offset, at in enumerate(times)))
    seen: list[tuple[int, int]] = []
    page, mark = book.newest(Wanted(), limit)
    while True:
        seen += [(letter.at, letter.offset) for letter in page]
        if mark is None:
            break
        page, mark = book.newest(Wanted(), limit, Mark.read(str(mark)))
    assert seen == sorted(((at, offset) for offset, at in enumerate(times)), reverse=True)


def test_letters_are_counted_by_cause_the_largest_first() -> None:
    """With when it began and when it last happened, whatever page is shown."""
    book = book_of(dead(1, FINGERPRINT="beef"), dead(2), dead(3, REASON="no JSON either"), dead(4, Topic.DEAD_ENRICH))
    groups = book.groups(Wanted(service="moderation"))
    assert [(one.fingerprint, one.count, one.oldest, one.newest) for one in groups] == [
        ("f00d", 2, 2, 3),
        ("beef", 1, 1, 1),
    ]
    assert groups[0].reason == "no JSON either"


def test_since_is_inclusive() -> None:
    """A letter parked in that millisecond is one of those asked for."""
    page, _ = book_of(dead(1), dead(2), dead(3)).newest(Wanted(since=2), 10)
    assert [letter.offset for letter in page] == [3, 2]


@pytest.mark.parametrize("cursor", ["", "1~x", "a~b~c~d", "1~t~2~3~4"])
def test_a_cursor_of_somebody_elses_making_is_refused(cursor: str) -> None:
    """ValueError, for the edge to answer."""
    with pytest.raises(ValueError, match=r"unpack|invalid literal"):
        Mark.read(cursor)


def test_a_place_is_written_as_everywhere() -> None:
    """topic[partition]@offset."""
    assert str(Place("wire.dead.enrich.v1", 2, 30)) == "wire.dead.enrich.v1[2]@30"
