"""Does monitor find what was done to the audit on a real broker, and tell who did what?"""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from shared.platform.audit import Audit, new_writer
from shared.platform.clock import SystemClock
from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import everything, settings
from tests.services.monitor.wire import asked, running

AUDIT, VERIFY = "/v1/ops/audit", "/v1/ops/audit/verify"


@pytest.fixture
async def written(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    """A wire whose audit holds six entries of two writers."""
    kafka = settings(kafka_bootstrap, topic_prefix)
    await provision(kafka, profile="local")
    clock = SystemClock()
    async with Publisher(kafka) as publisher:
        for instance, person in (("0", "ann"), ("1", "bob")):
            audit = Audit(publisher, clock, new_writer("gateway", instance, clock.now()))
            for n in range(3):
                await audit.enter(person, "story.hold", f"urn:{n}", reason="minor")
    return kafka


async def copied(kafka: KafkaSettings, onto: str, records: Sequence[Any]) -> KafkaSettings:
    """Another wire on the same broker whose audit holds these records, byte for byte."""
    copy = kafka.model_copy(update={"topic_prefix": onto})
    await provision(copy, profile="local")
    async with Publisher(copy) as publisher:
        for one in records:
            await publisher.publish(Topic.AUDIT, one.key.decode(), one.value, one.headers)
    return copy


async def test_one_flipped_byte_in_a_copy_is_found(written: KafkaSettings, unique: str) -> None:
    """The audit itself is whole; in its copy the fault is named by writer, number and offset."""
    records = await everything(written, Topic.AUDIT)
    async with running(written) as client:
        whole = await asked(client, VERIFY)
    assert (whole["ok"], whole["entries"], whole["writers"], whole["faults"]) == (True, 6, 2, [])

    entry = json.loads(records[4].value)
    records[4].value = records[4].value.replace(b"minor", b"minos")
    async with running(await copied(written, f"{unique}copy.", records)) as client:
        found = await asked(client, VERIFY)
    assert not found["ok"]
    [fault] = found["faults"]
    assert (fault["what"], fault["writer"], fault["n"], fault["offset"]) == ("changed", entry["writer"], entry["n"], 4)


async def test_entries_are_listed_newest_first_to_operators_only(written: KafkaSettings) -> None:
    """By person, by story, by time; without the scope nothing."""
    async with running(written) as client:
        everyone = (await asked(client, AUDIT))["items"]
        bobs = (await asked(client, AUDIT, actor="bob", limit=2))["items"]
        stories = (await asked(client, AUDIT, story="urn:1"))["items"]
        late = (await asked(client, AUDIT, since="2999-01-01T00:00:00Z"))["items"]
        refused = await client.get(AUDIT, headers={"authorization": "Bearer nobody"})
        unclear = await client.get(AUDIT, params={"since": "yesterday"})
    assert [one["offset"] for one in everyone] == [5, 4, 3, 2, 1, 0]
    assert [(one["actor"], one["object"], one["detail"]) for one in bobs] == [
        ("bob", "urn:2", {"reason": "minor"}),
        ("bob", "urn:1", {"reason": "minor"}),
    ]
    assert {one["object"] for one in stories} == {"urn:1"}
    assert late == []
    assert (refused.status_code, unclear.status_code) == (401, 422)
