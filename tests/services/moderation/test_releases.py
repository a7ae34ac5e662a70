"""What goes on the wire: valid ninjs 3.1 with the wire facts beside it, the same whoever builds it."""

from typing import Any

import pytest

from services.moderation.releases import release_event
from shared.domain.events import StoryReleased, derived_id, encode_event, epoch_us, parse_event
from shared.domain.lifecycle import Input, decide
from shared.domain.release_item import LostText
from shared.domain.state import StoryState, StoryText, TextRef
from shared.domain.story import Kind, Lane
from tests.domain.stories import NOON, STORY, deciding, filing, held, later, ninjs
from tests.services.ingest.judges import assert_valid

RICH = ninjs(
    headline="Bridge opens",
    by="Ann Example",
    slugline="BRIDGE-OPENING",
    located="DUSHANBE",
    language="en",
    firstCreated="2026-11-24T11:00:00Z",
    versionCreated="2026-11-24T11:30:00Z",
    version="17",
    urgency=5,
    altIds=[{"role": "desk", "value": "17"}],
)


def released(*inputs: Input, story: dict[str, Any] | None = None, **text: Any) -> tuple[StoryReleased, StoryState]:
    """Apply inputs and return the event of the last one, each filing's text being `story`."""
    state = StoryState(story_id=STORY)
    for number, given in enumerate(inputs):
        if hasattr(given, "text"):
            object.__setattr__(given, "text", TextRef(partition=0, offset=number))
        state = decide(state, given, later(number + 1))
    note = state.applied[-1].release
    assert note is not None
    kept = StoryText(story_id=STORY, version=note.version, story=story or RICH, **text) if note.text else None
    return release_event(state, note, kept), state


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ((filing("e1"),), Kind.PUBLISH),
        ((filing("e1"), filing("e2", "two")), Kind.UPDATE),
        ((filing("e1"), filing("e2", "two", kind=Kind.CORRECT)), Kind.CORRECT),
        ((filing("e1"), filing("e2", kind=Kind.REPEAT)), Kind.REPEAT),
        ((filing("e1"), deciding("d1", "withhold")), Kind.WITHHOLD),
        ((filing("e1"), deciding("d1", "withhold"), deciding("d2", "release")), Kind.RELEASE),
        ((filing("e1"), deciding("k1", "kill", break_glass=True)), Kind.KILL),
        ((deciding("k1", "kill", break_glass=True),), Kind.KILL),
    ],
)
def test_every_kind_of_release_is_valid_ninjs(inputs: tuple[Input, ...], kind: Kind) -> None:
    """Strictly, formats included, in the opinion of two outside validators; and it survives the wire."""
    event, _ = released(*inputs)
    assert event.data.item.kind is kind
    assert_valid(event.data.item.story)
    assert parse_event(encode_event(event)) == event


def test_version_status_and_date_are_the_wires_the_rest_is_the_sources() -> None:
    """Every field the source gave travels; what we decide replaces what it claimed."""
    event, _ = released(filing("e1"), story=RICH)
    ours = {
        "uri": STORY,
        "version": "1",
        "versionCreated": "2026-11-24T12:00:01.000Z",
        "pubStatus": "usable",
        "urgency": 4,
        "standard": {
            "name": "ninjs",
            "version": "3.1",
            "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json",
        },
    }
    assert event.data.item.story == {**RICH, **ours}


def test_the_urgency_is_the_one_the_desk_raised_it_to() -> None:
    """Story, facts and lane say the same."""
    event, _ = released(filing("e1", ruling=held()), deciding("d1", "urgency", urgency=2), deciding("d2", "release"))
    assert (event.data.item.story["urgency"], event.data.item.lane) == (2, Lane.FLASH)


@pytest.mark.parametrize(("action", "status"), [("withhold", "withheld"), ("kill", "canceled")])
def test_a_notice_has_no_word_of_the_story(action: str, status: str) -> None:
    """It says in plain words what to do, and which story it means."""
    event, _ = released(filing("e1"), deciding("d1", action, break_glass=True))
    item = event.data.item
    assert set(item.story) == {"uri", "type", "version", "versionCreated", "pubStatus", "standard"}
    assert item.story["pubStatus"] == status
    assert item.notice is not None
    assert "do not use it" in item.notice
    assert "Bridge" not in event.model_dump_json()


def test_a_kill_names_its_replacement() -> None:
    """Readers are told where to go on."""
    event, _ = released(deciding("k1", "kill", break_glass=True, replacement="urn:slugline:test:2"))
    item = event.data.item
    assert item.replacement == "urn:slugline:test:2"
    assert item.notice is not None
    assert item.notice.endswith("Use urn:slugline:test:2 instead.")


def test_a_kill_of_an_id_that_is_no_uri_is_valid_all_the_same() -> None:
    """A kill of any id is accepted; ninjs wants a URI."""
    state = decide(StoryState(story_id="böses <id>"), deciding("k1", "kill", break_glass=True), NOON)
    note = state.applied[-1].release
    assert note is not None
    event = release_event(state, note, None)
    assert event.data.item.story_id == "böses <id>"
    assert_valid(event.data.item.story)


@pytest.mark.parametrize("until", ["2026-11-24T13:00:00Z", "2026-12-31T23:59:60Z"])
def test_an_embargo_that_the_desk_shortened_does_not_stand_in_the_released_item(until: str) -> None:
    """A reader who honours it would sit on a released story."""
    event, _ = released(filing("e1"), story={**RICH, "embargoedUntil": until})
    assert "embargoedUntil" not in event.data.item.story


def test_an_embargo_that_is_over_is_carried() -> None:
    """Part of what the source said."""
    event, _ = released(filing("e1"), story={**RICH, "embargoedUntil": "2026-11-24T12:00:01+00:00"})
    assert "embargoedUntil" in event.data.item.story


def test_what_was_wrong_is_shown_by_the_correction_only() -> None:
    """A repeat of the corrected text is no correction."""
    text: dict[str, Any] = {"changes": ({"pointer": "/by", "was": "A", "is": "B"},), "corrects": {"version": 1}}
    correction, _ = released(filing("e1"), filing("e2", "two", kind=Kind.CORRECT), **text)
    repeat, _ = released(
        filing("e1"), filing("e2", "two", kind=Kind.CORRECT), filing("e3", "two", kind=Kind.REPEAT), **text
    )
    assert (correction.data.item.changes, correction.data.item.corrects) == (text["changes"], text["corrects"])
    assert (repeat.data.item.changes, repeat.data.item.corrects) == ((), None)


def test_ids_follow_from_story_and_release_number() -> None:
    """Whoever sends a release again sends it under the same id."""
    event, state = released(filing("e1"), filing("e2", "two"))
    assert event.event_id == derived_id(STORY, "2")
    assert (event.release_no, event.data.item.supersedes, event.cause) == (2, 1, "e2")
    note = state.applied[-1].release
    assert note is not None
    assert release_event(state, note, StoryText(story_id=STORY, version=2, story=RICH)) == event


def test_time_never_runs_backwards_in_the_flight_record() -> None:
    """The broker cuts its times to milliseconds, and clocks differ."""
    ahead = epoch_us(later(3600))
    event, _ = released(filing("e1"), stage_times={"accepted": ahead, "decided": ahead})
    assert event.stage_times == {"accepted": ahead, "decided": ahead, "released": ahead}


def test_a_release_whose_text_is_gone_is_not_sent_empty() -> None:
    """State and text topics contradict each other: somebody must look."""
    _, state = released(filing("e1"))
    note = state.applied[-1].release
    assert note is not None
    with pytest.raises(LostText, match="version 1"):
        release_event(state, note, None)


def test_a_repeat_goes_out_with_the_times_of_its_own_way() -> None:
    """How late a repeat is counts from when it was asked for, not from the first filing of its text."""
    first, again = filing("e1"), filing("e2", kind=Kind.REPEAT)
    object.__setattr__(again, "stage_times", {"accepted": epoch_us(later(1))})
    event, _ = released(first, again, stage_times={"accepted": epoch_us(NOON)})
    assert event.data.item.kind is Kind.REPEAT
    assert event.stage_times["accepted"] == epoch_us(later(1))
