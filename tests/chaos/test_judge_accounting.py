"""The judge finds what is lost, and takes an explanation only with its evidence."""

from dataclasses import replace

import pytest

from tests.chaos.cases import CASES
from tests.chaos.hand_made import Made, near, on_the_wire, told
from tests.chaos.recordings import Manner


@pytest.mark.parametrize("case", [case for case in CASES if case != "invalid"])
def test_a_story_that_went_as_planned_is_in_order(case: str) -> None:
    """Of every kind that is accepted, at an endpoint of either order and on the stream."""
    assert Made([told(case)]).violations() == []
    assert Made([told(case)], ordering="every").violations() == []


def test_a_release_that_never_came_is_lost() -> None:
    """Nothing else of the story is there to explain it."""
    made = Made([told("single")])
    made.lose(1)
    assert made.kinds() == {"lost"}


def test_the_newest_release_explains_the_one_before_under_latest_only() -> None:
    """`every` is owed both."""
    for ordering, kinds in (("latest", set()), ("every", {"lost"})):
        made = Made([told("refile")], ordering=ordering)
        made.lose(1)
        assert made.kinds() == kinds


def test_what_came_must_have_been_released_by_its_receipt() -> None:
    """A text that went out and was called superseded afterwards was given a number twice."""
    made = Made([told("flash_overtakes")])
    made.accounts[0].entries[0].receipt = "superseded"
    made.accounts[0].entries[0].settled = ""
    assert made.kinds() == {"unasked"}


def test_a_newer_release_is_no_excuse_for_one_that_had_all_the_time() -> None:
    """Another story, filed well after it, was there before the newer one was asked for; unless somebody was hurt."""
    refiled = told("refile", apart_s=11.0)
    made = Made([refiled, told("single", 1, later_s=5.0)])
    made.endpoint.came = [one for one in made.endpoint.came if one.story_id != refiled.story.story_id]
    made.rows.pop(("end_1", refiled.story.story_id, 1))
    made.endpoint.came += [on_the_wire(refiled)[1]]
    assert made.kinds() == {"lost"}
    made.windows.append(near(refiled.entries[0].asked_at + 5))
    assert made.kinds() == set()


def test_an_older_release_explains_nothing() -> None:
    """The newest of a story is owed whatever came before."""
    made = Made([told("refile")])
    made.lose(2)
    assert made.kinds() == {"lost"}


def test_the_storys_own_flash_may_overtake_under_every_when_it_is_on_record() -> None:
    """The product has to say superseded, or never to have owed it."""
    made = Made([told("flash_overtakes")], ordering="every")
    made.lose(1)
    assert made.outcomes() == ["delivered", "superseded"]
    made.row(1, "superseded")
    assert made.kinds() == set()
    made.row(1, "retrying")
    assert made.kinds() == {"lost"}


def test_what_a_filter_does_not_want_is_filtered() -> None:
    """And unasked for when it comes all the same."""
    made = Made([told("single")], wanted={"sources": ["somebody else"]})
    assert made.kinds() == {"unasked"}
    made.lose(1)
    assert made.kinds() == set()
    assert made.outcomes() == ["filtered"]


def test_who_got_version_one_is_owed_the_next_whatever_the_filter_says() -> None:
    """Version 1 is routine, version 2 a flash that the filter alone would not want."""
    made = Made([told("flash_overtakes")], wanted={"lanes": ["routine"]})
    made.lose(2)
    assert made.kinds() == {"lost"}


def test_a_kill_explains_what_it_cancelled_when_the_kill_came() -> None:
    """Without the kill neither is explained: somebody was sent version 2 and never told."""
    made = Made([told("killed_later")])
    made.lose(1)
    assert made.kinds() == set()
    made = Made([told("killed_later")])
    made.lose(3)
    assert made.kinds() == {"lost"}


def test_a_kill_that_came_first_leaves_nothing_to_tell() -> None:
    """Who was sent no word of the story needs no kill."""
    made = Made([told("killed_at_once")])
    made.lose(1, 2, 3)
    assert made.kinds() == set()
    assert made.outcomes() == ["killed", "killed", "killed"]


def test_a_kill_after_a_calm_while_finds_a_recipient() -> None:
    """What was filed well after version 1 was there before the kill: then neither is explained."""
    killed = told("killed_by_two", apart_s=11.0)
    made = Made([killed, told("single", 1, later_s=5.0)])
    made.endpoint.came = [one for one in made.endpoint.came if one.story_id != killed.story.story_id]
    made.rows = {place: state for place, state in made.rows.items() if place[1] != killed.story.story_id}
    assert made.kinds() == {"lost"}


def test_a_stream_shows_every_kill() -> None:
    """Also of a story that nobody knew."""
    made = Made([told("dead_on_arrival")])
    made.stream.came = []
    assert made.kinds() == {"lost"}


def test_a_withhold_explains_what_is_older() -> None:
    """The endpoint has the notice; what came before it is not sent after it."""
    made = Made([told("withheld_for_good")])
    made.lose(1)
    assert made.outcomes() == ["delivered", "withheld", "withheld"]
    made.lose(2)
    assert made.kinds() == set(), "nobody there was sent a word of it"


def test_a_notice_needs_nobody_who_was_sent_nothing_before() -> None:
    """Two withholds overtook the text; what comes at last is its release."""
    made = Made([told("withheld_and_back")], ordering="every")
    made.lose(*range(1, made.endpoint.came[-1].release_no))
    assert made.kinds() == set()


def test_a_dead_endpoint_explains_what_is_still_being_tried() -> None:
    """A healthy one does not, nor does one that the product believes to have served."""
    made = Made([told("single")], manner=Manner(dead=True))
    made.lose(1)
    made.row(1, "retrying")
    assert made.outcomes() == ["undeliverable"]
    made.row(1, "superseded")
    assert "lost" in made.kinds()


def test_an_endpoint_that_refuses_must_have_refused() -> None:
    """The receiver's own record of a refused try is the evidence, the product's row the other half."""
    made = Made([told("single")], manner=Manner(refuses=0.5))
    made.endpoint.came = [replace(one, status=503) for one in made.endpoint.came]
    made.row(1, "retrying")
    assert made.outcomes() == ["undeliverable"]
    made.endpoint.came = []
    assert made.kinds() == {"lost"}


def test_an_endpoint_that_was_away_before_explains_nothing() -> None:
    """It was back before the story was filed."""
    for back, kinds in ((0.5, set()), (-1.0, {"lost"})):
        made = Made([told("single")], manner=Manner(away=((-5.0, back),)))
        made.lose(1)
        made.row(1, "retrying")
        assert made.kinds() == kinds


def test_under_every_a_story_waits_for_its_earlier_release() -> None:
    """The first is refused, the second stands behind it."""
    made = Made([told("refile")], ordering="every", manner=Manner(refuses=0.5))
    made.endpoint.came = [replace(one, status=500) for one in made.endpoint.came if one.release_no == 1]
    made.row(1, "retrying")
    made.row(2, "retrying")
    assert made.outcomes() == ["undeliverable", "undeliverable"]


@pytest.mark.parametrize(
    ("case", "outcome"),
    [
        ("held_for_good", "held"),
        ("embargo_stands", "embargoed"),
        ("second_version_rejected", "rejected"),
        ("duplicate", "duplicate"),
        ("older_version", "superseded"),
        ("conflict", "held"),
    ],
)
def test_what_never_goes_on_the_wire_is_counted_as_what_it_was_filed_as(case: str, outcome: str) -> None:
    """And as nothing else: a receipt that was not planned is a violation."""
    made = Made([told(case)])
    assert outcome in made.outcomes()
    made.accounts[0].entries[-1].receipt = "received"
    assert "receipt" in made.kinds()
