"""What the desk does with each input, and in which order it writes."""

import json

import pytest

from services.moderation.handlers import read
from shared.domain.errors import Undecodable, UnknownEventType
from shared.domain.events import StoryReceived
from shared.domain.state import Outcome, Stage
from shared.domain.story import Kind, Lane
from shared.platform.topics import Topic
from tests.domain.stories import NOON, STORY, enriched, later
from tests.services.moderation.wire import DROP, KILL, OUT, STATE, TEXT, Inbox, Process, Wire


async def started() -> tuple[Process, Wire, Inbox]:
    wire = Wire()
    return await Process(wire).own(), wire, Inbox()


def kinds(wire: Wire) -> list[Kind]:
    return [event.data.item.kind for event in wire.released]


async def test_a_filing_is_kept_as_text_then_state_and_only_then_released() -> None:
    """Whoever sees the release can rely on text and state being there."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"))
    assert wire.effects == [TEXT, STATE, OUT]
    [event] = wire.released
    assert (event.release_no, event.data.item.version, event.cause) == (1, 1, "e1")


async def test_an_update_drops_the_text_it_replaces_after_its_release() -> None:
    """The old text may be needed until the new one is out."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"), inbox.filing("e2", "two", version=2))
    assert wire.effects[3:] == [TEXT, STATE, OUT, DROP]
    assert wire.kept(1) is None
    assert wire.kept(2) is not None


async def test_the_text_is_kept_under_the_version_that_was_given_not_the_one_proposed() -> None:
    """Two texts filed at once both propose version 1."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"), inbox.filing("e2", "two", version=1))
    text = wire.kept(2)
    assert text is not None
    assert text.story["bodies"][0]["value"] == "two"


async def test_a_duplicate_changes_the_state_only() -> None:
    """Its receipt is a view of the state; readers notice nothing."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"), inbox.filing("e2"))
    assert wire.effects[3:] == [STATE]
    assert desk.state().applied[-1].outcome is Outcome.DUPLICATE


async def test_a_held_filing_keeps_its_text_and_releases_nothing() -> None:
    """The editor needs the text, nobody else may have it."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", "A 15-year-old boy was hurt."))
    assert wire.effects == [TEXT, STATE]
    version = desk.state().versions[1]
    assert (version.stage, version.queue) == (Stage.HELD, "legal")
    [evidence] = version.evidence
    assert evidence.span is not None
    assert (evidence.rule, evidence.span.start, evidence.span.end) == ("minors", 2, 13)


async def test_releasing_a_held_version_sends_its_kept_text() -> None:
    """The desk's decision carries no text; what was filed goes out."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", "A 15-year-old boy was hurt."), inbox.decision("d1", "release"))
    [event] = wire.released
    assert event.data.item.story["bodies"][0]["value"] == "A 15-year-old boy was hurt."


async def test_a_rejected_version_loses_its_text() -> None:
    """Nothing can ask for it again."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", "A 15-year-old boy was hurt."), inbox.decision("d1", "reject"))
    assert wire.effects[2:] == [STATE, DROP]
    assert wire.kept(1) is None


async def test_a_repeat_sends_the_released_text_again() -> None:
    """The text that counts is the one released, wherever the repeat's own copy is."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"), inbox.filing("e2", kind=Kind.REPEAT))
    assert kinds(wire) == [Kind.PUBLISH, Kind.REPEAT]
    assert wire.released[1].data.item.story["bodies"] == wire.released[0].data.item.story["bodies"]
    assert len(wire.texts) == 1


async def test_a_withhold_is_a_notice_and_keeps_the_text_for_the_way_back() -> None:
    """Release after withhold is the full item again."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"), inbox.decision("d1", "withhold"), inbox.decision("d2", "release"))
    assert kinds(wire) == [Kind.PUBLISH, Kind.WITHHOLD, Kind.RELEASE]
    assert "bodies" not in wire.released[1].data.item.story
    assert wire.released[2].data.item.story["bodies"] == wire.released[0].data.item.story["bodies"]


async def test_a_kill_is_recorded_before_the_state_and_drops_every_text() -> None:
    """The kill topic is never overwritten: it must know first."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"), inbox.decision("k1", "kill", break_glass=True, replacement="urn:slugline:x:2"))
    assert wire.effects[3:] == [KILL, STATE, OUT, DROP]
    item = wire.released[-1].data.item
    assert (item.kind, item.lane, item.replacement) == (Kind.KILL, Lane.FLASH, "urn:slugline:x:2")
    assert wire.texts == [None]


async def test_what_arrives_after_a_kill_is_dead_on_arrival() -> None:
    """Not even its text is kept."""
    desk, wire, inbox = await started()
    await desk.take(inbox.decision("k1", "kill", break_glass=True), inbox.filing("e1"))
    assert (wire.texts, kinds(wire)) == ([], [Kind.KILL])
    assert desk.state().applied[-1].outcome is Outcome.KILLED


async def test_a_lift_releases_what_was_embargoed() -> None:
    """At T0 by the broker's clock."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", embargo_until=later(60)))
    assert wire.released == []
    await desk.take(inbox.lift(1, later(60), at=later(60)))
    assert kinds(wire) == [Kind.PUBLISH]


async def test_a_lift_before_its_time_is_not_even_entered() -> None:
    """It comes again under the same id, and must count then."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", embargo_until=later(60)), inbox.lift(1, later(60), at=later(59.999)))
    assert wire.effects == [TEXT, STATE]
    await desk.take(inbox.lift(1, later(60), at=later(61)))
    assert kinds(wire) == [Kind.PUBLISH]


async def test_a_lift_that_comes_twice_releases_once() -> None:
    """The embargo clock repeats itself every second until the state shows it done."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", embargo_until=later(60)))
    await desk.take(inbox.lift(1, later(60), at=later(60)), inbox.lift(1, later(60), at=later(61)))
    assert len(wire.released) == 1


async def test_the_rules_labels_travel_with_the_release() -> None:
    """A label warns the reader, nothing waits for it."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1", "Sources said it would rain.", labels=("stale",)))
    assert wire.released[0].data.item.labels == ("stale", "unnamed-source")


async def test_stage_times_grow_along_the_way() -> None:
    """The flight record travels with the story."""
    desk, wire, inbox = await started()
    await desk.take(inbox.filing("e1"))
    stages = wire.released[0].stage_times
    assert list(stages) == ["accepted", "enriched", "decided", "released"]
    assert list(stages.values()) == sorted(stages.values())


async def test_a_correction_names_and_shows_what_changed() -> None:
    """Readers see was and is; the rest of the text stays."""
    desk, wire, inbox = await started()
    correction = {"note": "the name was wrong", "fields": ["/headlines/0/value"]}
    fixed = {"uri": STORY, "headlines": [{"value": "Bridge closes"}]}
    await desk.take(
        inbox.filing("e1"),
        inbox.filing(
            "e2", version=2, kind=Kind.CORRECT, correction=correction, story=fixed, content_hash="of the part"
        ),
    )
    item = wire.released[-1].data.item
    assert item.kind is Kind.CORRECT
    assert item.changes == ({"pointer": "/headlines/0/value", "was": "Bridge opens", "is": "Bridge closes"},)
    assert item.corrects == {"version": 1, "note": "the name was wrong", "fields": ["/headlines/0/value"]}
    assert item.story["bodies"][0]["value"] == "one"


async def test_a_correction_is_judged_as_the_whole_text_that_readers_get() -> None:
    """A corrected name may be a minor's although the filed field says nothing of age."""
    desk, wire, inbox = await started()
    correction = {"note": "who it was", "fields": ["/bodies/0/value"]}
    part = {"bodies": [{"contentType": "text/plain", "value": "The girl is 15 years old."}]}
    await desk.take(
        inbox.filing("e1"), inbox.filing("e2", version=2, kind=Kind.CORRECT, correction=correction, story=part)
    )
    assert desk.state().versions[2].stage is Stage.HELD
    assert len(wire.released) == 1


async def test_a_correction_of_nothing_is_refused() -> None:
    """There is no text that it could change."""
    desk, wire, inbox = await started()
    correction = {"note": "?", "fields": ["/by"]}
    await desk.take(inbox.filing("e1", kind=Kind.CORRECT, correction=correction, story={"by": "Ann"}))
    assert wire.effects == [STATE]
    entry = desk.state().applied[-1]
    assert (entry.outcome, entry.reason) == (Outcome.REFUSED, "there is no text to correct")


async def test_a_correction_of_what_was_never_released_does_not_show_what_was() -> None:
    """The held text's words would leave through `changes`."""
    desk, wire, inbox = await started()
    correction = {"note": "age", "fields": ["/bodies/0/value"]}
    part = {"bodies": [{"contentType": "text/plain", "value": "A boy was hurt."}]}
    await desk.take(
        inbox.filing("e1", "A 15-year-old boy was hurt."),
        inbox.filing("e2", version=2, kind=Kind.CORRECT, correction=correction, story=part),
        inbox.decision("d1", "release", version=2),
    )
    [event] = wire.released
    assert (event.data.item.kind, event.data.item.changes, event.data.item.corrects) == (Kind.PUBLISH, (), None)


@pytest.mark.parametrize("value", [b"not json", b"{}", b'"text"', None, b'{"type": "story.enriched"}'])
def test_a_record_that_is_none_of_ours_is_unprocessable(value: bytes | None) -> None:
    """Parked with its bytes; everything behind it goes on."""
    with pytest.raises(Undecodable):
        read(Inbox().raw(Topic.INBOX, value))


def test_an_event_of_another_stage_is_refused_by_its_type() -> None:
    """A release on the inbox is somebody's mistake, not an input."""
    event = StoryReceived(
        event_id="r1", story_id=STORY, version=1, occurred_at=NOON, producer="ingest", data=enriched("one")
    )
    with pytest.raises(UnknownEventType):
        read(Inbox().record(Topic.INBOX, event))


def test_a_key_that_is_not_the_story_is_refused() -> None:
    """The partition is the owner's; a wrong key would give one story two owners."""
    good = Inbox().filing("e1")
    with pytest.raises(Undecodable, match="key"):
        read(Inbox().raw(Topic.INBOX, good.value, key="urn:slugline:test:2"))


@pytest.mark.parametrize("story_id", ["", "urn:slugline:a\tb"])
def test_an_id_that_can_be_no_key_is_refused(story_id: str) -> None:
    """Met later, while writing, it would end the process again and again."""
    good = Inbox().filing("e1")
    assert good.value is not None
    value = good.value.replace(STORY.encode(), json.dumps(story_id)[1:-1].encode())
    with pytest.raises(Undecodable, match="story_id"):
        read(Inbox().raw(Topic.INBOX, value, key=story_id))


@pytest.mark.parametrize(
    "story", [{"headlines": "Bridge"}, {"bodies": [None]}, {"descriptions": [{"value": 1}]}, {"bodies": {}}]
)
def test_a_story_of_another_shape_is_refused(story: dict[str, object]) -> None:
    """Parked with its bytes, it cannot stop what comes after it."""
    good = Inbox().filing("e1")
    assert good.value is not None
    event = json.loads(good.value)
    event["data"]["story"] = story
    with pytest.raises(Undecodable, match="no list of texts"):
        read(Inbox().raw(Topic.INBOX, json.dumps(event).encode()))


def test_a_filing_without_a_version_is_refused() -> None:
    """Ingest proposes one at the least."""
    with pytest.raises(Undecodable, match="version"):
        read(Inbox().filing("e1", version=0))
