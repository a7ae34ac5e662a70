"""What became of what was owed? The newest deliveries of every endpoint, from `delivery.attempts`, in memory."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.domain.errors import Unprocessable
from shared.domain.events import DeliveryAttempted, parse_event
from shared.platform.logs import logger
from shared.platform.records import Record

KEPT_PER_ENDPOINT: Final = 1_000
ATTEMPTS_KEPT: Final = 50


@dataclass(slots=True)
class DeliveryLog:
    """One delivery: its newest row and its tries, oldest first. `at` is the time of the newest row."""

    delivery_id: str
    endpoint_id: str
    subscriber: str
    newest: DeliveryAttempted
    tries: list[DeliveryAttempted] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        return self.newest.occurred_at

    @property
    def state(self) -> str:
        """The delivery's state; a story that was given up is `expired`, a test that failed is `failed`."""
        state = self.newest.data.state
        return "expired" if state == "failed" and self.newest.data.kind != "test" else state


class DeliveriesView:
    """Fed by a Tail of `delivery.attempts`; the newest `KEPT_PER_ENDPOINT` deliveries of each endpoint."""

    def __init__(self, kept: int = KEPT_PER_ENDPOINT) -> None:
        self._kept = kept
        self._by_endpoint: dict[str, OrderedDict[str, DeliveryLog]] = {}
        self._by_id: dict[str, DeliveryLog] = {}
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
        return sorted(found, key=lambda log: (log.newest.release_no or 0, log.at))

    def newest(self, endpoint_ids: Iterable[str]) -> list[DeliveryLog]:
        """The deliveries of some endpoints, the newest first."""
        found = [log for each in endpoint_ids for log in self._by_endpoint.get(each, {}).values()]
        return sorted(found, key=lambda log: (log.at, log.delivery_id), reverse=True)

    def _take(self, event: DeliveryAttempted) -> None:
        row = event.data
        log = self._by_id.get(row.delivery_id)
        if log is None:
            log = DeliveryLog(row.delivery_id, row.endpoint_id, row.subscriber, event)
            self._add(log)
        self._by_endpoint[row.endpoint_id].move_to_end(row.delivery_id)
        log.newest = event
        log.subscriber = row.subscriber or log.subscriber
        if row.ms and all(one.event_id != event.event_id for one in log.tries):
            log.tries = [*log.tries, event][-ATTEMPTS_KEPT:]

    def _add(self, log: DeliveryLog) -> None:
        logs = self._by_endpoint.setdefault(log.endpoint_id, OrderedDict())
        logs[log.delivery_id] = self._by_id[log.delivery_id] = log
        self._by_story.setdefault(log.newest.story_id, set()).add(log.delivery_id)
        if len(logs) > self._kept:
            _, oldest = logs.popitem(last=False)
            del self._by_id[oldest.delivery_id]
            of_story = self._by_story[oldest.newest.story_id]
            of_story.discard(oldest.delivery_id)
            if not of_story:
                del self._by_story[oldest.newest.story_id]
