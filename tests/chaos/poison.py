"""What is a record that nobody meant to write, and what must each topic's readers do with it?

Where a service acts on what it reads, a record that can never be right is parked; a copy of a record that was taken
already is passed over as the repeat it is. Where services only observe, or load a table, it is passed over. Nobody
ends, and what lies behind it in its partition goes on.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.platform.parking import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, partition_of, spec
from tests.parked_on import PARKED_ON

LARGEST = 2 * 1024 * 1024
ROOM = 4_096  # for the envelope around a huge text, and Kafka's around that
OLD_MS = 2 * 365 * 86_400_000
PARKED_WITHIN_S = 30.0
COPIED_FROM_LAST = 1


class Poison(StrEnum):
    """In which way a record is wrong."""

    NO_JSON = "no json"
    WRONG_SCHEMA = "wrong schema"
    UNKNOWN_TYPE = "unknown type"
    TOMBSTONE = "tombstone"
    HUGE = "huge"
    FOREIGN_KEY = "foreign key"  # the newest record again, under a key that is not its own
    WRONG_PARTITION = "wrong partition"  # the newest record again, where its key does not belong
    OLD_TIMESTAMP = "old timestamp"  # the newest record again, two years old


COPIES = frozenset({Poison.FOREIGN_KEY, Poison.WRONG_PARTITION, Poison.OLD_TIMESTAMP})

KEYED_BY_STORY = frozenset({Topic.INBOX, Topic.INBOX_FLASH, Topic.LIFTS})
"""Whose reader owns stories by key: there a foreign key, or a key in another partition, can never be right."""
OF_A_SHARD = (
    frozenset(PARKED_ON)
    - KEYED_BY_STORY
    - {
        Topic.RECEIVED,
        Topic.RECEIVED_FLASH,
        Topic.RELEASED,
        Topic.RELEASED_FLASH,
    }
)
"""Whose reader owns endpoints by partition: a delivery of another shard can never be right there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a poisoned record lies."""

    topic: Topic
    partition: int
    offset: int


def is_parked(topic: Topic, kind: Poison) -> bool:
    """Whether a service must park such a record; otherwise it is passed over."""
    if kind is Poison.OLD_TIMESTAMP:
        return False
    if kind is Poison.FOREIGN_KEY:
        return topic in KEYED_BY_STORY
    if kind is Poison.WRONG_PARTITION:
        return topic in KEYED_BY_STORY or topic in OF_A_SHARD
    return topic in PARKED_ON


def is_misplaced(topic: Topic, partition: int, key: str) -> bool:
    """Whether a record lies where no writer puts its key: then it is ours, though its key may be a real story's."""
    return topic in KEYED_BY_STORY and partition != partition_of(key, spec(topic).partitions.local)


def targets(kind: Poison) -> tuple[Topic, ...]:
    """The topics that get such a record: all; copies only those that a service acts on.

    A copy of a table's row would be the table's newest row: only its owner may write it, and access rules see to that.
    """
    return tuple(PARKED_ON) if kind in COPIES else tuple(Topic)


async def put(bootstrap: str, kind: Poison) -> list[Place]:
    """Put one record of that kind on each of its topics; returns where they lie. What is empty has nothing to copy."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * LARGEST) as producer:
        places = []
        for topic in targets(kind):
            one = await _newest(bootstrap, topic) if kind in COPIES else None
            if kind in COPIES and one is None:
                continue
            record = _copy(kind, topic, one) if one else _made(kind, topic)
            sent = await producer.send_and_wait(topic.value, **record)
            places.append(Place(topic, sent.partition, sent.offset))
        return places


async def not_parked(bootstrap: str, kind: Poison, places: Iterable[Place]) -> list[Place]:
    """Wait until all that must be parked is; returns what was not in time."""
    missing = {place for place in places if is_parked(place.topic, kind)}
    deadline = time.monotonic() + PARKED_WITHIN_S
    while missing and time.monotonic() < deadline:
        with suppress(KafkaError):  # in a mixed run the broker may just be away
            missing -= await _parked(bootstrap)
        await asyncio.sleep(0.5 if missing else 0.0)
    return sorted(missing, key=str)


async def _parked(bootstrap: str) -> set[Place]:
    found: set[Place] = set()

    def note(record: Record) -> None:
        told = record.headers
        if told.get(ORIGIN_TOPIC):
            where = int(told[ORIGIN_PARTITION]), int(told[ORIGIN_OFFSET])
            found.add(Place(Topic(told[ORIGIN_TOPIC].decode()), *where))

    async with Tail(KafkaSettings(bootstrap=bootstrap), tuple(dict.fromkeys(PARKED_ON.values()))) as tail:
        await tail.load(note)
    return found


def _made(kind: Poison, topic: Topic) -> dict[str, Any]:
    """A record that is wrong in itself, under a key that no story or endpoint has."""
    key = f"urn:slugline:poison:{uuid.uuid4()}"
    envelope = {
        "event_id": str(uuid.uuid4()),
        "type": "story.unheard",
        "story_id": key,
        "occurred_at": datetime.now(UTC).isoformat(),
        "producer": "poison",
        "data": {},
    }
    values = {
        Poison.NO_JSON: b"\xff\x00{ no JSON at all",
        Poison.WRONG_SCHEMA: b'{"headline": ["neither", "an", "event", "nor", "a", "row"], "version": "three"}',
        Poison.UNKNOWN_TYPE: json.dumps(envelope).encode(),
        Poison.TOMBSTONE: None,
        Poison.HUGE: json.dumps(envelope | {"data": {"much": "x" * (LARGEST - ROOM)}}).encode(),
    }
    return {
        "value": values[kind],
        "key": key.encode(),
        "partition": partition_of(key, spec(topic).partitions.local),
    }


def _copy(kind: Poison, topic: Topic, one: Any) -> dict[str, Any]:
    """The same record again, but for one thing."""
    count = spec(topic).partitions.local
    record = {"value": one.value, "key": one.key, "partition": one.partition, "headers": list(one.headers)}
    match kind:
        case Poison.FOREIGN_KEY:
            return record | {"key": next(_keys_of(one.partition, count))}
        case Poison.WRONG_PARTITION:
            return record | {"partition": (one.partition + 1) % count}
    return record | {"timestamp_ms": one.timestamp - OLD_MS}


def _keys_of(partition: int, count: int) -> Iterator[bytes]:
    """Keys that belong into a partition and are nobody's."""
    for number in range(10_000):
        key = f"urn:slugline:poison:{number}"
        if partition_of(key, count) == partition:
            yield key.encode()


async def _newest(bootstrap: str, topic: Topic) -> Any | None:
    """The newest record of a topic; None when it holds none."""
    places = [TopicPartition(topic.value, one) for one in range(spec(topic).partitions.local)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, max(0, ends[place] - COPIED_FROM_LAST))
        if not any(ends.values()):
            return None
        found = await consumer.getmany(timeout_ms=2_000)
        return max(chain.from_iterable(found.values()), key=lambda one: one.timestamp, default=None)
    finally:
        await consumer.stop()
