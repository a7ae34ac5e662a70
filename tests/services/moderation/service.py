"""The moderation service as a test has it: what stands before and behind it, in this process or as its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.moderation.main import jobs
from services.moderation.settings import ModerationSettings
from shared.domain.events import DeskDecided, Event, StoryEnriched, StoryReleased, encode_event, parse_event
from shared.domain.state import StoryState
from shared.domain.story import lane_of
from shared.platform.clock import SystemClock
from shared.platform.envelopes import headers_for
from shared.platform.provisioning import provision
from shared.platform.publishing import Appended, Publisher
from shared.platform.reading import Tail, end_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.domain.stories import deciding, enriched
from tests.waiting import wait_until

READ = (
    *(Topic.RELEASED, Topic.RELEASED_FLASH, Topic.CURRENT, Topic.STATE, Topic.KILLED),
    *(Topic.TEXT, Topic.DEAD_MODERATION),
)
INPUTS = (Topic.INBOX, Topic.INBOX_FLASH, Topic.LIFTS)
WITHIN = 30


class Around:
    """What stands before and behind moderation: files into its inboxes, sees all that it writes."""

    def __init__(self, kafka: KafkaSettings, publisher: Publisher, tail: Tail) -> None:
        self.kafka = kafka
        self.records: dict[Topic, list[Record]] = {topic: [] for topic in READ}
        self._publisher = publisher
        self._tail = tail

    def see(self, record: Record) -> None:
        self.records[record.topic].append(record)

    async def see_all(self) -> None:
        """Wait until everything that is on the topics by now has been seen."""
        ends = await end_offsets(self.kafka, READ)
        await wait_until(lambda: all(self._tail.positions()[at] >= end for at, end in ends.items()), within=WITHIN)

    async def put(self, topic: Topic, story_id: str, value: bytes, event: Event | None = None) -> Appended:
        return await self._publisher.publish(topic, story_id, value, headers_for(event) if event else ())

    async def put_again(self, record: Record) -> Appended:
        """Put a record behind all others of its topic, headers and all."""
        headers = list(record.headers.items())
        return await self._publisher.publish(record.topic, record.key or "", record.value, headers)

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

    async def delete_inputs(self) -> None:
        """Let the retention of the inboxes pass over all that was filed so far."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            ends = await end_offsets(self.kafka, INPUTS)
            prefix = self.kafka.topic_prefix
            places = {TopicPartition(name(at.topic, prefix), at.partition): end for at, end in ends.items()}
            await admin.delete_records({at: RecordsToDelete(before_offset=end) for at, end in places.items()})
        finally:
            await admin.close()

    async def decide(self, story_id: str, action: str, as_id: str = "") -> None:
        data = deciding(f"{story_id} {as_id or action}", action, break_glass=True).decision
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


@asynccontextmanager
async def around_it(bootstrap: str, topic_prefix: str) -> AsyncIterator[Around]:
    """Make the topics, and follow all that moderation writes while the block lasts."""
    kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=topic_prefix)
    await provision(kafka, profile="local")
    await wait_until(lambda: _shows(kafka, (*READ, *INPUTS)), within=WITHIN)
    stop = asyncio.Event()
    async with Publisher(kafka) as publisher, Tail(kafka, READ) as tail:
        wire = Around(kafka, publisher, tail)
        await tail.load(wire.see)
        following = asyncio.create_task(tail.follow(wire.see, stop))
        try:
            yield wire
        finally:
            stop.set()
            await following


async def _shows(kafka: KafkaSettings, topics: Sequence[Topic]) -> bool:
    """Whether a busy broker has come to know all the topics that it has just made."""
    return {at.topic for at in await end_offsets(kafka, topics)} == set(topics)


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
    kafka: KafkaSettings,
    ops_port: int = 0,
    instance: int = 0,
    failpoints: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the service as the process it is; killed at the end of the block at the latest.

    `failpoints`: the folder of its orders; `more`: further variables of its environment.
    """
    told = {name: value for name, value in os.environ.items() if not name.startswith("WIRE_")}
    told |= {"WIRE_KAFKA": kafka.bootstrap, "WIRE_TOPIC_PREFIX": kafka.topic_prefix, "WIRE_LOG_LEVEL": "warning"}
    told |= {"WIRE_OPS_PORT": str(ops_port), "WIRE_INSTANCE": str(instance)} | dict(more or {})
    if failpoints is not None:
        told["WIRE_FAILPOINTS"] = str(failpoints)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.moderation", env=told)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_ready(port: int) -> bool:
    """Ask a process on this machine whether it can take work."""
    return (await _readiness(port)).startswith(b"HTTP/1.1 200")


async def why_not_ready(port: int) -> dict[str, str]:
    """What the process says is not as it should be; nothing while it does not answer, or is ready."""
    head, _, body = (await _readiness(port)).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 503"):
        return {}
    told: dict[str, dict[str, str]] = json.loads(body)
    return told["reasons"]


async def _readiness(port: int) -> bytes:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return b""
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def order(folder: Path, *lines: str, process: str = "moderation") -> None:
    """Write what is to happen at the failpoints of the next life of a process."""
    (folder / process).write_text("\n".join(lines) + "\n")


async def struck(folder: Path, process: str = "moderation") -> str:
    """Wait until a process has met its failpoint, and say which."""
    hit = folder / f"{process}.hit"
    await wait_until(hit.exists, within=WITHIN, message=f"{process} met no failpoint")
    return hit.read_text().strip()
