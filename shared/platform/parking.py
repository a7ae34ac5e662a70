"""Where does a record go that can never succeed? To a dead-letter topic, with its bytes, the reason and a way back."""

import hashlib
import time
from collections import deque
from collections.abc import Callable

from shared.domain.errors import Unprocessable
from shared.platform.metrics import RECORDS_PARKED
from shared.platform.publishing import Appended, Headers, Publisher
from shared.platform.records import Record
from shared.platform.topics import Topic

LONGEST_REASON = 1_000  # characters; the rest is in the bytes

# Header names; their values are UTF-8 text.
ORIGIN_TOPIC = "dlq-topic"
ORIGIN_PARTITION = "dlq-partition"
ORIGIN_OFFSET = "dlq-offset"
ERROR = "dlq-error"
REASON = "dlq-reason"
FINGERPRINT = "dlq-fingerprint"
STAGE = "dlq-stage"
ATTEMPTS = "dlq-attempts"
FIRST_SEEN = "dlq-first-seen"


class DeadLetters:
    """Parks records on `dead.<service>`: the original key, bytes and headers, with the facts in `dlq-` headers."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._service = service
        self._topic = Topic(f"wire.dead.{service}.v1")

    async def park(self, record: Record, error: Unprocessable, stage: str = "") -> Appended:
        """Park a record and return where it is, once that is confirmed; may be repeated after a crash.

        `stage` says which step refused it (default: the service). A record that was redriven keeps the time
        it was first seen, and counts its attempts. Raises what `Publisher.publish` raises.
        """
        facts = {
            ORIGIN_TOPIC: record.topic.value,
            ORIGIN_PARTITION: str(record.partition),
            ORIGIN_OFFSET: str(record.offset),
            ATTEMPTS: str(_attempts(record) + 1),
            FIRST_SEEN: record.headers[FIRST_SEEN].decode() if FIRST_SEEN in record.headers else str(_now_ms()),
        }
        others = [(key, value) for key, value in record.headers.items() if not key.startswith("dlq-")]
        return await self._append(record.key or "", record.value, error, stage, facts, others, record.topic.value)

    async def park_bytes(
        self, key: str, value: bytes, error: Unprocessable, stage: str = "", headers: Headers = ()
    ) -> Appended:
        """Park bytes that never were a record (ingest's quarantine); `key` is whatever finds them again.

        Raises what `Publisher.publish` raises.
        """
        facts = {ATTEMPTS: "1", FIRST_SEEN: str(_now_ms())}
        return await self._append(key, value, error, stage, facts, list(headers), "")

    async def _append(
        self,
        key: str,
        value: bytes | None,
        error: Unprocessable,
        stage: str,
        facts: dict[str, str],
        others: list[tuple[str, bytes]],
        origin: str,
    ) -> Appended:
        reason = str(error)[:LONGEST_REASON]
        kind = type(error).__name__
        facts |= {
            ERROR: kind,
            REASON: reason,
            FINGERPRINT: fingerprint(origin, kind, reason),
            STAGE: stage or self._service,
        }
        headers = others + [(name, fact.encode("utf-8", "backslashreplace")) for name, fact in facts.items()]
        appended = await self._publisher.publish(self._topic, key, value, headers)
        RECORDS_PARKED.labels(self._service, origin, kind).inc()
        return appended


class TooManyParked(Exception):
    """So many records cannot be processed that something else must be wrong; a person should look."""


class ParkingBudget:
    """How many records may be parked within any minute before somebody must look."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._parked_at: deque[float] = deque()

    def check(self, error: Unprocessable) -> None:
        """TooManyParked when the record that failed with `error` may not be parked any more."""
        while self._parked_at and self._parked_at[0] <= self._monotonic() - 60:
            self._parked_at.popleft()
        if len(self._parked_at) >= self._per_minute:
            raise TooManyParked(
                f"{self._per_minute} records were parked within a minute and the next one fails with "
                f"{type(error).__name__}: look at the dead letters, then start again"
            ) from error

    def spend(self) -> None:
        """A record has been parked."""
        self._parked_at.append(self._monotonic())


def fingerprint(origin: str, kind: str, reason: str) -> str:
    """The same for records that failed for the same cause: digits in the reason do not count. 16 hex digits."""
    cause = "".join("#" if letter.isdigit() else letter for letter in reason)
    while "##" in cause:
        cause = cause.replace("##", "#")
    return hashlib.sha256("\n".join((origin, kind, cause)).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _attempts(record: Record) -> int:
    """How often the record was parked before; what cannot be read counts as never."""
    told = record.headers.get(ATTEMPTS, b"0")
    return int(told) if told.isdigit() else 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
