"""The desk killed at named points of its work, as the process it is, on a real broker.

Each test says where it dies; afterwards another life goes on, and what readers saw is looked at as a whole.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.state import Stage, StoryState, encode_state
from shared.domain.story import Kind
from shared.platform.clock import SystemClock
from shared.platform.topics import Topic
from tests.platform.cluster import set_offsets
from tests.services.moderation.service import (
    WITHIN,
    Around,
    moderation,
    moderation_process,
    order,
    struck,
)
from tests.waiting import wait_until

STORY = "urn:slugline:t:1"


def outcome(around: Around, story: str = STORY) -> list[tuple[int, Kind]]:
    """Number and kind of every release of the story, by both lanes, copies taken together."""
    events = around.released(story) + around.released(story, Topic.RELEASED_FLASH)
    by_number = {event.release_no: event.model_dump_json() for event in events}
    assert all(by_number[event.release_no] == event.model_dump_json() for event in events), "copies differ"
    return sorted({(event.release_no or 0, event.data.item.kind) for event in events})


async def killed_at(around: Around, folder: Path, *points: str) -> None:
    """Let a process live until it meets its point; it must have died of that."""
    order(folder, *(f"{point} kill" for point in points))
    async with moderation_process(around.kafka, failpoints=folder) as process:
        await struck(folder)
        assert await asyncio.wait_for(process.wait(), WITHIN) == -9


@pytest.mark.parametrize("point", [f"publish.{Topic.STATE}.after 2", f"publish.{Topic.CURRENT}.before 1"])
async def test_an_embargoed_version_is_released_once_though_the_process_dies_between_state_and_output(
    around: Around, tmp_path: Path, point: str
) -> None:
    """The state says released, nobody has it: the next life puts out that release, not before T0, and no second one."""
    until = SystemClock().now() + timedelta(seconds=3)
    await around.file(STORY, "The report is out.", embargo_until=until)
    await killed_at(around, tmp_path, point)
    state = await wait_until(lambda: _in_stage(around, Stage.RELEASED), within=WITHIN)
    assert state is not None
    assert (state.release_no, around.released(STORY)) == (1, [])
    async with moderation_process(around.kafka):
        [event] = await wait_until(lambda: around.released(STORY), within=WITHIN)
        await around.decide(STORY, "kill")  # behind it nothing of the lift is still to come
        await wait_until(lambda: around.released(STORY, Topic.RELEASED_FLASH), within=WITHIN)
    assert outcome(around) == [(1, Kind.PUBLISH), (2, Kind.KILL)]
    assert len(around.released(STORY)) == 1
    assert event.data.item.released_at >= until.replace(microsecond=until.microsecond // 1000 * 1000)


def _in_stage(around: Around, stage: Stage) -> StoryState | None:
    state = around.state(STORY)
    return state if state and state.versions[1].stage is stage else None


async def test_two_inputs_of_one_story_that_are_replayed_after_both_were_applied_change_nothing(
    around: Around, tmp_path: Path
) -> None:
    """Killed as it commits: the first is an old entry and says nothing, the newest one says its release again."""
    await around.file(STORY, "one")
    await around.file(STORY, "two", version=2)
    order(tmp_path, f"commit.{Topic.INBOX}.before 1 hold", f"publish.{Topic.CURRENT}.after 2 kill")
    async with moderation_process(around.kafka, failpoints=tmp_path) as process:
        assert await asyncio.wait_for(process.wait(), WITHIN) == -9
    before = await wait_until(lambda: around.state(STORY), within=WITHIN)
    async with moderation_process(around.kafka):
        await around.file(STORY, "three", version=3)
        await wait_until(lambda: len(outcome(around)) == 3, within=WITHIN)
    after = around.state(STORY)
    assert before is not None
    assert after is not None
    assert [entry.event_id for entry in after.applied[:2]] == [entry.event_id for entry in before.applied]
    assert outcome(around) == [(1, Kind.PUBLISH), (2, Kind.UPDATE), (3, Kind.UPDATE)]
    assert [event.release_no for event in around.released(STORY)] == [1, 2, 2, 3]


async def test_two_withholds_and_releases_in_turn_come_out_in_turn_though_each_is_replayed(
    around: Around, tmp_path: Path
) -> None:
    """Killed after the second withhold's state: a replay of the first one must not withhold a third time."""
    await around.file(STORY, "one")
    actions = ("withhold", "release", "withhold again", "release again")
    order(tmp_path, f"publish.{Topic.STATE}.after 4 kill", f"commit.{Topic.INBOX_FLASH}.before 1 hold")
    async with moderation_process(around.kafka, failpoints=tmp_path) as process:
        await wait_until(lambda: around.released(STORY), within=WITHIN)
        for action in actions[:3]:
            await around.decide(STORY, action.removesuffix(" again"), as_id=action)
        assert await asyncio.wait_for(process.wait(), WITHIN) == -9
    async with moderation_process(around.kafka):
        await around.decide(STORY, "release", as_id=actions[3])
        await wait_until(lambda: len(outcome(around)) == 5, within=WITHIN)
    kinds = [kind for _, kind in outcome(around)]
    assert kinds == [Kind.PUBLISH, Kind.WITHHOLD, Kind.RELEASE, Kind.WITHHOLD, Kind.RELEASE]


async def test_after_an_idle_month_the_next_kill_has_the_next_number(around: Around) -> None:
    """The state was made small, the inputs are gone and only the offsets, committed again, say where they ended."""
    async with moderation(around.kafka):
        await around.file(STORY, "one")
        [event] = await wait_until(lambda: around.released(STORY), within=WITHIN)
    state = around.state(STORY)
    assert state is not None
    record = next(one for one in reversed(around.records[Topic.STATE]) if one.key == STORY)
    await around.put(Topic.STATE, STORY, encode_state(state.model_copy(update={"applied": ()})))
    await around.delete_inputs()
    async with moderation(around.kafka):
        await around.decide(STORY, "kill")
        [kill] = await wait_until(lambda: around.released(STORY, Topic.RELEASED_FLASH), within=WITHIN)
    assert (kill.release_no, kill.data.reach, kill.data.item.version) == (2, event.data.facts, 1)
    assert record.partition == next(one for one in around.records[Topic.KILLED]).partition
    assert len(around.released(STORY)) == 1


async def test_a_rejected_second_version_leaves_the_first_one_as_it_is(around: Around) -> None:
    """While version 1 is in a retry somewhere: nothing is released, numbered or withheld on account of version 2."""
    async with moderation(around.kafka):
        await around.file(STORY, "one")
        await wait_until(lambda: around.released(STORY), within=WITHIN)
        await around.file(STORY, "A 9-year-old girl won.", version=2)
        await around.decide(STORY, "reject")
        await wait_until(lambda: _rejected(around), within=WITHIN)
    state = around.state(STORY)
    assert state is not None
    assert (state.released, state.release_no, state.withheld) == (1, 1, False)
    assert state.versions[1].text is not None
    assert outcome(around) == [(1, Kind.PUBLISH)]


def _rejected(around: Around) -> bool:
    state = around.state(STORY)
    return state is not None and 2 in state.versions and state.versions[2].stage is Stage.REJECTED


async def test_a_group_whose_offsets_are_gone_refuses_to_start_and_says_what_to_do(around: Around) -> None:
    """Guessing a start could release a month anew, or skip one; the offsets here lie before the log."""
    for n in range(6):
        await around.file(f"{STORY}{n}", "one")
    await around.delete_inputs()
    await set_offsets(around.kafka, "moderation.desk.inbox", Topic.INBOX, dict.fromkeys(range(6), 0))
    async with moderation_process(around.kafka) as process:
        assert await asyncio.wait_for(process.wait(), WITHIN) == 3
