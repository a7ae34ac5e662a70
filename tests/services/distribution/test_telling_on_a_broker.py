"""An endpoint that says it is gone, on a real broker: its owner is told at the other one, through a process's death."""

import json
from pathlib import Path

import pytest

from shared.domain.subscription import EndpointSecret
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.sealing import Sealer
from shared.platform.settings import KafkaSettings
from shared.platform.signature import new_secret
from shared.platform.topics import Topic, key_of
from tests.receivers.recording import Recorder
from tests.receivers.serving import receiving
from tests.services.distribution.deliveries import endpoint, item
from tests.services.distribution.process import KEY, WITHIN, Post, post_on
from tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]
OTHER = "ep_other"


async def register(post: Post, url: str, secret: str) -> None:
    """One more active endpoint of the same owner, without a subscription."""
    sealed = EndpointSecret(endpoint_id=OTHER, sealed=(Sealer(KEY).seal(secret),))
    for part, value in (("secret", sealed), ("endpoint", endpoint(OTHER, url))):
        await post.publisher.publish(Topic.SUBSCRIPTION_STATE, key_of(OTHER, part), value.model_dump_json().encode())


async def audited(kafka: KafkaSettings) -> list[Record]:
    found: list[Record] = []
    async with Tail(kafka, (Topic.AUDIT,)) as tail:
        await tail.load(found.append)
    return found


async def test_an_endpoint_that_is_gone_is_told_to_the_other_one_and_in_the_audit(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Refused there once, it comes again under the same id; the process that told it is killed in between."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    secret = new_secret()
    other = Recorder(secret, answers=(503,))
    async with post_on(kafka, tmp_path, answers=(410,)) as post, receiving(other) as receiver:
        post.allow += f",{receiver.host}:{receiver.port}"
        await register(post, receiver.url, secret)
        await post.start()
        await post.release(item())
        await wait_until(lambda: any(row.data.kind == "disabled" for row in post.rows), WITHIN, message="a first try")
        await post.kill()
        await post.start()
        await wait_until(lambda: len(other.deliveries) >= 2, WITHIN, message="the second try")
        await post.stop()
        told = other.deliveries
        assert {one.webhook_id for one in told} == {told[0].webhook_id}
        assert (told[0].type, told[0].data["endpoint_id"], told[0].data["reason"]) == (
            "endpoint.disabled",
            "ep_1",
            "gone",
        )
        entries = [json.loads(one.value or b"") for one in await audited(kafka)]
        assert {(one["actor"], one["action"], one["object"]) for one in entries} == {
            ("system", "endpoint.disabled", "ep_1")
        }
    assert other.unverified == []
