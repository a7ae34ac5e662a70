"""The service itself on a real broker: filing to release, embargo, kill, kill -9 and parking."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.ports import free_port
from shared.domain.state import KillRecord, Outcome, Stage
from shared.domain.story import Kind
from shared.platform.clock import SystemClock
from shared.platform.parking import REASON
from shared.platform.topics import Topic
from tests.services.moderation.service import WITHIN, Around, around_it, is_ready, moderation, moderation_process
from tests.waiting import wait_until


@pytest.fixture
async def around(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Around]:
    async with around_it(kafka_bootstrap, topic_prefix) as wire:
        yield wire


async def test_a_story_goes_through_every_turn_of_the_desk(around: Around) -> None:
    """Release, hold and its release, embargo and its lift, kill; each seen on the topics others read."""
    plain, young, later = "urn:slugline:t:plain", "urn:slugline:t:young", "urn:slugline:t:later"
    async with moderation(around.kafka):
        await around.file(plain, "The bridge opened.")
        await around.file(young, "A 15-year-old boy was hurt.")
        until = SystemClock().now() + timedelta(seconds=1)
        await around.file(later, "The report is out.", embargo_until=until)

        [first] = await wait_until(lambda: around.released(plain), within=WITHIN)
        assert (first.release_no, first.data.item.kind) == (1, Kind.PUBLISH)
        held = await wait_until(lambda: around.state(young), within=WITHIN)
        assert held is not None
        assert held.versions[1].stage is Stage.HELD

        await around.decide(young, "release")
        await wait_until(lambda: around.released(young), within=WITHIN)

        [lifted] = await wait_until(lambda: around.released(later), within=WITHIN)
        assert lifted.data.item.released_at >= until.replace(microsecond=until.microsecond // 1000 * 1000)

        await around.decide(plain, "kill")
        [kill] = await wait_until(lambda: around.released(plain, Topic.RELEASED_FLASH), within=WITHIN)
        assert (kill.release_no, kill.data.item.kind) == (2, Kind.KILL)
        await wait_until(lambda: [one for one in around.records[Topic.TEXT] if one.value is None], within=WITHIN)

    assert [KillRecord.model_validate_json(one.value or b"").story_id for one in around.records[Topic.KILLED]] == [
        plain
    ]
    assert [event.data.item.kind for event in around.released(plain, Topic.CURRENT)] == [Kind.PUBLISH, Kind.KILL]
    assert all(len(around.released(story)) == 1 for story in (plain, young, later))


async def test_a_record_that_is_not_json_is_parked_and_the_next_one_goes_on(around: Around) -> None:
    """Its bytes and the reason are kept; the story behind it in the same partition is not held up."""
    story = "urn:slugline:t:1"
    async with moderation(around.kafka):
        await around.put(Topic.INBOX, story, b"this is not JSON")
        await around.file(story, "The bridge opened.")
        await wait_until(lambda: around.released(story), within=WITHIN)
        [parked] = await wait_until(lambda: around.records[Topic.DEAD_MODERATION], within=WITHIN)
    assert parked.value == b"this is not JSON"
    assert b"JSON" in parked.headers[REASON]


async def test_kill_minus_nine_loses_nothing_and_repeats_only_under_the_same_number(around: Around) -> None:
    """Forty stories of three versions, the last one by flash; the process is killed in their midst."""
    stories = [f"urn:slugline:t:{number}" for number in range(40)]

    async def file_all(version: int) -> None:
        for story in stories:
            urgency = 2 if version == 3 else 4
            await around.file(story, f"Text {version}.", version=version, assigned=False, urgency=urgency)

    def newest(story: str) -> int:
        both = around.released(story) + around.released(story, Topic.RELEASED_FLASH)
        return max((event.data.item.version for event in both), default=0)

    async with moderation_process(around.kafka) as process:
        await file_all(1)
        await wait_until(lambda: sum(newest(story) for story in stories) > 10, within=WITHIN)
        await file_all(2)
        process.kill()
    async with moderation_process(around.kafka) as process:
        await file_all(3)
        await wait_until(lambda: all(newest(story) == 3 for story in stories), within=WITHIN)
        process.terminate()
        assert await process.wait() == 0

    for story in stories:
        state = around.state(story)
        assert state is not None
        assert state.released == 3
        assert {entry.outcome for entry in state.applied} <= {Outcome.RELEASED, Outcome.SUPERSEDED}
        events = around.released(story) + around.released(story, Topic.RELEASED_FLASH)
        by_number = {event.release_no: event.model_dump_json() for event in events}
        assert set(by_number) == set(range(1, state.release_no + 1))
        assert all(by_number[event.release_no] == event.model_dump_json() for event in events)


async def test_a_restart_after_a_clean_stop_repeats_nothing(around: Around) -> None:
    """Offsets are committed on the way out; duplicates are for crashes."""
    story = "urn:slugline:t:1"
    for text, version in (("one", 1), ("two", 2)):
        async with moderation(around.kafka):
            await around.file(story, text, version=version)
            await wait_until(lambda: len(around.released(story)) == version, within=WITHIN)  # noqa: B023 - run at once
    assert [event.release_no for event in around.released(story)] == [1, 2]


async def test_the_process_is_ready_once_it_owns_its_stories_and_knows_the_time(around: Around) -> None:
    """Whoever starts the wire waits for this before filing, and is told the reason meanwhile."""
    port = free_port()
    async with moderation_process(around.kafka, port) as process:
        await wait_until(lambda: is_ready(port), within=WITHIN)
        process.terminate()
        assert await process.wait() == 0


async def test_two_processes_share_the_stories_and_release_each_once(around: Around) -> None:
    """A second one joins while the first is at work; what moves is loaded, finished and never done twice."""
    stories = [f"urn:slugline:t:{number}" for number in range(30)]
    port = free_port()
    async with moderation_process(around.kafka), moderation_process(around.kafka, port, instance=1):
        for version in (1, 2, 3):
            for story in stories:
                await around.file(story, f"Text {version}.", version=version)
            if version == 2:
                await wait_until(lambda: is_ready(port), within=WITHIN)
        await wait_until(lambda: all(len(around.released(story)) >= 3 for story in stories), within=WITHIN)
    assert [[event.release_no for event in around.released(story)] for story in stories] == [[1, 2, 3]] * 30
