"""What a correction may change, and what it makes of its base."""

from typing import Any

import pytest

from services.moderation.corrections import Corrected, base_of, correct
from shared.domain.events import Correction, Enriched
from shared.domain.facts import Facts
from shared.domain.lifecycle import Input, decide
from shared.domain.state import Stage, StoryState, StoryText, TextRef, VersionState
from shared.domain.story import DERIVED_ROLE, Kind, Lane, content_hash
from tests.domain.stories import NOON, STORY, deciding, enriched, filing, held, ninjs, nothing_known

DERIVED = {"role": DERIVED_ROLE, "contentType": "text/html", "value": "<p>one</p>"}
BASE = ninjs(body="one", by="Ann Example", places=[{"name": "Dushanbe"}], language="en")


def version(**fields: Any) -> VersionState:
    given = {"version": 1, "stage": Stage.RELEASED, "kind": Kind.PUBLISH, "content_hash": "h", "event_id": "e1"}
    more = {"source": "desk", "urgency": 4, "lane": Lane.ROUTINE, "facts": Facts(places=("TJ",), languages=("en",))}
    return VersionState.model_validate({**given, **more, **fields})


def corrected(partial: dict[str, Any], *fields: str, base: dict[str, Any] | None = None) -> Corrected | str:
    text = StoryText(story_id=STORY, version=1, story=base or BASE, labels=("stale",))
    return correct(version(), text, filed(partial), Correction(note="it was wrong", fields=fields))


def filed(partial: dict[str, Any]) -> Enriched:
    return enriched(kind=Kind.CORRECT, story=partial, facts=Facts(subjects=("medtop:16000000",), urgency=3))


def test_the_named_field_changes_and_the_rest_stays() -> None:
    """What was filed is laid over the base, arrays whole."""
    done = corrected({"by": "Bob Example"}, "/by")
    assert isinstance(done, Corrected)
    assert done.filed.story == {**BASE, "by": "Bob Example"}
    assert done.changes == ({"pointer": "/by", "was": "Ann Example", "is": "Bob Example"},)


def test_the_hash_is_that_of_the_merge() -> None:
    """Filed again in full, the corrected text is the same content."""
    done = corrected({"by": "Bob Example"}, "/by")
    assert isinstance(done, Corrected)
    assert done.filed.content_hash == content_hash({**BASE, "by": "Bob Example"})


@pytest.mark.parametrize(
    ("partial", "fields", "reason"),
    [
        ({"by": "Ann Example"}, ["/by"], "none of the fields it names has changed"),
        ({"by": "Bob"}, ["/slugline"], "it changes what it does not name: /by"),
        ({"headlines": [{"value": "New"}, {"value": "x"}]}, ["/headlines/0/value"], "does not name: /headlines"),
        ({"headlines": [{"value": "New", "role": "main"}]}, ["/headlines/0/value"], "does not name: /headlines/0/role"),
        ({"bodies": [{"contentType": "text/plain", "value": "two"}], "by": "Bob"}, ["/bodies"], "not name: /by"),
        ({}, ["/by"], "none of the fields it names has changed"),
    ],
)
def test_a_correction_that_does_not_do_what_it_says_is_refused(
    partial: dict[str, Any], fields: list[str], reason: str
) -> None:
    """A field outside `fields` changed, or none did."""
    answer = corrected(partial, *fields)
    assert isinstance(answer, str)
    assert reason in answer


def test_a_refusal_quotes_no_text() -> None:
    """Receipts are shown where a held text may not be."""
    answer = corrected({"by": "Bob Secret"}, "/slugline")
    assert isinstance(answer, str)
    assert "Secret" not in answer


def test_a_whole_item_may_be_filed_as_its_correction() -> None:
    """What it repeats unchanged has not changed."""
    done = corrected({**BASE, "by": "Bob Example", "version": "9", "versionCreated": "2026-11-24T12:00:00Z"}, "/by")
    assert isinstance(done, Corrected)
    assert [change["pointer"] for change in done.changes] == ["/by"]


def test_bodies_that_enrichment_derived_are_nobodys_change() -> None:
    """The HTML made from a corrected text is new too, and nobody could have named it."""
    part = [{"contentType": "text/plain", "value": "two"}, {**DERIVED, "value": "<p>two</p>"}]
    done = corrected({"bodies": part}, "/bodies/0/value", base={**BASE, "bodies": [*BASE["bodies"], DERIVED]})
    assert isinstance(done, Corrected)
    assert [change["pointer"] for change in done.changes] == ["/bodies/0/value"]
    assert done.filed.story["bodies"] == part


def test_what_enrichment_found_in_the_part_alone_does_not_replace_what_it_found_in_the_whole() -> None:
    """A corrected headline without a place does not move the story."""
    done = corrected({"by": "Bob", "places": [{"name": "Paris"}], "language": "fr"}, "/by")
    assert isinstance(done, Corrected)
    assert (done.filed.story["places"], done.filed.story["language"]) == (BASE["places"], "en")


def test_a_named_field_outside_the_content_is_changed_as_asked() -> None:
    """The desk may correct a place that enrichment got wrong."""
    done = corrected({"places": [{"name": "Khujand"}]}, "/places/0/name")
    assert isinstance(done, Corrected)
    assert done.filed.story["places"] == [{"name": "Khujand"}]


def test_facts_are_those_of_base_and_part_together_at_the_parts_urgency() -> None:
    """The corrected text is still about what it was about."""
    done = corrected({"by": "Bob"}, "/by")
    assert isinstance(done, Corrected)
    facts = done.filed.facts
    assert (facts.places, facts.subjects, facts.urgency) == (("TJ",), ("medtop:16000000",), 3)


@pytest.mark.parametrize(
    ("partial", "field", "labels"),
    [
        ({"by": "Bob"}, "/by", ("stale",)),
        ({"bodies": [{"contentType": "text/plain", "value": "two"}]}, "/bodies/0/value", ()),
    ],
)
def test_labels_of_the_text_stay_as_long_as_the_text_does(
    partial: dict[str, Any], field: str, labels: tuple[str, ...]
) -> None:
    """A new body is labelled anew."""
    done = corrected(partial, field)
    assert isinstance(done, Corrected)
    assert done.labels == labels


def state_after(*inputs: Input) -> StoryState:
    state = nothing_known()
    for number, given in enumerate(inputs):
        if hasattr(given, "text"):
            object.__setattr__(given, "text", TextRef(partition=0, offset=number))
        state = decide(state, given, NOON)
    return state


def test_the_released_text_is_corrected_not_the_held_one_above_it() -> None:
    """Readers know version 1; version 2 waits for a human."""
    base = base_of(state_after(filing("e1"), filing("e2", "two", ruling=held())))
    assert base is not None
    assert base.version == 1


def test_before_any_release_the_newest_kept_text_is_corrected() -> None:
    """A held story may be put right before it goes out."""
    base = base_of(state_after(filing("e1", ruling=held()), filing("e2", "two")))
    assert base is not None
    assert base.version == 2


def test_a_rejected_story_has_nothing_to_correct() -> None:
    """Its text is gone."""
    assert base_of(state_after(filing("e1", ruling=held()), deciding("d1", "reject"))) is None
