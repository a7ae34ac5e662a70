"""Which way has a story come? Its hops over the topics, in a bounded memory, fed by tails."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from services.monitor.seen import Seen, details_of
from shared.platform.records import Record
from shared.platform.topics import Topic

HOPS: Final = {
    Topic.RECEIVED: "received",
    Topic.RECEIVED_FLASH: "received",
    Topic.INBOX: "enriched",
    Topic.INBOX_FLASH: "enriched",
    Topic.LIFTS: "embargo due",
    Topic.RELEASED: "released",
    Topic.RELEASED_FLASH: "released",
    Topic.DUE: "due",
    Topic.DUE_FLASH: "due",
    Topic.ATTEMPTS: "attempted",
}
"""What a record on a topic means for its story. An inbox also holds decisions, which name themselves."""

FEW: Final = 300  # hops kept of one story: a story to thousands of endpoints is counted, not listed


@dataclass(frozen=True, slots=True)
class Hop:
    """One record of a story; `at` is its timestamp, epoch ms."""

    hop: str
    at: int
    topic: str
    partition: int
    offset: int
    event_id: str
    cause: str | None
    version: int | None
    release_no: int | None
    kind: str | None
    lane: str | None
    details: dict[str, Any]


@dataclass(slots=True)
class Flight:
    """What is known of one story's way; `counts` are of all hops, also of those no longer listed."""

    story_id: str
    hops: deque[Hop] = field(default_factory=lambda: deque(maxlen=FEW))
    counts: Counter[str] = field(default_factory=Counter)
    stage_times: dict[str, int] = field(default_factory=dict)


Watcher = Callable[[str, Hop], None]


class FlightRecorder:
    """Remembers the last `stories` stories that moved; `watchers` are told each hop as it is noted."""

    def __init__(self, stories: int, *watchers: Watcher) -> None:
        self._most = stories
        self._watchers = watchers
        self._flights: OrderedDict[str, Flight] = OrderedDict()

    def note(self, record: Record, seen: Seen) -> None:
        """Take one event that was seen on a topic of HOPS; test events and challenges belong to no story."""
        if not seen.story_id or record.topic not in HOPS:
            return
        hop = _hop(record, seen)
        flight = self._flights.setdefault(seen.story_id, Flight(seen.story_id))
        self._flights.move_to_end(seen.story_id)
        flight.hops.append(hop)
        flight.counts[_counted_as(hop)] += 1
        if sum(seen.stage_times.values()) >= sum(flight.stage_times.values()):
            flight.stage_times = dict(seen.stage_times)
        while len(self._flights) > self._most:
            self._flights.popitem(last=False)
        for watcher in self._watchers:
            watcher(seen.story_id, hop)

    def of(self, story_id: str) -> Flight | None:
        """Return a story's flight, or None when it is unknown or forgotten."""
        return self._flights.get(story_id)

    def __len__(self) -> int:
        return len(self._flights)


def in_order(flight: Flight) -> list[Hop]:
    """The hops by time: tails of different topics are read side by side, in no order."""
    return sorted(flight.hops, key=lambda hop: (hop.at, list(HOPS.values()).index(HOPS[Topic(hop.topic)]), hop.offset))


def _hop(record: Record, seen: Seen) -> Hop:
    decided = seen.type == "desk.decided"
    return Hop(
        hop="decision" if decided else HOPS[record.topic],
        at=record.timestamp_ms,
        topic=record.topic.value,
        partition=record.partition,
        offset=record.offset,
        event_id=seen.event_id,
        cause=seen.cause,
        version=seen.version,
        release_no=seen.release_no,
        kind=seen.kind,
        lane=seen.lane,
        details=details_of(seen),
    )


def _counted_as(hop: Hop) -> str:
    return f"{hop.hop} {hop.details.get('state', '')}".strip()
