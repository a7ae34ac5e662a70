"""The judge holds the product's own records against what was planned and seen, and a run against what it was for."""

from dataclasses import replace

from shared.platform.topics import Topic, partition_of, spec
from tests.chaos.hand_made import Made, near, told
from tests.chaos.history import Event, Reading
from tests.chaos.judge import FEW_DUPLICATES, judge
from tests.chaos.poison import is_misplaced


def test_a_receipt_that_was_not_planned_is_found() -> None:
    """Whatever it says, and when there is none."""
    for receipt in ("held", "received", "parked", ""):
        made = Made([told("single")])
        made.accounts[0].entries[0].receipt = receipt
        assert "receipt" in made.kinds()


def test_a_first_filing_that_is_called_a_duplicate_is_found() -> None:
    """Unless the driver had to repeat its request."""
    made = Made([told("single")])
    made.accounts[0].entries[0].twice = True
    assert made.kinds() == {"answer"}
    made.accounts[0].entries[0].tries = 2
    assert made.kinds() == set()


def test_a_story_the_driver_had_to_give_up_is_found() -> None:
    """The reason it noted is the evidence."""
    made = Made([told("single")])
    made.accounts[0].broken = "step 0 (file): 404"
    assert made.kinds() == {"answer"}


def test_a_flash_in_the_routine_lane_is_found() -> None:
    """The door says which lane it took."""
    made = Made([told("flash")])
    made.accounts[0].entries[0].lane = "routine"
    assert "lane" in made.kinds()


def test_what_came_must_be_delivered_by_the_products_log() -> None:
    """A fault right behind it may have kept the row from being written before something newer ended it."""
    made = Made([told("single")])
    made.row(1, "superseded")
    assert made.kinds() == {"row"}
    made.windows.append(near(made.endpoint.came[0].at + 1))
    assert made.kinds() == set()
    made.row(1, "retrying")
    assert made.kinds() == {"row"}


def test_what_the_log_calls_delivered_must_have_come() -> None:
    """No fault excuses it."""
    made = Made([told("refile")])
    made.endpoint.came = made.endpoint.came[1:]
    made.windows.append(near(made.endpoint.came[0].at))
    assert made.kinds() == {"row"}


def test_a_page_shows_the_newest_release_or_what_became_of_it() -> None:
    """200 with it, the notice of a withhold, 404 for what was never public, 410 for what was killed."""
    right = {"refile": 1, "killed_later": 410, "held_for_good": 404, "withheld_for_good": 1}
    for case, status in right.items():
        made = Made([told(case)])
        newest = made.stream.came[-1] if status == 1 else None
        reading = Reading(200, newest) if newest else Reading(status)
        story_id = made.accounts[0].story.story_id
        assert made.kinds(readings={story_id: reading}) == set()
        assert made.kinds(readings={story_id: Reading(503)}) == {"view"}
    made = Made([told("refile")])
    assert made.kinds(readings={made.accounts[0].story.story_id: Reading(200, made.stream.came[0])}) == {"view"}


def test_a_wrong_answer_of_a_view_is_found() -> None:
    """Asked during the run: what was shown once and is not found later."""
    made = Made([told("single")])
    assert made.kinds(view_errors=[(made.accounts[0].story.story_id, "its page is not found")]) == {"view"}


def test_a_dead_letter_of_an_accepted_story_is_found() -> None:
    """Poison of the tester's own is not."""
    made = Made([told("single")])
    assert made.kinds(dead_letters=[("moderation", "poison")]) == set()
    assert made.kinds(dead_letters=[("moderation", made.accounts[0].story.story_id)]) == {"parked"}


def test_a_copy_in_a_foreign_partition_is_known_as_poison() -> None:
    """It is parked under the key of a real story, of which nothing is lost; in its own partition it would be a loss."""
    story_id = "urn:example:chaos:1"
    own = partition_of(story_id, spec(Topic.INBOX).partitions.local)
    assert [is_misplaced(Topic.INBOX, partition, story_id) for partition in (own, own + 1)] == [False, True]
    assert not is_misplaced(Topic.RELEASED, 1, story_id)


def test_what_cannot_be_read_is_kept() -> None:
    """The door refuses it, and its bytes lie in the quarantine."""
    made = Made([told("invalid")])
    made.accounts[0].entries[0].status = 422
    assert made.kinds() == {"quarantine"}
    assert made.kinds(dead_letters=[("ingest", "quarantine_1")]) == set()


def test_a_process_that_needs_a_human_is_found() -> None:
    """So is one that ended though nobody had touched it."""
    made = Made([told("single")])
    assert made.kinds(events=[Event("broker stopped", "kafka", healthy=False)]) == {"not healthy"}
    assert made.kinds(unasked_ends=["moderation ended with 70"]) == {"ended"}


def test_a_webhook_that_does_not_verify_is_found() -> None:
    """By the receiver, with the published library."""
    made = Made([told("single")])
    made.endpoint.unverified = 1
    assert made.kinds() == {"signature"}


def test_too_many_repeats_are_too_many_though_faults_were_near() -> None:
    """Half a per cent of the deliveries may come twice, and a few in a short run."""
    made = Made([told("single", number) for number in range(FEW_DUPLICATES + 2)])
    made.windows.append(near(made.endpoint.came[0].at + 1))
    again = [replace(one, at=one.at + 3) for one in made.endpoint.came]
    made.endpoint.came += again[:FEW_DUPLICATES]
    assert made.kinds() == set()
    made.endpoint.came += again[FEW_DUPLICATES:]
    assert made.kinds() == {"duplicates"}


def test_a_run_without_something_it_was_meant_to_exercise_fails() -> None:
    """An outcome, a kind of story, a kind of fault, an endpoint that got nothing, a view that never answered."""
    made = Made([told("single")])
    history = made.history(planned_kinds=frozenset({"kill -9", "poison"}), view_answers=0)
    missing = {one.detail for one in judge(history, frozenset({"killed"})).violations if one.kind == "not exercised"}
    assert {"nothing is killed", "no kill -9 took effect", "no poison is parked", "no view answered"} <= missing
    assert "there is not an embargo that falls due" in missing
    made.endpoint.came = []
    missing = {one.detail for one in judge(made.history(), frozenset()).violations if one.kind == "not exercised"}
    assert "endpoint got nothing" in missing
