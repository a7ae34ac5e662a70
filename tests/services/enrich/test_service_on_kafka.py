"""The service itself, one process a lane, on a real broker: stories through it, kill -9, poison, corrections."""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from services.enrich.worker import INBOX, RECEIVED
from services.ingest.dump import parse
from shared.domain.events import StoryEnriched, StoryReceived, derived_id, parse_event
from shared.domain.story import Lane
from shared.platform.envelopes import encode, headers_for
from shared.platform.parking import ERROR, ORIGIN_OFFSET
from shared.platform.provisioning import provision
from shared.platform.publishing import Appended, Outgoing, Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.material import material
from tests.services.enrich.filings import correction, received, released
from tests.services.enrich.samples import ENGLISH, filed
from tests.services.enrich.validity import NinjsValidity
from tests.waiting import wait_until

WITHIN = 40
SEEN = (Topic.INBOX, Topic.INBOX_FLASH, Topic.DEAD_ENRICH)


class Around:
    """What stands before and behind enrichment: files into a lane, sees all that comes out."""

    def __init__(self, kafka: KafkaSettings, publisher: Publisher) -> None:
        self.kafka = kafka
        self.publisher = publisher
        self.records: dict[Topic, list[Record]] = {topic: [] for topic in SEEN}

    def see(self, record: Record) -> None:
        self.records[record.topic].append(record)

    async def file(self, lane: Lane, *events: StoryReceived) -> list[Appended]:
        return await self.publisher.publish_all(
            [Outgoing(RECEIVED[lane], event.story_id, encode(event), headers_for(event)) for event in events]
        )

    def enriched(self, lane: Lane) -> list[StoryEnriched]:
        events = [parse_event(record.value) for record in self.records[INBOX[lane]]]
        return [event for event in events if isinstance(event, StoryEnriched)]

    async def of(self, lane: Lane, filing: StoryReceived) -> StoryEnriched:
        """What has become of a filing, once it has."""
        wanted = derived_id("enrich", filing.event_id)
        [event, *_] = await wait_until(lambda: [e for e in self.enriched(lane) if e.event_id == wanted], WITHIN)
        return event


@pytest.fixture
async def around(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Around]:
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await provision(kafka, profile="local")
    stop = asyncio.Event()
    async with Publisher(kafka) as publisher, Tail(kafka, SEEN) as tail:
        wire = Around(kafka, publisher)
        await tail.load(wire.see)
        following = asyncio.create_task(tail.follow(wire.see, stop))
        yield wire
        stop.set()
        await following


@dataclass(slots=True)
class Service:
    """The service as the process it is."""

    process: Process
    log: list[Mapping[str, object]]

    def said(self, event: str) -> list[Mapping[str, object]]:
        return [line for line in self.log if line.get("event") == event]

    async def ready(self) -> None:
        [listening] = await wait_until(lambda: self.said("http.listening"), WITHIN)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{listening['port']}") as ops:

            async def is_ready() -> bool:
                return (await ops.get("/readyz")).status_code == 200

            await wait_until(is_ready, WITHIN)


@asynccontextmanager
async def enrich(kafka: KafkaSettings, lane: Lane) -> AsyncIterator[Service]:
    """Run one lane; killed at the end of the block at the latest."""
    async with started(kafka, lane) as process:
        service = Service(process, [])
        reading = asyncio.create_task(read(process, service.log))
        yield service
    await reading


@asynccontextmanager
async def started(kafka: KafkaSettings, lane: Lane) -> AsyncIterator[Process]:
    told = {key: value for key, value in os.environ.items() if not key.startswith("WIRE_")}
    told |= {"WIRE_KAFKA": kafka.bootstrap, "WIRE_TOPIC_PREFIX": kafka.topic_prefix}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.enrich", "--lane", lane), stderr=PIPE, env=told
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def read(process: Process, log: list[Mapping[str, object]]) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        log.append(json.loads(line))


def seed(**fields: object) -> StoryReceived:
    """The shared page as ingest files it."""
    parsed = parse(material("seeds", "kashmir-story-page.txt").read_bytes())
    story = {**parsed.story, "uri": "urn:slugline:seed"}
    told = {"section": parsed.section, "published_at": parsed.published_at, "labels": parsed.labels}
    return received(story, story_id="urn:slugline:seed", event_id="seed", **told, **fields)


@pytest.mark.parametrize("lane", Lane)
async def test_a_lane_serves_its_topic(around: Around, ninjs: NinjsValidity, lane: Lane) -> None:
    """A page, an attack, poison, a correction and a copy go in; each comes out as it should, in that order."""
    urgency = 1 if lane is Lane.FLASH else 4
    page, story_id = seed(urgency=urgency), "urn:slugline:seed"
    attack = f"{ENGLISH}\n\n<script>steal()</script>Call +91 194 245 0001 for details."
    nasty = received(filed(attack), event_id="nasty", story_id=story_id, urgency=urgency)
    right = correction({"headlines": [{"value": "Put right"}]}, event_id="right", story_id=story_id, urgency=urgency)
    copy = received(event_id="copy", story_id=story_id, urgency=urgency)
    on_the_wire = released(ENGLISH, "urn:slugline:earlier")
    await around.publisher.publish(Topic.CURRENT, "urn:slugline:earlier", on_the_wire.value)
    async with enrich(around.kafka, lane) as service:
        await service.ready()
        await wait_until(lambda: service.said("released_texts.loaded"), WITHIN)
        await around.file(lane, page, nasty)
        poison = await around.publisher.publish(RECEIVED[lane], story_id, b"no json")
        await around.file(lane, right, copy)
        last = await around.of(lane, copy)
        assert [event.cause for event in around.enriched(lane)] == ["seed", "nasty", "right", "copy"]
        of_page, of_nasty, of_right, _ = (event.data for event in around.enriched(lane))
        assert ninjs.faults(of_page.story) == []
        assert of_page.story["language"] == "en"
        assert "TJ" in of_page.facts.places
        assert "medtop:16000000" in of_page.facts.subjects
        assert of_page.facts.sections == ("world",)
        assert "steal" not in str(of_nasty.story)
        assert {"active-content-removed", "contact-data:phone"} <= set(of_nasty.labels)
        assert of_right.story == {"headlines": [{"value": "Put right"}]}
        assert last.data.near_duplicate is not None
        assert last.data.near_duplicate.story_id == "urn:slugline:earlier"
        [parked] = await wait_until(lambda: around.records[Topic.DEAD_ENRICH], WITHIN)
        assert (parked.value, parked.headers[ERROR]) == (b"no json", b"Undecodable")
        assert parked.headers[ORIGIN_OFFSET] == str(poison.offset).encode()
        service.process.terminate()
        assert await asyncio.wait_for(service.process.wait(), WITHIN) == 0


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.chaos
async def test_kill_minus_nine_loses_nothing(around: Around, lane: Lane) -> None:
    """Killed in the midst of two hundred filings and started again: each comes out, in order, under one id."""
    filings = [
        received(event_id=f"{story} {n}", story_id=f"urn:example:{story}", lane=lane)
        for n in range(20)
        for story in range(10)
    ]
    async with enrich(around.kafka, lane) as service:
        await service.ready()
        await around.file(lane, *filings)
        await wait_until(lambda: around.records[INBOX[lane]], WITHIN)
        service.process.kill()
        await service.process.wait()
    wanted = {derived_id("enrich", filing.event_id) for filing in filings}
    assert len({event.event_id for event in around.enriched(lane)}) < len(wanted)
    async with enrich(around.kafka, lane):
        await wait_until(lambda: {event.event_id for event in around.enriched(lane)} == wanted, WITHIN)
    for story in range(10):
        causes = [event.cause for event in around.enriched(lane) if event.story_id == f"urn:example:{story}"]
        assert list(dict.fromkeys(causes)) == [f"{story} {n}" for n in range(20)]


async def test_a_lane_without_provisioned_topics_says_what_to_do(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Exit code 3: starting again would not help."""
    async with started(KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix), Lane.ROUTINE) as process:
        _, told = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 3
    assert b"provision" in told.splitlines()[-1]
