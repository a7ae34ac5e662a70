"""The audit: one chain for each life of a process, tied to the life before, also over a broker that was away."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.platform.audit import FIRST, HASH, Audit, Link, last_entry, new_writer
from shared.platform.clock import FixedClock, SystemClock
from shared.platform.publishing import Publisher, PublishTimeout
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import everything, make_topics
from tests.services.gateway.twins import NOON, MemoryTopics


async def test_what_was_not_confirmed_is_entered_before_what_follows() -> None:
    """The chain has no hole and no fork: the same bytes go out again first."""
    topics = MemoryTopics()
    audit = Audit(topics, FixedClock(NOON), "w")
    topics.away = True
    with pytest.raises(PublishTimeout):
        await audit.enter("ann", "key.issued", "key_1")
    topics.away = False
    await audit.enter("ann", "key.revoked", "key_1")
    first, second = (one.value or b"" for one in topics.on(Topic.AUDIT))
    assert [json.loads(one)["action"] for one in (first, second)] == ["key.issued", "key.revoked"]
    assert json.loads(first)["previous"] == FIRST
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()


async def test_an_entry_travels_with_the_hash_of_its_bytes() -> None:
    """The last entry of a chain has no successor that could tell."""
    topics = MemoryTopics()
    await Audit(topics, FixedClock(NOON), "w").enter("ann", "key.issued", "key_1")
    [entry] = topics.on(Topic.AUDIT)
    assert dict(entry.headers) == {HASH: hashlib.sha256(entry.value or b"").hexdigest().encode()}


async def test_a_restarted_process_goes_on_behind_its_last_entry(kafka: KafkaSettings) -> None:
    """A new name and a new chain, whose first entry names the last one of the life before, other instances' not."""
    await make_topics(kafka, {Topic.AUDIT: 3})
    now = SystemClock().now()
    async with Publisher(kafka) as publisher:
        for life, instance in enumerate(["1", "1", "2", "1"]):
            began = now + timedelta(seconds=life)

            async def before(of: str = instance) -> Link | None:
                return await last_entry(kafka, "gateway", of, now)

            audit = Audit(publisher, FixedClock(began), new_writer("gateway", instance, began), before)
            for story in ("urn:a", "urn:b", "urn:c"):
                await audit.enter("ann", "story.hold", story)
    records = sorted(await everything(kafka, Topic.AUDIT), key=lambda one: json.loads(one.value)["at"])
    lives = [records[first : first + 3] for first in (0, 3, 6, 9)]
    first, second, other, third = (sorted(map(read, life), key=lambda one: one["n"]) for life in lives)
    assert [told["n"] for told in (*first, *second)] == [1, 2, 3, 1, 2, 3]
    assert "after" not in first[0]
    assert "after" not in other[0]
    for earlier, later in ((first, second), (second, third)):
        assert later[0]["after"] == {"writer": earlier[-1]["writer"], "n": 3}
        assert later[0]["previous"] == earlier[-1]["hash"]


def read(record: Any) -> dict[str, Any]:
    return {**json.loads(record.value), "hash": hashlib.sha256(record.value).hexdigest()}


async def test_what_cannot_be_looked_up_keeps_nothing_from_being_entered() -> None:
    """A decision matters more than the link to an earlier life."""

    async def before() -> Link | None:
        raise KafkaConnectionError("away")

    topics = MemoryTopics()
    await Audit(topics, FixedClock(NOON), "w", before).enter("ann", "story.kill", "urn:x")
    assert json.loads(topics.on(Topic.AUDIT)[0].value or b"")["previous"] == FIRST


def test_two_processes_started_at_once_have_two_names() -> None:
    """The same service, instance and moment: a second writer in one chain would break it."""
    assert len({new_writer("gateway", "0", NOON) for _ in range(20)}) == 20
