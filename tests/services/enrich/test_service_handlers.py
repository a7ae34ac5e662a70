"""What the desk gets for a filing: the event that follows from it, cleaned, described, never less than was filed."""

from datetime import timedelta
from typing import Any

import pytest

from services.enrich.handlers import Describer
from services.enrich.near_duplicates import text_hash
from services.enrich.released_texts import ReleasedTexts
from services.enrich.steps import Steps
from shared.domain.errors import Undecodable
from shared.domain.events import NearDuplicate, StoryEnriched, StoryReceived, derived_id, epoch_us
from shared.domain.story import Kind, Lane, content_hash, plain_body_of
from shared.platform.clock import FixedClock
from shared.platform.topics import Topic
from tests.services.enrich.filings import NOON, STORY, correction, received, record, released, with_step_raising
from tests.services.enrich.samples import ENGLISH, GERMAN, body_of, filed

OTHER = "urn:example:desk:2"
ATTACK = f"{ENGLISH}\n\n<script>steal()</script>Call +91 194 245 0001 for details."


def described(
    steps: Steps, event: StoryReceived, *, lane: Lane = Lane.ROUTINE, texts: Any = None, clock: FixedClock | None = None
) -> StoryEnriched:
    """Describe a filing as a lane's worker does, at noon and with nothing on the wire unless the test says so."""
    return Describer(lane, steps, texts or ReleasedTexts(), clock or FixedClock(NOON)).describe(event)


def knowing(*records: Any) -> ReleasedTexts:
    """Give an index that has seen these releases."""
    texts = ReleasedTexts()
    for one in records:
        texts.apply(one)
    return texts


def test_the_event_follows_from_its_filing(steps: Steps) -> None:
    """Its id is derived, its cause named, its flight record goes on."""
    event = described(steps, received())
    assert (event.event_id, event.cause) == (derived_id("enrich", "filing-1"), "filing-1")
    assert (event.story_id, event.version, event.producer) == (STORY, 1, "enrich")
    assert event.stage_times == {"accepted": 1_000_000, "enriched": epoch_us(NOON)}


def test_the_same_filing_gives_the_same_event(steps: Steps) -> None:
    """A replay may differ in its times only."""
    first = described(steps, received())
    again = described(steps, received(), clock=FixedClock(NOON + timedelta(hours=1)))
    assert (again.event_id, again.data) == (first.event_id, first.data)


def test_the_flight_record_never_runs_backwards(steps: Steps) -> None:
    """A worker whose clock is behind the door's gives the door's time."""
    late = received().model_copy(update={"stage_times": {"accepted": epoch_us(NOON) + 5}})
    assert described(steps, late).stage_times["enriched"] == epoch_us(NOON) + 5


def test_filters_can_judge_what_comes_out(steps: Steps) -> None:
    """Sections are slugs, subjects have their broader ones, source and urgency are those of the filing."""
    facts = described(steps, received(section="World", urgency=3, source="bureau")).data.facts
    assert facts.sections == ("world",)
    assert {"medtop:20000056", "medtop:16000000"} <= set(facts.subjects)
    assert {"AF", "TJ"} <= set(facts.places)
    assert (facts.sources, facts.languages, facts.urgency, facts.lanes) == (("bureau",), ("en",), 3, (Lane.ROUTINE,))


def test_the_filed_section_is_a_fact_even_without_its_step(steps: Steps) -> None:
    """Subscribers to a section do not depend on the step that also guesses sections."""
    event = described(with_step_raising(steps, "topics"), received(section="Jammu & Kashmir"))
    assert event.data.facts.sections == ("jammu-kashmir",)
    assert "enrichment-failed:topics" in event.data.labels


def test_labels_of_the_door_stay_in_front(steps: Steps) -> None:
    """What ingest saw is kept and not told twice."""
    event = described(steps, received(filed(ATTACK), labels=("embargo-over", "active-content-removed")))
    assert event.data.labels == ("embargo-over", "active-content-removed", "contact-data:phone")


def test_a_script_and_a_number_come_out_clean_and_told(steps: Steps) -> None:
    """The script is gone from both bodies; the number stays, with its place and without its digits."""
    data = described(steps, received(filed(ATTACK))).data
    assert "steal" not in str(data.story)
    assert {"active-content-removed", "contact-data:phone"} <= set(data.labels)
    [span] = data.contacts
    assert plain_body_of(data.story)[span.start : span.end] == "+91 194 245 0001"
    assert span.kind == "phone"


def test_enrichment_is_outside_the_content(steps: Steps) -> None:
    """A clean story has the hash it was filed with: the derived body does not count."""
    event = received()
    data = described(steps, event).data
    assert body_of(data.story, "text/html")
    assert content_hash(data.story) == data.content_hash == event.data.content_hash


@pytest.mark.parametrize(
    ("worker", "asked", "given"),
    [
        (Lane.ROUTINE, Lane.ROUTINE, Lane.ROUTINE),
        (Lane.FLASH, Lane.ROUTINE, Lane.FLASH),
        (Lane.ROUTINE, Lane.FLASH, Lane.FLASH),
    ],
)
def test_a_lane_is_never_lowered(steps: Steps, worker: Lane, asked: Lane, given: Lane) -> None:
    """Where filing and topic differ, the faster one counts, for the record and for filters."""
    data = described(steps, received(lane=asked), lane=worker).data
    assert (data.lane, data.facts.lanes) == (given, (given,))


def test_a_correction_without_bodies_says_nothing_of_places_or_language(steps: Steps) -> None:
    """Half a headline is no ground for judging a story; moderation unites this with the corrected text's facts."""
    partial = {"headlines": [{"value": "Soldiers of Uzbekistan crossed into Tajikistan after fighting"}]}
    data = described(steps, correction(partial, section="World")).data
    assert data.story == partial
    assert (data.facts.places, data.facts.subjects, data.facts.languages) == ((), (), ())
    assert data.facts.sections == ("world",)
    assert (data.text_hash, data.near_duplicate) == ("", None)
    assert data.correction is not None


def test_a_correction_is_judged_by_the_subjects_it_files(steps: Steps) -> None:
    """A corrected classification must reach those who filter on it."""
    subject = {"name": "war", "uri": "http://cv.iptc.org/newscodes/mediatopic/20000056"}
    facts = described(steps, correction({"subjects": [subject]})).data.facts
    assert facts.subjects == ("medtop:16000000", "medtop:20000056")
    assert facts.places == ()


def test_a_correction_of_the_bodies_is_judged_by_them(steps: Steps) -> None:
    """Its other body is derived anew; fields it does not change are not added."""
    data = described(steps, correction({"bodies": [{"contentType": "text/plain", "value": ENGLISH}]})).data
    assert set(data.story) == {"bodies"}
    assert body_of(data.story, "text/html")
    assert "TJ" in data.facts.places
    assert data.facts.sections == ()
    assert data.text_hash == text_hash(ENGLISH)


def test_a_correction_is_cleaned(steps: Steps) -> None:
    """No way in for a script by way of a corrected headline."""
    data = described(steps, correction({"headlines": [{"value": "<script>steal()</script>Right"}]})).data
    assert "steal" not in str(data.story)
    assert "active-content-removed" in data.labels


def test_the_same_text_under_another_story_is_named(steps: Steps) -> None:
    """White space and case do not hide a copy."""
    data = described(
        steps, received(filed(ENGLISH.replace("\n\n", "\n"))), texts=knowing(released(ENGLISH, OTHER))
    ).data
    assert data.near_duplicate == NearDuplicate(story_id=OTHER, score=1.0, exact=True)


def test_much_the_same_text_is_named_with_what_is_shared(steps: Steps) -> None:
    """A brief inside a longer text: not exact, and the share says how much."""
    longer = f"{ENGLISH}\n\nOfficials in the capital said that schools along the river would stay closed this week."
    near = described(steps, received(), texts=knowing(released(longer, OTHER))).data.near_duplicate
    assert near is not None
    assert (near.story_id, near.exact) == (OTHER, False)
    assert 0.5 <= near.score <= 1


def test_a_story_is_no_duplicate_of_itself(steps: Steps) -> None:
    """An update has its own earlier release on the wire."""
    assert described(steps, received(), texts=knowing(released(ENGLISH, STORY))).data.near_duplicate is None


def test_stories_without_text_resemble_nothing(steps: Steps) -> None:
    """Two picture stories have equal bodies: none."""
    texts = knowing(released("", OTHER))
    assert described(steps, received(filed("")), texts=texts).data.near_duplicate is None


@pytest.mark.parametrize("kind", [Kind.WITHHOLD, Kind.KILL])
def test_what_was_taken_off_the_wire_is_not_named(steps: Steps, kind: Kind) -> None:
    """A withdrawn story leaves the index: nobody is to be pointed to it."""
    texts = knowing(released(ENGLISH, OTHER), released(ENGLISH, OTHER, kind))
    assert described(steps, received(), texts=texts).data.near_duplicate is None


def test_a_deleted_release_leaves_the_index(steps: Steps) -> None:
    """A tombstone on the compacted topic is the end of its story."""
    texts = knowing(released(ENGLISH, OTHER), record(Topic.CURRENT, None, OTHER))
    assert described(steps, received(), texts=texts).data.near_duplicate is None


def test_a_story_that_changed_is_known_by_its_newest_text(steps: Steps) -> None:
    """The earlier text of an updated story is on the wire no more."""
    texts = knowing(released(ENGLISH, OTHER), released(GERMAN, OTHER))
    assert described(steps, received(), texts=texts).data.near_duplicate is None


def test_the_index_passes_over_what_it_cannot_read(steps: Steps) -> None:
    """One bad record on the topic does not stop the comparing of the others."""
    texts = knowing(record(Topic.CURRENT, b"no json", "x"), released(ENGLISH, OTHER))
    assert described(steps, received(), texts=texts).data.near_duplicate is not None


def test_a_broken_index_holds_up_nothing(steps: Steps) -> None:
    """The story goes on as if nothing were known, without a label that a desk would have to understand."""

    class Broken:
        def like(self, story_id: str, text: str, text_hash: str) -> NearDuplicate | None:
            raise RuntimeError(text)

    data = described(steps, received(), texts=Broken()).data
    assert (data.near_duplicate, data.labels) == (None, ())


def test_what_is_no_ninjs_is_refused_without_its_words(steps: Steps) -> None:
    """It could be neither cleaned nor shown; the dead letter's reason holds nothing of it."""
    with pytest.raises(Undecodable) as refusal:
        described(steps, received({"headlines": [{"secret": "words"}], "bodies": [{}]}))
    assert str(refusal.value) == "the story is no ninjs: KeyError"
