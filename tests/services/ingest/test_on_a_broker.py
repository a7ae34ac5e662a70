"""Ingest as it runs: real topics, real Redis, its jobs started and stopped as its process does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from pydantic import SecretStr

from deploy.local.ports import free_port
from services.ingest.main import jobs
from services.ingest.settings import IngestSettings
from shared.domain.events import StoryReceived, parse_event
from shared.platform.jobs import Job
from shared.platform.publishing import Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, key_of
from tests.services.ingest.doors import KEY, NINJS, principal
from tests.waiting import wait_until


@asynccontextmanager
async def ingest(kafka: KafkaSettings, redis_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service's jobs and a client of its door; a job that fails fails the test."""
    port = free_port()
    settings = IngestSettings(
        kafka=kafka,
        topic_prefix=kafka.topic_prefix,
        redis_url=redis_url,
        ingest_port=port,
        operator_key=SecretStr("sl_local_operator"),
    )
    stop = asyncio.Event()

    async def running(job: Job) -> None:
        await job(stop)

    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        for name, job in (await jobs(settings, opened)).items():
            group.create_task(running(job), name=name)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            await wait_until(lambda: _ready(client), within=20)
            yield client
        stop.set()


async def _ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


async def test_what_was_answered_202_is_on_the_topic(kafka: KafkaSettings, redis_url: str) -> None:
    """A key from `principal.state` opens the door; the record is there when the answer is."""
    async with Publisher(kafka) as publisher:
        desk = principal(KEY, "desk")
        key = key_of(desk.key_id, "key")
        await publisher.publish(Topic.PRINCIPAL_STATE, key, desk.model_dump_json().encode())
        async with ingest(kafka, redis_url) as client:
            answer = await client.post("/v1/intake/stories", json=NINJS)
            assert answer.status_code == 202
            bad = await client.post("/v1/intake/stories", content=b"{", headers={"content-type": "application/json"})
            assert bad.status_code == 422
    records: list[Record] = []
    async with Tail(kafka, (Topic.RECEIVED, Topic.DEAD_INGEST)) as tail:
        await tail.load(records.append)
    received = [record for record in records if record.topic is Topic.RECEIVED]
    event = parse_event(received[0].value)
    assert isinstance(event, StoryReceived)
    assert event.event_id == answer.json()["event_id"]
    assert [record.value for record in records if record.topic is Topic.DEAD_INGEST] == [b"{"]
