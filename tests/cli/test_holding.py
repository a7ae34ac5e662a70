"""What a receiver holds does not depend on how its webhooks travelled."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.holding import Held, Holdings

STORY = "urn:x"
RELEASES = ("story.publish", "story.update", "story.withhold", "story.release", "story.repeat")


def message(type_: str, release_no: int, story_id: str = STORY) -> dict[str, Any]:
    return {"type": type_, "data": {"story_id": story_id, "release_no": release_no}}


WEBHOOKS = [(f"dlv_{n}", message(type_, n)) for n, type_ in enumerate(RELEASES, start=1)]
KILL = ("dlv_kill", message("story.kill", 9))


@given(st.permutations([*WEBHOOKS, *WEBHOOKS]))
def test_in_any_order_and_twice_the_newest_release_is_held(sent: list[tuple[str, dict[str, Any]]]) -> None:
    """Each id is acted on once at most."""
    holdings = Holdings()
    effects = [holdings.take(*one) for one in sent]
    held = holdings.of(STORY)
    assert held is not None
    assert (held.release_no, held.state) == (5, "live")
    assert effects.count("new") == held.acted <= len(WEBHOOKS)
    assert effects.count("again") == len(WEBHOOKS)


@given(st.permutations([*WEBHOOKS, KILL, KILL]))
def test_wherever_the_kill_stands_nothing_comes_back(sent: list[tuple[str, dict[str, Any]]]) -> None:
    """Also before the first release was seen."""
    holdings = Holdings()
    for one in sent:
        holdings.take(*one)
    held = holdings.of(STORY)
    assert held is not None
    assert held.state == "killed"


def test_a_withheld_story_is_withheld_until_a_later_release() -> None:
    """An older one that arrives meanwhile changes nothing."""
    holdings = Holdings()
    assert holdings.take("dlv_3", message("story.withhold", 3)) == "new"
    assert holdings.take("dlv_2", message("story.update", 2)) == "older"
    assert holdings.of(STORY) == Held(3, "withheld", 1)


def test_what_is_no_story_leads_to_nothing() -> None:
    """Unknown types, and data that is none, are taken and forgotten."""
    holdings = Holdings()
    odd_ones: list[dict[str, Any]] = [{"type": "story.new"}, {"type": "endpoint.test", "data": {}}, {"data": None}]
    for number, odd in enumerate(odd_ones):
        assert holdings.take(f"dlv_{number}", odd) == "none"
    assert holdings.take("dlv_9", {"type": "story.publish", "data": {"story_id": 7, "release_no": "1"}}) == "none"


def test_memory_is_bounded() -> None:
    """The oldest ids and stories go first."""
    holdings = Holdings(remembered=3)
    for number in range(5):
        holdings.take(f"dlv_{number}", message("story.publish", 1, f"urn:{number}"))
    assert holdings.of("urn:1") is None
    assert holdings.take("dlv_4", message("story.publish", 1, "urn:4")) == "again"
    assert holdings.take("dlv_0", message("story.publish", 1, "urn:0")) == "new"
