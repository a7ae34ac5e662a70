"""How is the gateway run in a test as its process runs it, and how does moderation put a release before it?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import quote

import httpx2
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.gateway.main import jobs
from services.gateway.settings import GatewaySettings
from shared.domain.events import StoryReleased, encode_event
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Lane
from shared.platform.jobs import Job
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.redis import connect
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.services.gateway.stories import FACTS, released
from tests.waiting import wait_until

OPERATOR = "sl_local_operator_of_this_test"
BY_OPERATOR = {"authorization": f"Bearer {OPERATOR}"}


@asynccontextmanager
async def gateway(kafka: KafkaSettings, redis_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service's jobs, ready; stopped in order at the end. A job that fails fails the test."""
    settings = GatewaySettings(
        kafka=kafka,
        topic_prefix=kafka.topic_prefix,
        redis_url=redis_url,
        gateway_port=0,
        operator_key=SecretStr(OPERATOR),
        secret_key=SecretStr(Fernet.generate_key().decode()),
        public_site=True,
        drain_s=0.1,
    )
    stop, ports = asyncio.Event(), list[int]()
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        for name, job in (await jobs(settings, opened, ports.append)).items():
            group.create_task(_running(job, stop), name=name)
        await wait_until(lambda: ports, 60, message="the port")
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}") as http:
            try:
                await wait_until(lambda: status(http, "/readyz", 200), 60, message="ready")
                yield http
            finally:
                stop.set()


async def _running(job: Job, stop: asyncio.Event) -> None:
    await job(stop)


async def status(http: httpx2.AsyncClient, path: str, wanted: int) -> httpx2.Response | None:
    """The answer, once it has this status."""
    answer = await http.get(path, headers=BY_OPERATOR)
    return answer if answer.status_code == wanted else None


async def release(publisher: Publisher, *items: Item, facts: Facts = FACTS) -> None:
    """Moderation puts releases on the wire."""
    await publisher.publish_all([record for of in items for record in _records(of, facts)])


def _records(of: Item, facts: Facts) -> list[Outgoing]:
    event: StoryReleased = released(of, facts)
    topic = Topic.RELEASED_FLASH if of.lane is Lane.FLASH else Topic.RELEASED
    value = encode_event(event)
    return [Outgoing(topic, of.story_id, value), Outgoing(Topic.CURRENT, of.story_id, value)]


def path_of(story_id: str) -> str:
    return f"/v1/stories/{quote(story_id, safe='')}"


async def empty(kafka: KafkaSettings, redis_url: str) -> None:
    """Delete what this test has in Redis, all at once."""
    client = connect(redis_url)
    keys = [key async for key in client.scan_iter(match=f"{kafka.topic_prefix}*")]
    assert keys
    await client.delete(*keys)
    await client.aclose()
