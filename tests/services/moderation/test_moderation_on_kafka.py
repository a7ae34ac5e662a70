"""The service itself on a real broker: filing to release, embargo, kill, kill -9 and parking."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from deploy.local.ports import free_port
from services.moderation.main import jobs
from services.moderation.settings import ModerationSettings
from shared.domain.events import DeskDecided, Event, StoryEnriched, StoryReleased, encode_event, parse_event
from shared.domain.state import KillRecord, Outcome, Stage, StoryState
from shared.domain.story import Kind, lane_of
from shared.platform.clock import SystemClock
from shared.platform.envelopes import headers_for
from shared.platform.parking import REASON
from shared.platform.provisioning import provision
from shared.platform.publishing import Appended, Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.domain.stories import deciding, enriched
from tests.waiting import wait_until

READ = (
    *(Topic.RELEASED, Topic.RELEASED_FLASH, Topic.CURRENT, Topic.STATE, Topic.KILLED),
    *(Topic.TEXT, Topic.DEAD_MODERATION),
)
WITHIN = 30


class Around:
    """What stands before and behind moderation: files into its inboxes, sees all that it writes."""

    def __init__(self, kafka: KafkaSettings, publisher: Publisher) -> None:
        self.kafka = kafka
        self.records: dict[Topic, list[Record]] = {topic: [] for topic in READ}
        self._publisher = publisher

    def see(self, record: Record) -> None:
        self.records[record.topic].append(record)

    async def put(self, topic: Topic, story_id: str, value: bytes, event: Event | None = None) -> Appended:
        return await self._publisher.publish(topic, story_id, value, headers_for(event) if event else ())

    async def file(self, story_id: str, text: str, *, version: int = 1, urgency: int = 4, **more: object) -> None:
        data = enriched(text, urgency=urgency, **more)
        event = StoryEnriched(
            event_id=f"{story_id} {text}",
            story_id=story_id,
            version=version,
            occurred_at=SystemClock().now(),
            producer="enrich",
            data=data,
        )
        topic = Topic.INBOX_FLASH if lane_of(urgency) == "flash" else Topic.INBOX
        await self.put(topic, story_id, encode_event(event), event)

    async def decide(self, story_id: str, action: str) -> None:
        data = deciding(f"{story_id} {action}", action, break_glass=True).decision
        event = DeskDecided(
            event_id=data.decision_id,
            story_id=story_id,
            occurred_at=SystemClock().now(),
            producer="gateway",
            data=data,
        )
        await self.put(Topic.INBOX_FLASH, story_id, encode_event(event), event)

    def released(self, story_id: str, topic: Topic = Topic.RELEASED) -> list[StoryReleased]:
        events = [parse_event(record.value) for record in self.records[topic] if record.key == story_id]
        return [event for event in events if isinstance(event, StoryReleased)]

    def state(self, story_id: str) -> StoryState | None:
        mine = [record.value for record in self.records[Topic.STATE] if record.key == story_id]
        return StoryState.model_validate_json(mine[-1]) if mine and mine[-1] else None


@pytest.fixture
async def around(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Around]:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await provision(kafka, profile="local")
    stop = asyncio.Event()
    async with Publisher(kafka) as publisher, Tail(kafka, READ) as tail:
        wire = Around(kafka, publisher)
        await tail.load(wire.see)
        following = asyncio.create_task(tail.follow(wire.see, stop))
        yield wire
        stop.set()
        await following


@asynccontextmanager
async def moderation(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Run the service's jobs in this process; they end cleanly with the block."""
    stop = asyncio.Event()
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        for name, job in (await jobs(ModerationSettings(kafka=kafka), opened)).items():
            group.create_task(_run(job(stop)), name=name)
        yield
        stop.set()


async def _run(job: object) -> None:
    await job  # type: ignore[misc]  # a Job returns any awaitable, a task wants a coroutine


@asynccontextmanager
async def moderation_process(
    kafka: KafkaSettings, ops_port: int = 0, instance: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the service as the process it is; killed at the end of the block at the latest."""
    told = {name: value for name, value in os.environ.items() if not name.startswith("WIRE_")}
    told |= {"WIRE_KAFKA": kafka.bootstrap, "WIRE_TOPIC_PREFIX": kafka.topic_prefix, "WIRE_LOG_LEVEL": "warning"}
    told |= {"WIRE_OPS_PORT": str(ops_port), "WIRE_INSTANCE": str(instance)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.moderation", env=told)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_ready(port: int) -> bool:
    """Ask a process on this machine whether it can take work."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.startswith(b"HTTP/1.1 200")


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
