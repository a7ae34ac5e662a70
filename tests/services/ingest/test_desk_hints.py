"""What the door remembers of the desk's answers."""

from services.ingest.desk_hints import ANSWERS_KEPT, DeskHints
from shared.domain.events import derived_id
from shared.domain.state import Applied, Outcome, StoryState
from shared.platform.records import Record
from shared.platform.topics import Topic


def state_record(state: StoryState | None) -> Record:
    value = state.model_dump_json().encode() if state else None
    return Record(Topic.STATE, 0, 0, "urn:example:1", value, {}, 0)


def answered(*event_ids: str) -> StoryState:
    entries = tuple(Applied(event_id=each, outcome=Outcome.DUPLICATE, at=1) for each in event_ids)
    return StoryState(story_id="urn:example:1", applied=entries)


def test_a_filing_is_answered_under_the_id_its_enrichment_had() -> None:
    """The desk enters what enrichment sends, whose id is made from the filing's."""
    hints = DeskHints()
    hints.apply(state_record(answered(derived_id("enrich", "filing-1"), "decision-1")))
    assert hints.has_answered("urn:example:1", "filing-1")
    assert hints.has_answered("urn:example:1", "decision-1")
    assert not hints.has_answered("urn:example:1", "filing-2")
    assert not hints.has_answered("urn:example:2", "filing-1")


def test_only_the_last_answers_of_a_story_are_kept() -> None:
    """A story with a long history costs the door no more than one with a short one; a forgotten one costs nothing."""
    hints = DeskHints()
    hints.apply(state_record(answered(*(f"filing-{number}" for number in range(ANSWERS_KEPT + 1)))))
    assert not hints.has_answered("urn:example:1", "filing-0")
    assert hints.has_answered("urn:example:1", f"filing-{ANSWERS_KEPT}")
    hints.apply(state_record(None))
    assert not hints.has_answered("urn:example:1", f"filing-{ANSWERS_KEPT}")
