"""What became of what was owed? The newest deliveries of every endpoint, from `delivery.attempts`, in memory."""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Final, NamedTuple

from shared.domain.errors import Unprocessable
from shared.domain.events import DeliveryAttempted, parse_event
from shared.platform.logs import logger
from shared.platform.records import Record

KEPT_PER_ENDPOINT: Final = 1_000
KEPT_IN_ALL: Final = 100_000
"""About 300 MB at worst: 2 KB each, and the first KiB of the receiver's own answer."""
ATTEMPTS_KEPT: Final = 50


class Split(NamedTuple):
    """Milliseconds of one try, by step; None for a step that did not happen."""

    dns: float | None
    connect: float | None
    tls: float | None
    first_byte: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class Try:
    """One finished try."""

    n: int
    at: datetime
    status: int | None
    outcome: str
    ms: Split
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryLog:
    """One delivery: what its newest row says, and its tries, oldest first. `at` is the time of the newest row.

    `row_state` is the row's own word and `n` the number of tries made; `event_id` is the row's.
    """

    delivery_id: str
    endpoint_id: str
    subscriber: str
    story_id: str
    version: int | None
    release_no: int | None
    kind: str
    row_state: str
    outcome: str
    n: int
    at: datetime
    next_attempt_at: datetime | None
    event_id: str
    tries: tuple[Try, ...] = ()

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in lists, which begin with the largest."""
        return self.at, self.delivery_id

    @property
    def state(self) -> str:
        """In the interface's words: put off without a try is `pending`, given up is `expired`; only a test `failed`."""
        if self.row_state == "retrying" and self.n == 0:
            return "pending"
        return "expired" if self.row_state == "failed" and self.kind != "test" else self.row_state


class DeliveriesView:
    """Fed by a Tail of `delivery.attempts`.

    Keeps the newest `kept` deliveries of each endpoint, and of all endpoints together the `in_all` that had a row last:
    who gets much pushes out its own first.
    """

    def __init__(self, kept: int = KEPT_PER_ENDPOINT, in_all: int = KEPT_IN_ALL) -> None:
        self._kept = kept
        self._in_all = in_all
        self._by_endpoint: dict[str, OrderedDict[str, DeliveryLog]] = {}
        self._by_id: OrderedDict[str, DeliveryLog] = OrderedDict()
        self._by_story: dict[str, set[str]] = {}

    def apply(self, record: Record) -> None:
        """Take one row; what is no attempt is logged and passed over. A repeated row changes nothing."""
        try:
            event = parse_event(record.value)
        except Unprocessable as error:
            logger().error("attempt.unreadable", offset=record.offset, error=type(error).__name__)
            return
        if isinstance(event, DeliveryAttempted) and event.data.kind != "challenge":
            self._take(event)

    def get(self, delivery_id: str) -> DeliveryLog | None:
        return self._by_id.get(delivery_id)

    def of_story(self, story_id: str) -> list[DeliveryLog]:
        """What is known of one story's deliveries, by release."""
        found = (self._by_id[each] for each in self._by_story.get(story_id, ()))
        return sorted(found, key=lambda log: (log.release_no or 0, log.at))

    def newest(self, endpoint_ids: Iterable[str], story_id: str | None = None) -> Iterator[DeliveryLog]:
        """The deliveries of some endpoints, of one story if it is named, the newest first; taken as far as read."""
        if story_id is not None:
            wanted = set(endpoint_ids)
            found = (log for log in self.of_story(story_id) if log.endpoint_id in wanted)
            return iter(sorted(found, key=lambda log: log.place, reverse=True))
        each = (self._of_endpoint(endpoint_id) for endpoint_id in endpoint_ids)
        return heapq.merge(*each, key=lambda log: log.place, reverse=True)

    def _of_endpoint(self, endpoint_id: str) -> list[DeliveryLog]:
        """Nearly in order as they lie, so that sorting is one pass: rows come by time, but for clocks."""
        logs = self._by_endpoint.get(endpoint_id)
        return [] if logs is None else sorted(logs.values(), key=lambda log: log.place, reverse=True)

    def _take(self, event: DeliveryAttempted) -> None:
        before = self._by_id.get(event.data.delivery_id)
        log = _log_of(event, before)
        if before is None:
            self._add(log)
        logs = self._by_endpoint[log.endpoint_id]
        logs[log.delivery_id] = self._by_id[log.delivery_id] = log
        logs.move_to_end(log.delivery_id)
        self._by_id.move_to_end(log.delivery_id)

    def _add(self, log: DeliveryLog) -> None:
        logs = self._by_endpoint.setdefault(log.endpoint_id, OrderedDict())
        logs[log.delivery_id] = self._by_id[log.delivery_id] = log
        self._by_story.setdefault(log.story_id, set()).add(log.delivery_id)
        if len(logs) > self._kept:
            self._forget(next(iter(logs.values())))
        if len(self._by_id) > self._in_all:
            self._forget(next(iter(self._by_id.values())))

    def _forget(self, log: DeliveryLog) -> None:
        del self._by_id[log.delivery_id]
        logs, of_story = self._by_endpoint[log.endpoint_id], self._by_story[log.story_id]
        del logs[log.delivery_id]
        if not logs:
            del self._by_endpoint[log.endpoint_id]
        of_story.discard(log.delivery_id)
        if not of_story:
            del self._by_story[log.story_id]


def _log_of(event: DeliveryAttempted, before: DeliveryLog | None) -> DeliveryLog:
    """The delivery with one row more; a row that came before adds no try."""
    row, tries = event.data, before.tries if before else ()
    if row.ms and all((one.n, one.at) != (row.n, event.occurred_at) for one in tries):
        split = Split(*(row.ms.get(step) for step in Split._fields))
        tries = (*tries, Try(row.n, event.occurred_at, row.status, row.outcome, split, row.answer))[-ATTEMPTS_KEPT:]
    return DeliveryLog(
        delivery_id=row.delivery_id,
        endpoint_id=intern(row.endpoint_id),
        subscriber=intern(row.subscriber or (before.subscriber if before else "")),
        story_id=event.story_id,
        version=event.version,
        release_no=event.release_no,
        kind=row.kind,
        row_state=row.state,
        outcome=row.outcome,
        n=row.n,
        at=event.occurred_at,
        next_attempt_at=row.next_attempt_at,
        event_id=event.event_id,
        tries=tries,
    )
