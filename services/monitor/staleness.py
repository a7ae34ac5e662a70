"""How old was what left? From acceptance to the release and to a subscriber's 2xx, split into stages."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from services.monitor.measures import STAGE_SECONDS
from services.monitor.seen import Seen
from shared.domain.events import epoch_us
from shared.platform.clock import Clock
from shared.platform.metrics import STALENESS_SECONDS
from shared.platform.records import Record
from shared.platform.topics import Topic

WINDOW: Final = timedelta(minutes=10)
MOST: Final = 10_000  # samples kept per channel and lane
REMEMBERED: Final = 50_000  # releases whose lane is known
SENT_AGAIN: Final = frozenset({"repeat", "release"})  # their text was accepted long before anybody asked for this
PLACED_WITHIN: Final = timedelta(seconds=5)  # the tail may read a delivery before the release that it delivers
FLASH: Final = frozenset({Topic.RELEASED_FLASH, Topic.DUE_FLASH})

Release = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One arrival: seconds in all and per stage; the stages add up to the whole."""

    at: datetime
    total: float
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of some seconds."""

    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class StalenessRow:
    """One row of `GET /v1/ops/staleness`: arrivals of the last `window_s` seconds on one channel and lane.

    `channel` is `released` (on the wire) or `webhook` (a receiver's 2xx); the stream's flush is in the gateway's
    own histogram, `wire_staleness_seconds{channel="stream"}`.
    """

    channel: str
    lane: str
    window_s: float
    count: int
    seconds: Spread
    stages: dict[str, Spread]


class Staleness:
    """Takes releases and attempts, keeps the last ten minutes, and feeds the histograms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: dict[tuple[str, str], deque[Sample]] = defaultdict(lambda: deque(maxlen=MOST))
        self._lanes: OrderedDict[Release, str] = OrderedDict()
        self._unplaced: dict[Release, list[tuple[datetime, Seen]]] = {}

    def note(self, record: Record, seen: Seen) -> None:
        """Take one event; only releases and deliveries that were answered with 2xx count, and no resend."""
        if seen.kind in SENT_AGAIN:
            return
        if seen.type == "story.released":
            lane = "flash" if record.topic in FLASH else "routine"
            self._remember(seen, lane)
            self._add("released", lane, seen.stage_times, seen.stage_times.get("released"))
        elif seen.type == "delivery.attempted" and seen.data.state == "delivered":
            release = (seen.story_id, seen.release_no)
            if lane_known := self._lanes.get(release):
                self._delivered(seen, lane_known)
            else:
                self._unplaced.setdefault(release, []).append((self._clock.now(), seen))

    def settle(self) -> None:
        """Count the deliveries whose release did not come: nobody remembers its lane, it is `unknown`."""
        late = self._clock.now() - PLACED_WITHIN
        for release in [key for key, waiting in self._unplaced.items() if waiting[0][0] <= late]:
            for _, seen in self._unplaced.pop(release):
                self._delivered(seen, "unknown")

    def rows(self) -> list[StalenessRow]:
        """The table as of now, sorted by channel and lane."""
        oldest = self._clock.now() - WINDOW
        kept = {key: [one for one in samples if one.at >= oldest] for key, samples in sorted(self._samples.items())}
        return [_row(*key, samples) for key, samples in kept.items() if samples]

    def _remember(self, seen: Seen, lane: str) -> None:
        release = (seen.story_id, seen.release_no)
        self._lanes[release] = lane
        if len(self._lanes) > REMEMBERED:
            self._lanes.popitem(last=False)
        for _, waiting in self._unplaced.pop(release, ()):
            self._delivered(waiting, lane)

    def _delivered(self, seen: Seen, lane: str) -> None:
        arrived = epoch_us(seen.occurred_at)
        self._add("webhook", lane, {**seen.stage_times, "attempted": arrived}, arrived)

    def _add(self, channel: str, lane: str, times: dict[str, int], arrived_us: int | None) -> None:
        """Count an arrival that is not history: what is read at the start may be an hour old."""
        at = self._clock.now()
        accepted = times.get("accepted")
        if accepted is None or arrived_us is None or arrived_us < epoch_us(at - WINDOW):
            return
        sample = Sample(at, max(0, arrived_us - accepted) / 1e6, split(times, arrived_us))
        self._samples[channel, lane].append(sample)
        STALENESS_SECONDS.labels(channel, lane).observe(sample.total)
        for stage, seconds in sample.stages.items():
            STAGE_SECONDS.labels(stage, lane).observe(seconds)


def split(times: dict[str, int], until_us: int) -> dict[str, float]:
    """Seconds spent before each stage since `accepted`, by stage; `times` are epoch µs.

    >>> split({"accepted": 0, "enriched": 2_000_000, "released": 3_000_000}, 3_000_000)
    {'enriched': 2.0, 'released': 1.0}
    """
    accepted = times.get("accepted", until_us)
    steps = sorted((at, stage) for stage, at in times.items() if accepted <= at <= until_us and stage != "accepted")
    return {stage: (at - before) / 1e6 for (before, _), (at, stage) in pairwise([(accepted, "accepted"), *steps])}


def spread(seconds: Sequence[float]) -> Spread:
    """Percentiles by nearest rank of at least one value."""
    ranked = sorted(seconds)

    def rank(share: float) -> float:
        return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 6)

    return Spread(rank(0.50), rank(0.95), rank(0.99), round(ranked[-1], 6))


def _row(channel: str, lane: str, samples: Sequence[Sample]) -> StalenessRow:
    stages: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        for stage, seconds in sample.stages.items():
            stages[stage].append(seconds)
    return StalenessRow(
        channel,
        lane,
        WINDOW.total_seconds(),
        len(samples),
        spread([sample.total for sample in samples]),
        {stage: spread(seconds) for stage, seconds in stages.items()},
    )
