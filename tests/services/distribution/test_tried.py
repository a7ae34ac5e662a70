"""What an owner remembers of deliveries, and how little of it."""

from hypothesis import given
from hypothesis import strategies as st

from services.distribution.attempts import Tried, row_of
from tests.services.distribution.deliveries import NOON, delivery


def test_what_an_endpoint_has_is_kept_while_an_older_release_is_owed() -> None:
    """A release hours in a tier must find what overtook it, whatever else was sent meanwhile."""
    tried = Tried(remembered=3)
    old = delivery(release_no=1)
    tried.owe(old)
    tried.take(row_of(delivery(release_no=2), "sub_1", "delivered", "200", NOON, n=1), 0)
    for number in range(10):
        tried.take(row_of(delivery(story_id=f"urn:{number}"), "sub_1", "delivered", "200", NOON, n=1), 0)
    assert tried.has(old) == 2


@given(st.lists(st.integers(0, 50), max_size=60))
def test_memory_is_bounded_by_what_is_remembered(stories: list[int]) -> None:
    """Of any sequence of finished deliveries no more than the newest few are known."""
    tried = Tried(remembered=5)
    sent = [delivery(story_id=f"urn:{number}") for number in stories]
    for one in sent:
        tried.take(row_of(one, "sub_1", "delivered", "200", NOON, n=1), 0)
    assert len({one.story_id for one in sent if tried.has(one)}) == min(5, len(set(stories)))
