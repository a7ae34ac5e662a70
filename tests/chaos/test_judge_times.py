"""The judge finds what came out of order, twice, too early, or after its story was dead."""

from dataclasses import replace

from tests.chaos.hand_made import NOON, Made, near, repeats, told
from tests.chaos.history import Sighting


def test_an_older_release_behind_a_newer_one_is_out_of_order() -> None:
    """At an endpoint and on the stream alike."""
    for name in ("endpoint", "stream"):
        made = Made([told("refile")])
        getattr(made, name).came.reverse()
        assert made.kinds() == {"order"}


def test_what_is_tried_again_behind_a_newer_release_is_out_of_order() -> None:
    """The older one was refused, the newer one taken: nobody wants the older one then."""
    made = Made([told("refile")])
    older, newer = made.endpoint.came
    made.endpoint.came = [replace(older, status=503), newer, replace(older, at=newer.at + 10)]
    assert made.kinds() == {"order"}


def test_a_repeat_is_forgiven_only_near_a_fault() -> None:
    """Between the two arrivals somebody must have been hurt."""
    made = Made([told("single")])
    first = made.endpoint.came[0]
    made.endpoint.came.append(replace(first, at=first.at + 5))
    assert made.kinds() == {"duplicate"}
    made.windows.append(near(first.at + 2))
    assert made.kinds() == set()
    assert repeats(made) == 1


def test_another_try_after_a_refusal_is_no_repeat() -> None:
    """The receiver itself asked for it."""
    made = Made([told("single")])
    first = made.endpoint.came[0]
    made.endpoint.came = [replace(first, status=503), replace(first, at=first.at + 10)]
    assert made.kinds() == set()
    assert repeats(made) == 0


def test_a_repeat_has_the_same_id() -> None:
    """A fault excuses the repeat, not another `webhook-id`."""
    made = Made([told("single")])
    first = made.endpoint.came[0]
    made.endpoint.came.append(replace(first, at=first.at + 1, webhook_id="dlv_other"))
    made.windows.append(near(first.at + 0.5))
    assert made.kinds() == {"two ids"}


def test_a_release_says_the_same_everywhere() -> None:
    """At the endpoint, on the stream, and in the views."""
    made = Made([told("single")])
    story_id = made.accounts[0].story.story_id
    assert made.kinds(view_digests={(story_id, 1): {"digest 1"}}) == set()
    assert made.kinds(view_digests={(story_id, 1): {"another"}}) == {"content"}
    made.stream.came = [replace(made.stream.came[0], digest="another")]
    assert made.kinds() == {"content"}


def test_a_release_that_nobody_filed_is_found() -> None:
    """A second number for one filing is such a one."""
    made = Made([told("single")])
    only = made.endpoint.came[0]
    made.endpoint.came.append(replace(only, release_no=2, at=only.at + 1, webhook_id="dlv_2"))
    assert "unknown" in made.kinds()


def test_a_byte_before_its_time_is_found_in_every_channel() -> None:
    """A millisecond is too early."""
    made = Made([told("embargo_falls_due")])
    until = made.accounts[0].entries[0].until
    story_id, mark = made.accounts[0].story.story_id, made.accounts[0].entries[0].step.mark
    assert made.kinds(sightings={("the feed", story_id, mark): Sighting(until, until)}) == set()
    assert made.kinds(sightings={("the feed", story_id, mark): Sighting(until - 0.001, until)}) == {"early"}
    made.endpoint.came = [replace(made.endpoint.came[0], at=until - 0.001)]
    assert made.kinds() == {"early"}


def test_a_freed_text_may_come_once_its_freeing_was_asked_for() -> None:
    """A held one, and one whose embargo an editor lifts."""
    for case in ("held_and_released", "embargo_lifted_early", "back_with_a_new_version"):
        made = Made([told(case)])
        assert made.kinds() == set()
        freed = next(one for one in made.accounts[0].entries if one.step.freed_by is not None)
        asked = made.accounts[0].entries[freed.step.freed_by or 0].asked_at
        early = [replace(one, at=asked - 0.1) if one.mark == freed.step.mark else one for one in made.endpoint.came]
        made.endpoint.came = early
        assert "early" in made.kinds()


def test_a_text_that_is_held_or_rejected_is_never_seen() -> None:
    """Not even on a page."""
    for case in ("held_for_good", "held_and_rejected", "embargo_stands", "older_version", "conflict"):
        made = Made([told(case)])
        story_id = made.accounts[0].story.story_id
        hidden = next(one.step.mark for one in made.accounts[0].entries if one.step.key is None and one.step.mark)
        sightings = {("a page", story_id, hidden): Sighting(NOON + 9, NOON + 9)}
        assert made.kinds(sightings=sightings) == {"hidden"}


def test_nothing_comes_after_the_kill_is_there() -> None:
    """Not a moment later, not even a repeat near a fault."""
    made = Made([told("killed_later")])
    kill = next(one for one in made.endpoint.came if one.kind == "kill")
    again = replace(made.endpoint.came[0], at=kill.at + 0.01)
    made.endpoint.came.append(again)
    made.windows.append(near(kill.at))
    assert made.kinds() == {"after kill"}


def test_nothing_is_seen_anywhere_once_the_kill_is_known() -> None:
    """A second is left for another process to hear of it; what comes within is counted."""
    made = Made([told("killed_later")])
    story_id, mark = made.accounts[0].story.story_id, made.accounts[0].entries[0].step.mark
    known = min(one.at for one in made.stream.came if one.kind == "kill")
    assert made.kinds(sightings={("a page", story_id, mark): Sighting(NOON + 0.2, known + 0.5)}) == set()
    assert made.kinds(sightings={("a page", story_id, mark): Sighting(NOON + 0.2, known + 1.5)}) == {"after kill"}


def test_an_answer_that_was_made_before_the_kill_was_known_may_come_behind_it() -> None:
    """A poll's answer is made whole, then sent; one that is asked for when the kill is known holds no text."""
    made = Made([told("killed_later")])
    killed = max(one.at for one in made.endpoint.came if one.kind == "kill")
    text = next(one for one in made.stream.came if one.kind != "kill")
    for asked, late, wrong in ((killed - 1, 2.5, False), (killed - 1, 5.0, True), (killed + 1.1, 1.5, True)):
        made.stream.came = [replace(text, at=killed + late, asked=asked)]
        assert ("after kill" in made.kinds()) is wrong


def test_what_is_older_than_a_withhold_does_not_come_behind_it() -> None:
    """A repeat near a fault is no excuse."""
    made = Made([told("withheld_for_good")])
    notice = next(one for one in made.endpoint.came if one.kind == "withhold")
    made.endpoint.came.append(replace(made.endpoint.came[0], at=notice.at + 0.1))
    made.windows.append(near(notice.at))
    assert made.kinds() == {"after withhold"}
