"""What an owner remembers of deliveries, and how little of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.attempts import Tried, row_of
from shared.domain.events import DeliveryAttempted, parse_event
from tests.services.distribution.deliveries import NOON, delivery


def test_what_rode_flash_is_remembered_whatever_is_sent_of_the_rest() -> None:
    """A routine release far behind must find what overtook it."""
    tried = Tried(remembered=3)
    tried.take(row_of(delivery(release_no=2), "sub_1", "delivered", "200", NOON, n=1), 0)
    for number in range(10):
        row = row_of(delivery(story_id=f"urn:{number}"), "sub_1", "delivered", "200", NOON, n=1)
        tried.take(row, 0, may_overtake=False)
    assert tried.has(delivery(release_no=1)) == 2


def test_what_was_read_back_is_not_forgotten_for_what_comes_after_it() -> None:
    """A backlog may hold more deliveries than are remembered; each of its records is asked for once more."""
    tried = Tried(remembered=3)
    backlog = [delivery(story_id=f"urn:{number}") for number in range(10)]
    for one in backlog:
        row = row_of(one, "sub_1", "delivered", "200", NOON, n=1)
        event = parse_event(row.encoded(row.event_id))
        assert isinstance(event, DeliveryAttempted)
        tried.read_back(event, 0)
    for number in range(3):
        tried.take(row_of(delivery(story_id=f"urn:new:{number}"), "sub_1", "delivered", "200", NOON, n=1), 0)
    assert all(tried.is_done(one.delivery_id, 0) for one in backlog)


@given(st.lists(st.integers(0, 50), max_size=60))
def test_memory_is_bounded_by_what_is_remembered(stories: list[int]) -> None:
    """Of any sequence of finished deliveries no more than the newest few are known."""
    tried = Tried(remembered=5)
    sent = [delivery(story_id=f"urn:{number}") for number in stories]
    for one in sent:
        tried.take(row_of(one, "sub_1", "delivered", "200", NOON, n=1), 0)
    assert len({one.story_id for one in sent if tried.has(one)}) == min(5, len(set(stories)))


def test_one_more_try_may_be_asked_for_after_the_schedule_gave_up() -> None:
    """The try after the last; records of the tries before it are still dealt with."""
    tried, given_up = Tried(), delivery()
    tried.take(row_of(given_up, "sub_1", "expired", "500", NOON, n=7), 0)
    assert not tried.is_done(given_up.delivery_id, 7)
    assert tried.is_done(given_up.delivery_id, 6)


@pytest.mark.parametrize("state", ["delivered", "superseded", "killed", "filtered", "failed"])
def test_every_other_end_is_one(state: str) -> None:
    """What was delivered, or what a rule ended, is not tried again whoever asks."""
    tried, over = Tried(), delivery()
    tried.take(row_of(over, "sub_1", state, "", NOON, n=7), 0)
    assert tried.is_done(over.delivery_id, 7)
