"""What is a story waiting for: a process, a human, the clock, or an endpoint? And since when?"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from services.monitor.flights import Hop
from services.monitor.ports import Committed
from shared.domain.events import epoch_us
from shared.domain.state import Stage, StoryState
from shared.platform.logs import logger
from shared.platform.provisioning import GROUPS
from shared.platform.records import Record

WaitingFor = Literal["process", "human", "clock", "endpoint"]

FOLLOWED: Final = {topic.value: group for group, topics in GROUPS.items() for topic in topics if group != "views"}
"""Who takes a story further from a topic; the views only show it."""
STAGES: Final = {"enrich-flash": "enrich", "enrich-routine": "enrich"}
MOST: Final = 100_000
AT_REST: Final = frozenset({"delivered", "superseded", "killed", "expired", "filtered", "failed"})


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing a story waits for; `since` in epoch ms, the place where its record lies if it lies on a topic."""

    story_id: str
    version: int | None
    stage: str
    since: int
    waiting_for: WaitingFor
    why: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


class InHand:
    """Records behind which no commit has gone yet: whoever should take them has not finished."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], deque[tuple[str, Hop]]] = {}
        self._passed: Committed = {}

    def note(self, story_id: str, hop: Hop) -> None:
        """Take one hop; hops of one partition come in order."""
        at = (hop.topic, hop.partition)
        if hop.topic in FOLLOWED and hop.offset >= self._passed.get(at, 0):
            self._waiting.setdefault(at, deque(maxlen=MOST)).append((story_id, hop))

    def passed(self, committed: Committed) -> None:
        """Forget what lies before the commits."""
        self._passed = committed
        for at, hops in self._waiting.items():
            while hops and hops[0][1].offset < committed.get(at, 0):
                hops.popleft()

    def waits(self) -> Iterator[Wait]:
        for (topic, partition), hops in self._waiting.items():
            group = FOLLOWED[topic]
            done = self._passed.get((topic, partition), 0)
            for story_id, hop in hops:
                yield Wait(
                    story_id,
                    hop.version,
                    STAGES.get(group, group),
                    hop.at,
                    "process",
                    f"{group} has committed {done} here and has not finished this record",
                    topic,
                    partition,
                    hop.offset,
                )


class AtTheDesk:
    """Versions that wait for a human or for their embargo, as `story.state` says."""

    def __init__(self) -> None:
        self._waits: dict[str, list[Wait]] = {}

    def apply(self, record: Record) -> None:
        """Take one record of `story.state`; an unreadable one is logged and left out."""
        story_id = record.key or ""
        self._waits.pop(story_id, None)
        if record.value is None:
            return
        try:
            state = StoryState.model_validate_json(record.value)
        except ValidationError:
            logger().error("state.unreadable", story_id=story_id, offset=record.offset)
            return
        if waits := list(_desk_waits(state, record)):
            self._waits[story_id] = waits

    def waits(self) -> Iterator[Wait]:
        for waits in self._waits.values():
            yield from waits

    def of(self, story_id: str) -> list[Wait]:
        return self._waits.get(story_id, [])


class Retried:
    """Deliveries that failed and will be tried again, by what the delivery log says."""

    def __init__(self) -> None:
        self._waits: OrderedDict[str, Wait] = OrderedDict()

    def note(self, story_id: str, hop: Hop) -> None:
        """Take one hop; anything but an attempt is passed over."""
        delivery_id, state = hop.details.get("delivery_id"), hop.details.get("state")
        if delivery_id is None or hop.hop != "attempted":
            return
        known = self._waits.pop(delivery_id, None)
        if state in AT_REST:
            return
        since = known.since if known else hop.at
        self._waits[delivery_id] = Wait(
            story_id,
            hop.version,
            "delivery",
            since,
            "endpoint",
            _failed(hop.details),
            hop.topic,
            hop.partition,
            hop.offset,
        )
        while len(self._waits) > MOST:
            self._waits.popitem(last=False)

    def waits(self) -> Iterator[Wait]:
        yield from self._waits.values()


def _failed(details: dict[str, Any]) -> str:
    answer = details.get("status") or details.get("outcome", "no answer")
    again = f"; next at {details['next_attempt_at']}" if "next_attempt_at" in details else ""
    return f"{details.get('endpoint_id')} failed try {details.get('n')} ({answer}){again}"


def _desk_waits(state: StoryState, record: Record) -> Iterator[Wait]:
    if state.killed:
        return
    place = (record.topic.value, record.partition, record.offset)
    for version in state.versions.values():
        if version.stage is Stage.HELD:
            why = f"held: {version.reason or version.queue or 'no reason given'}"
            yield Wait(state.story_id, version.version, "desk", version.since // 1000, "human", why, *place)
        elif version.stage is Stage.EMBARGOED:
            why = f"embargoed until {version.embargo_until.isoformat() if version.embargo_until else 'released'}"
            yield Wait(state.story_id, version.version, "embargo", version.since // 1000, "clock", why, *place)
    if state.pending:
        asked = epoch_us(state.pending.asked_at) // 1000
        yield Wait(state.story_id, None, "desk", asked, "human", "a kill waits for its second person", *place)
