"""A process that dies between any two writes: its successor makes good what is missing, and nothing twice."""

from collections.abc import Callable, Sequence

import pytest

from shared.domain.state import StoryState
from shared.domain.story import Kind
from shared.platform.records import Record
from tests.domain.stories import STORY, later
from tests.services.moderation.wire import DROP, KILL, OUT, STATE, Crash, Inbox, Process, Wire

Script = Callable[[Inbox], list[Record]]

SCRIPTS: dict[str, Script] = {
    "publish": lambda inbox: [inbox.filing("e1")],
    "update": lambda inbox: [inbox.filing("e1"), inbox.filing("e2", "two", version=2)],
    "repeat": lambda inbox: [inbox.filing("e1"), inbox.filing("e2", kind=Kind.REPEAT)],
    "hold, release": lambda inbox: [inbox.filing("e1", "A 9-year-old girl won."), inbox.decision("d1", "release")],
    "hold, reject": lambda inbox: [inbox.filing("e1", "A 9-year-old girl won."), inbox.decision("d1", "reject")],
    "embargo, lift": lambda inbox: [
        inbox.filing("e1", embargo_until=later(60)),
        inbox.lift(1, later(60), at=later(60)),
    ],
    "withhold, release": lambda inbox: [
        inbox.filing("e1"),
        inbox.decision("d1", "withhold"),
        inbox.decision("d2", "release"),
    ],
    "kill": lambda inbox: [inbox.filing("e1"), inbox.decision("k1", "kill", break_glass=True)],
    "kill by two": lambda inbox: [
        inbox.filing("e1"),
        inbox.decision("k1", "kill"),
        inbox.decision("c1", "confirm", person="bob", decision_id="k1"),
        inbox.filing("e2", "two"),
    ],
    "correct": lambda inbox: [
        inbox.filing("e1"),
        inbox.filing(
            "e2", kind=Kind.CORRECT, correction={"note": "by whom", "fields": ["/by"]}, story={"by": "Ann Example"}
        ),
    ],
}


async def run(wire: Wire, records: Sequence[Record]) -> Process:
    """Let processes live and die until all records have passed."""
    for _ in range(3):
        try:
            process = await Process(wire).own()
            await process.take(*(one for one in records if one.offset >= wire.offsets.get(_place(one), 0)))
        except Crash:
            continue
        return process
    raise AssertionError("it crashed more than once")


def _place(record: Record) -> tuple[str, int]:
    return record.topic.value, record.partition


def comparable(state: StoryState) -> StoryState:
    """Return a state without the places of its texts: a text may have been written twice."""
    return state.model_copy(
        update={
            "versions": {n: v.model_copy(update={"text": None}) for n, v in state.versions.items()},
            "applied": tuple(
                entry.model_copy(update={"release": entry.release and entry.release.model_copy(update={"text": None})})
                for entry in state.applied
            ),
        }
    )


@pytest.mark.parametrize("arrives", [False, True], ids=["lost", "arrived"])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_crash_at_any_write_ends_in_the_same_state_and_the_same_releases(script: str, arrives: bool) -> None:
    """Invariants 1, 2 and 6: each release once by number, in order, with the same bytes whoever sends it."""
    calm = Wire()
    expected = await run(calm, SCRIPTS[script](Inbox()))
    for write in range(len(calm.effects)):
        wire = Wire(crash_at=write, arrives=arrives)
        process = await run(wire, SCRIPTS[script](Inbox()))
        assert comparable(process.state()) == comparable(expected.state()), f"crash at write {write}"
        numbers = [event.release_no or 0 for event in wire.released]
        assert numbers == sorted(numbers)
        assert len(numbers) <= len(calm.released) + 1
        assert {event.model_dump_json() for event in wire.released} == {
            event.model_dump_json() for event in calm.released
        }


@pytest.mark.parametrize("script", SCRIPTS)
async def test_no_text_survives_that_a_calm_run_would_have_dropped(script: str) -> None:
    """A tombstone that a crash prevented is written by the successor."""
    calm = Wire()
    await run(calm, SCRIPTS[script](Inbox()))
    for write in range(len(calm.effects)):
        wire = Wire(crash_at=write)
        await run(wire, SCRIPTS[script](Inbox()))
        assert {text.version for text in wire.texts if text} == {text.version for text in calm.texts if text}


async def test_a_restart_without_a_crash_repeats_nothing() -> None:
    """Duplicates without a crash are a bug: the offset tells that the outputs were confirmed."""
    wire, inbox = Wire(), Inbox()
    await (await Process(wire).own()).take(inbox.filing("e1"))
    before = list(wire.effects)
    await Process(wire).own()
    assert wire.effects == before


async def test_what_a_crash_left_undone_comes_before_the_storys_next_input() -> None:
    """The next input may ride another topic and be read first; its release must not overtake the missing one."""
    wire, inbox = Wire(crash_at=2, arrives=False), Inbox()
    with pytest.raises(Crash, match=OUT):
        await (await Process(wire).own()).take(inbox.filing("e1"))
    assert wire.released == []
    successor = await Process(wire).own()
    assert [event.release_no for event in wire.released] == [1]
    await successor.take(inbox.decision("d1", "withhold"))
    assert [event.release_no for event in wire.released] == [1, 2]


async def test_a_kill_that_never_reached_the_state_counts_as_one() -> None:
    """Dead stays dead: an input that is read before the kill's cause comes again finds the story killed."""
    wire, inbox = Wire(), Inbox()
    await (await Process(wire).own()).take(inbox.filing("e1"))
    kill = inbox.decision("k1", "kill", break_glass=True)
    wire.crash_at = 0
    with pytest.raises(Crash, match=KILL):
        await (await Process(wire).own()).take(kill)
    successor = await Process(wire).own()
    await successor.take(inbox.filing("e2", "two"))
    assert successor.state().killed == wire.kills[STORY]
    assert [event.data.item.kind for event in wire.released] == [Kind.PUBLISH, Kind.KILL]
    await successor.take(kill)
    assert [event.data.item.kind for event in wire.released] == [Kind.PUBLISH, Kind.KILL]
    assert wire.effects[3:] == [KILL, STATE, OUT, DROP, STATE]


async def test_a_kill_keeps_its_number_whatever_the_state_says() -> None:
    """An older state may have been written over the killed one; the kill's own record is never overwritten."""
    wire, inbox = Wire(), Inbox()
    first = await Process(wire).own()
    await first.take(inbox.filing("e1"))
    older = wire.states[STORY]
    await first.take(inbox.filing("e2", "two"), inbox.decision("k1", "kill", break_glass=True))
    wire.states[STORY] = older
    killed = wire.kills[STORY]
    successor = await Process(wire).own()
    await successor.take(inbox.filing("e3", "three"))
    assert (wire.kills[STORY], wire.effects.count(KILL)) == (killed, 1)
    assert (successor.state().killed, successor.state().release_no) == (killed, 3)
    assert [event.release_no for event in wire.released] == [1, 2, 3, 3]
    assert wire.released[-1].model_dump_json() == wire.released[-2].model_dump_json()


async def test_states_are_forgotten_with_their_partitions() -> None:
    """Whoever owns them now may have changed them."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(inbox.filing("e1"))
    await process.owner.lost(frozenset({3}))
    assert process.state() == StoryState(story_id=STORY)
    assert process.health.ready()[0] is False
