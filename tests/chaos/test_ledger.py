"""The driver's books tell a lost, a doubled and a late release apart."""

import pytest

from tests.chaos.ledger import in_order_of_arrival, out_of_order, plans
from tests.receivers.recording import Recorded


def webhook(webhook_id: str, story_id: str, release_no: int) -> Recorded:
    return Recorded(webhook_id, 0, "story.update", {"story_id": story_id, "release_no": release_no}, b"", ())


def test_a_webhook_counts_once_at_its_first_arrival() -> None:
    """A repeat under the same id after a crash changes no order."""
    came = [webhook("a1", "a", 1), webhook("a2", "a", 2), webhook("a1", "a", 1), webhook("b1", "b", 1)]
    assert in_order_of_arrival(came) == {"a": [1, 2], "b": [1]}


def test_an_older_release_behind_a_newer_one_is_told() -> None:
    """And so is one release under two ids."""
    late = [webhook("a2", "a", 2), webhook("a1", "a", 1), webhook("b1", "b", 1), webhook("b2", "b", 2)]
    assert out_of_order(in_order_of_arrival(late)) == {"a": [2, 1]}
    assert out_of_order(in_order_of_arrival([webhook("x", "a", 1), webhook("y", "a", 1)])) == {"a": [1, 1]}


def test_one_id_for_two_releases_is_told() -> None:
    """`webhook-id` is unique per story, release and endpoint."""
    with pytest.raises(AssertionError, match="one webhook-id for two releases"):
        in_order_of_arrival([webhook("a1", "a", 1), webhook("a1", "a", 2)])


def test_some_stories_end_in_a_flash() -> None:
    """The last version of every third story here; ids and texts are all different."""
    planned = plans(6, 2, flash_every=3)
    assert [plan.has_flash for plan in planned] == [True, False, False, True, False, False]
    assert len({plan.story_id for plan in planned}) == 6
    assert len({str(text["headlines"]) for plan in planned for text in plan.versions}) == 12
