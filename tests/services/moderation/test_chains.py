"""Parts of a chain in any order: the story ends as if they had come in theirs."""

from itertools import permutations
from typing import Any

import pytest

from shared.domain.state import Outcome, Stage, receipt_of
from shared.domain.story import Kind, Lane
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.domain.stories import STORY, ninjs
from tests.services.moderation.wire import Crash, Inbox, Process, Wire

CHAINS = {
    "five whole texts": (None, None, None, None, None),
    "corrections in the midst": (None, "/by", None, "/edNote", None),
    "a correction of a correction at the end": (None, None, None, "/by", "/edNote"),
}


def part(inbox: Inbox, number: int, corrects: str | None, **more: Any) -> Record:
    """Version `number` of a provider: a whole text, or one field that was wrong in the version before."""
    if corrects is None:
        return inbox.filing(f"e{number}", f"Text {number}.", version=number, assigned=False)
    return inbox.filing(
        f"e{number}",
        version=number,
        assigned=False,
        kind=Kind.CORRECT,
        correction={"note": f"as of {number}", "fields": [corrects]},
        story={corrects.removeprefix("/"): f"Corrected {number}"},
        **more,
    )


async def ends(chain: tuple[str | None, ...], order: tuple[int, ...]) -> tuple[Process, Wire]:
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(*(part(inbox, number, chain[number - 1]) for number in order))
    return process, wire


@pytest.mark.parametrize("name", CHAINS)
async def test_five_versions_in_any_order_end_in_the_same_state_and_the_same_public_story(name: str) -> None:
    """All 120 orders: what is released, newest and waiting, and every word and label that readers are left with."""
    chain = CHAINS[name]
    calm, wire = await ends(chain, (1, 2, 3, 4, 5))
    expected = wire.released[-1].data.item
    for order in permutations(range(1, 6)):
        process, wire = await ends(chain, order)
        state, item = process.state(), wire.released[-1].data.item
        assert (state.released, state.newest, state.withheld) == (5, 5, False), order
        assert set(state.versions) == {1, 2, 3, 4, 5}, order
        assert {one.stage for one in state.versions.values()} <= {Stage.RELEASED, Stage.SUPERSEDED}, order
        assert state.versions[5].content_hash == calm.state().versions[5].content_hash, order
        assert state.versions[5].facts == calm.state().versions[5].facts, order
        assert (item.version, item.labels, item.corrects) == (5, expected.labels, expected.corrects), order
        assert _text(item.story) == _text(expected.story), order
        assert {text.version for text in wire.texts if text} == {5}, order
        versions = [event.data.item.version for event in wire.released]
        assert versions == sorted(versions), order


def _text(story: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in story.items() if key != "versionCreated"}


def correction(inbox: Inbox, version: int = 2, **more: Any) -> Record:
    """A correction filed at the desk's door, by flash."""
    named = {"note": "by whom", "fields": ["/by"]}
    given: dict[str, Any] = {"kind": Kind.CORRECT, "urgency": 2, "correction": named, "story": {"by": "Ann Example"}}
    event = inbox.filing("c", version=version, **(given | more))
    return Record(Topic.INBOX_FLASH, event.partition, event.offset, event.key, event.value, {}, event.timestamp_ms)


async def test_a_flash_correction_that_overtakes_its_story_waits_for_it() -> None:
    """It was accepted as version 2, so there is a version 1 on its way; both receipts come out right."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(correction(inbox))
    assert (process.state().versions[2].queue, wire.released) == ("chain", [])
    await process.take(inbox.filing("e1"))
    assert [event.data.item.kind for event in wire.released] == [Kind.PUBLISH, Kind.CORRECT]
    item = wire.released[-1].data.item
    assert (item.version, item.lane, item.story["by"], item.story["bodies"][0]["value"]) == (
        *(2, Lane.FLASH),
        *("Ann Example", "one"),
    )
    state = process.state()
    waited = state.entry("c")
    assert waited is not None
    assert receipt_of(state, waited)[:2] == (Outcome.RELEASED, 2)


async def test_a_correction_of_a_story_that_nobody_filed_is_refused() -> None:
    """The door knew of nothing before it either."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(correction(inbox, version=1))
    assert process.state().applied[-1].outcome is Outcome.REFUSED


async def test_a_correction_that_waits_holds_up_nobody_and_cannot_be_released_alone() -> None:
    """It is no text yet: what is filed meanwhile goes out, an editor may only reject it."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(part(inbox, 5, "/by"), part(inbox, 1, None), part(inbox, 2, None))
    assert [event.data.item.version for event in wire.released] == [1, 2]
    await process.take(inbox.decision("d1", "release", version=5))
    assert process.state().applied[-1].reason == "it corrects version 4, which has not come"
    await process.take(inbox.decision("d2", "reject", version=5), part(inbox, 4, None))
    assert [event.data.item.version for event in wire.released] == [1, 2, 4]
    assert wire.kept(5) is None


async def test_a_correction_that_fits_no_more_when_its_base_comes_is_rejected_with_the_reason() -> None:
    """Its receipt tells; its text does not stay behind."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    same = inbox.filing("e1", story=ninjs(body="one", by="Ann Example"), version=1)
    await process.take(correction(inbox), same)
    state = process.state()
    waited = state.entry("c")
    assert waited is not None
    assert receipt_of(state, waited) == (Outcome.REJECTED, None, "none of the fields it names has changed")
    assert (wire.kept(2), len(wire.released)) == (None, 1)


async def test_a_crash_at_any_write_loses_no_correction_that_waited() -> None:
    """Also between the base, whose entry is there, and what waited for it."""
    calm, inbox = Wire(), Inbox()
    await (await Process(calm).own()).take(correction(inbox), inbox.filing("e1"))
    for write in range(len(calm.effects)):
        for arrives in (False, True):
            wire, inbox = Wire(crash_at=write, arrives=arrives), Inbox()
            records = [correction(inbox), inbox.filing("e1")]
            for _ in range(2):
                left = [one for one in records if one.offset >= wire.offsets.get((one.topic.value, one.partition), 0)]
                try:
                    await (await Process(wire).own()).take(*left)
                except Crash:
                    continue
                break
            assert {event.model_dump_json() for event in wire.released} == {
                event.model_dump_json() for event in calm.released
            }, write


async def test_a_filing_overtaken_by_a_later_one_of_the_desk_is_kept_and_never_sent() -> None:
    """The door gave them versions 2 and 3; the third came first by flash, and the second is older than it."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(
        inbox.filing("e1", accepted=1),
        inbox.filing("e3", "three", version=3, accepted=3, urgency=2),
        inbox.filing("e2", "two", version=2, accepted=2),
    )
    assert [event.data.item.version for event in wire.released] == [1, 3]
    assert process.state().applied[-1].outcome is Outcome.SUPERSEDED


async def test_two_desks_that_assign_the_next_version_at_once_are_both_kept() -> None:
    """The second one's number is raised, whichever came to the door first."""
    for first, second in ((2, 3), (3, 2)):
        wire, inbox = Wire(), Inbox()
        process = await Process(wire).own()
        await process.take(
            inbox.filing("e1", accepted=1),
            inbox.filing("a", "by ann", version=2, accepted=first),
            inbox.filing("b", "by bob", version=2, accepted=second),
        )
        assert [event.data.item.version for event in wire.released] == [1, 2, 3]
        assert wire.released[-1].data.item.story["bodies"][0]["value"] == "by bob"


async def test_enrichment_replayed_with_another_near_duplicate_releases_nothing_anew() -> None:
    """Same filing, same content, found similar to something else this time; under whatever event id it comes."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    near = {"story_id": "urn:slugline:other", "score": 0.9}
    await process.take(inbox.filing("e1"), inbox.filing("e1", near_duplicate=near))
    await process.take(inbox.filing("e1 again", near_duplicate=near))
    assert [event.release_no for event in wire.released] == [1]
    assert [entry.outcome for entry in process.state().applied] == [Outcome.RELEASED, Outcome.DUPLICATE]


async def test_a_release_sent_again_after_a_replay_has_the_content_of_the_first_one() -> None:
    """The crash came before the release; enrichment runs again and finds another near duplicate meanwhile."""
    for write in (1, 2):
        wire, inbox = Wire(crash_at=write, arrives=True), Inbox()
        with pytest.raises(Crash):
            await (await Process(wire).own()).take(inbox.filing("e1"))
        replayed = inbox.filing("e1", near_duplicate={"story_id": "urn:slugline:other", "score": 0.9})
        await (await Process(wire).own()).take(replayed)
        assert len({event.model_dump_json() for event in wire.released}) == 1
        assert {event.data.item.story_id for event in wire.released} == {STORY}
