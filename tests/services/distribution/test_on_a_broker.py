"""Distribution as it runs: real topics, a real receiver, its jobs started and stopped as its process does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.distribution.main import jobs
from services.distribution.matching import ShardOf
from services.distribution.settings import DistributionSettings
from shared.domain.events import encode_event
from shared.domain.story import Kind, Lane
from shared.domain.subscription import EndpointSecret, EndpointState, Ordering
from shared.platform.jobs import Job
from shared.platform.publishing import Publisher
from shared.platform.sealing import Sealer
from shared.platform.settings import KafkaSettings
from shared.platform.signature import new_secret
from shared.platform.topics import Topic, key_of
from tests.receivers.recording import Recorder
from tests.receivers.serving import receiving
from tests.services.distribution.deliveries import block_record, endpoint, item, released, subscription
from tests.waiting import wait_until

KEY = Fernet.generate_key().decode()


@asynccontextmanager
async def distribution(kafka: KafkaSettings, allow: str) -> AsyncIterator[None]:
    """The service's jobs, stopped in order at the end; a job that fails fails the test."""
    settings = DistributionSettings(
        kafka=kafka, topic_prefix=kafka.topic_prefix, secret_key=SecretStr(KEY), endpoint_allow=allow, ops_port=0
    )
    stop = asyncio.Event()
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        for name, job in (await jobs(settings, opened)).items():
            group.create_task(running(job, stop), name=name)
        yield
        stop.set()


async def running(job: Job, stop: asyncio.Event) -> None:
    """A job as a coroutine, which is what a task is made of."""
    await job(stop)


async def register(publisher: Publisher, url: str, secret: str, ordering: Ordering) -> None:
    """An endpoint that must answer its challenge, with a subscription to everything."""
    sealed = EndpointSecret(endpoint_id="ep_1", sealed=(Sealer(KEY).seal(secret),))
    pending = endpoint("ep_1", url, state=EndpointState.PENDING, challenge="are-you-there")
    entries = [
        (key_of("ep_1", "secret"), sealed),
        (key_of("ep_1", "endpoint"), pending.model_copy(update={"challenged_at": datetime.now(UTC)})),
        (key_of("s1", "subscription"), subscription(ordering=ordering)),
    ]
    for key, value in entries:
        await publisher.publish(Topic.SUBSCRIPTION_STATE, key, value.model_dump_json().encode())


async def release(publisher: Publisher, release_no: int, kind: Kind, lane: Lane = Lane.ROUTINE) -> None:
    topic = Topic.RELEASED_FLASH if lane is Lane.FLASH else Topic.RELEASED
    event = released(item(release_no, kind, lane))
    await publisher.publish(topic, event.story_id, encode_event(event))


async def test_a_story_arrives_signed_after_the_challenge_and_its_kill_follows(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """Challenge answered, publish and update in order, the kill last; every signature verified by a third party."""
    secret = new_secret()
    recorder = Recorder(secret)
    async with receiving(recorder) as receiver, distribution(kafka, f"{receiver.host}:{receiver.port}"):
        await register(publisher, receiver.url, secret, Ordering.EVERY)
        await wait_until(lambda: recorder.challenges, within=10)
        await release(publisher, 1, Kind.PUBLISH)
        await release(publisher, 2, Kind.UPDATE)
        await wait_until(lambda: len(recorder.deliveries) == 2, within=40)
        await release(publisher, 3, Kind.KILL, Lane.FLASH)
        await wait_until(lambda: len(recorder.deliveries) == 3, within=10)
    assert [each.type for each in recorder.deliveries] == ["story.publish", "story.update", "story.kill"]
    assert recorder.unverified == []
    assert len(set(recorder.ids)) == 3


async def test_a_restart_sends_what_was_owed_and_nothing_twice(kafka: KafkaSettings, publisher: Publisher) -> None:
    """Down while a release came; up again, it is delivered once, and what was done stays done."""
    secret = new_secret()
    recorder = Recorder(secret)
    async with receiving(recorder) as receiver:
        allow = f"{receiver.host}:{receiver.port}"
        async with distribution(kafka, allow):
            await register(publisher, receiver.url, secret, Ordering.LATEST)
            await wait_until(lambda: recorder.challenges, within=10)
            await release(publisher, 1, Kind.PUBLISH)
            await wait_until(lambda: len(recorder.deliveries) == 1, within=40)
        await release(publisher, 2, Kind.UPDATE)
        async with distribution(kafka, allow):
            await wait_until(lambda: len(recorder.deliveries) >= 2, within=30)
    assert [each.data["release_no"] for each in recorder.deliveries] == [1, 2]


async def test_a_block_written_again_after_a_restart_is_not_sent_again(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """The matcher died between a block and its offset; the deliverer had no backlog, and still knows what it did."""
    secret = new_secret()
    recorder = Recorder(secret)
    shard = ShardOf(6)("ep_1")
    async with receiving(recorder) as receiver:
        allow = f"{receiver.host}:{receiver.port}"
        async with distribution(kafka, allow):
            await register(publisher, receiver.url, secret, Ordering.EVERY)
            await wait_until(lambda: recorder.challenges, within=10)
            await release(publisher, 1, Kind.PUBLISH)
            await wait_until(lambda: len(recorder.deliveries) == 1, within=40)
        again = block_record(item(1), "ep_1", shard=shard)
        await publisher.publish(Topic.DUE, str(shard), again.value, partition=shard)
        await release(publisher, 2, Kind.UPDATE)
        async with distribution(kafka, allow):
            await wait_until(lambda: recorder.deliveries[-1].data["release_no"] == 2, within=30)
    assert [each.data["release_no"] for each in recorder.deliveries] == [1, 2]


async def test_poison_on_any_topic_is_parked_and_delays_nobody(kafka: KafkaSettings, publisher: Publisher) -> None:
    """Bytes that are no JSON on released, due and a tier; the next release still arrives."""
    secret = new_secret()
    recorder = Recorder(secret)
    async with receiving(recorder) as receiver, distribution(kafka, f"{receiver.host}:{receiver.port}"):
        await register(publisher, receiver.url, secret, Ordering.LATEST)
        await wait_until(lambda: recorder.challenges, within=10)
        for topic in (Topic.RELEASED, Topic.RELEASED_FLASH, Topic.DUE, Topic.RETRY_10S, Topic.SUBSCRIPTION_STATE):
            await publisher.publish(topic, "poison", b"\xff\x00 not json")
        await release(publisher, 1, Kind.PUBLISH)
        await wait_until(lambda: len(recorder.deliveries) == 1, within=40)
