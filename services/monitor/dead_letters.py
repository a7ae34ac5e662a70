"""Which records could nobody process? The facts of the last dead letters, grouped by cause; never their bytes."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from shared.platform import parking
from shared.platform.records import Record
from shared.platform.topics import Topic

TOPICS: Final = (
    Topic.DEAD_INGEST,
    Topic.DEAD_ENRICH,
    Topic.DEAD_MODERATION,
    Topic.DEAD_DISTRIBUTION,
    Topic.DEAD_GATEWAY,
)
MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One parked record: where it lies, where it came from (null for what never was a record), and why.

    `at` and `first_seen` are epoch ms; `size` is in bytes. Letters of one cause share their `fingerprint`.
    """

    service: str
    topic: str
    partition: int
    offset: int
    at: int
    key: str | None
    size: int
    error: str
    reason: str
    fingerprint: str
    stage: str
    attempts: int
    first_seen: int | None
    from_topic: str | None
    from_partition: int | None
    from_offset: int | None


class DeadLetterBook:
    """Holds the newest `most` dead letters of all services."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._letters: OrderedDict[tuple[str, int, int], DeadLetter] = OrderedDict()

    def apply(self, record: Record) -> None:
        """Take one record of a `dead.*` topic."""
        letter = letter_of(record)
        self._letters[letter.topic, letter.partition, letter.offset] = letter
        if len(self._letters) > self._most:
            self._letters.popitem(last=False)

    def newest(
        self, *, service: str | None = None, fingerprint: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """The newest letters first, of one service or one cause if asked."""
        wanted = [
            letter
            for letter in self._letters.values()
            if service in (None, letter.service) and fingerprint in (None, letter.fingerprint)
        ]
        return sorted(wanted, key=lambda letter: letter.at, reverse=True)[:limit]


def letter_of(record: Record) -> DeadLetter:
    """Read the facts off a dead letter's headers; a header that is missing is empty or null."""

    def text(header: str) -> str:
        return record.headers.get(header, b"").decode(errors="replace")

    def number(header: str) -> int | None:
        told = text(header)
        return int(told) if told.isascii() and told.isdigit() else None

    return DeadLetter(
        service=record.topic.value.removeprefix("wire.dead.").removesuffix(".v1"),
        topic=record.topic.value,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp_ms,
        key=record.key,
        size=len(record.value or b""),
        error=text(parking.ERROR),
        reason=text(parking.REASON),
        fingerprint=text(parking.FINGERPRINT),
        stage=text(parking.STAGE),
        attempts=number(parking.ATTEMPTS) or 1,
        first_seen=number(parking.FIRST_SEEN),
        from_topic=text(parking.ORIGIN_TOPIC) or None,
        from_partition=number(parking.ORIGIN_PARTITION),
        from_offset=number(parking.ORIGIN_OFFSET),
    )
