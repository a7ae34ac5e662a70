"""What does a record look like once it is off the wire?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.platform.topics import Topic

OVERHEAD = 500  # bytes that Python takes for a record with nothing in it


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record. `timestamp_ms` is the broker's on log-append topics, else the producer's.

    `value` None is a tombstone. A key that is not UTF-8 keeps its bytes as surrogate escapes. Of headers with
    one name the last counts. `size`: bytes of it all, roughly, and of what Python needs to hold it.
    """

    topic: Topic
    partition: int
    offset: int
    key: str | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp_ms: int
    size: int = field(default=0, compare=False)


def read(topic: Topic, raw: Any) -> Record:
    """The record in one of aiokafka's (untyped) consumer records."""
    headers = {key: value or b"" for key, value in raw.headers}
    beside = sum(len(key) + len(value) for key, value in headers.items())
    return Record(
        topic=topic,
        partition=raw.partition,
        offset=raw.offset,
        key=None if raw.key is None else raw.key.decode(errors="surrogateescape"),
        value=raw.value,
        headers=headers,
        timestamp_ms=raw.timestamp,
        size=OVERHEAD + beside + len(raw.key or b"") + len(raw.value or b""),
    )
