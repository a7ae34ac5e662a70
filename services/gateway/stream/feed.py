"""What came off the topics? Records become entries of the ring, and what the gate must know."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from services.gateway.stream.frames import LANE_OF, Entry, entry_of
from services.gateway.stream.gate import Gate
from services.gateway.stream.positions import Position
from services.gateway.stream.ring import Ring
from shared.domain.errors import Unprocessable
from shared.domain.state import KillRecord, StoryState
from shared.domain.story import Kind, Lane
from shared.platform.logs import logger
from shared.platform.records import Record
from shared.platform.topics import Topic


class _Placed(NamedTuple):
    """As much of a past flash as the gate asks for."""

    lane: Lane
    offset: int
    story_id: str
    release_no: int
    kind: Kind


class Feed:
    """Fills a ring and its gate. Repeated records change nothing; unreadable ones are logged and passed over."""

    def __init__(self, ring: Ring, gate: Gate) -> None:
        self._ring = ring
        self._gate = gate
        self._begun: set[Lane] = set()

    def know(self, record: Record) -> None:
        """Take a record of `story.state` or `story.killed` for the gate."""
        if record.value is None:
            return
        try:
            if record.topic is Topic.KILLED:
                self._gate.know_kill(KillRecord.model_validate_json(record.value))
            else:
                self._gate.know_state(StoryState.model_validate_json(record.value))
        except ValueError as error:
            self._unreadable(record, type(error).__name__)

    def place(self, record: Record) -> None:
        """Tell the gate where a past flash lies; the ring is left alone."""
        try:
            event = orjson.loads(record.value or b"")
            item = event["data"]["item"]
            placed = _Placed(
                Lane.FLASH, record.offset, str(event["story_id"]), int(item["release_no"]), Kind(item["kind"])
            )
        except (ValueError, KeyError, TypeError):
            return  # told when it comes by on its way into the ring, or long gone
        self._gate.note(placed)

    def take(self, record: Record) -> Entry | None:
        """Put a record of a released topic into gate and ring; None for one that adds nothing."""
        lane = LANE_OF[record.topic]
        self._begin(lane, record.offset)
        if record.offset < self._ring.head.of(lane):
            return None
        try:
            entry = entry_of(record)
        except Unprocessable as error:
            self._unreadable(record, str(error))
            self._ring.skip(lane, record.offset)
            return None
        self._gate.note(entry)
        self._ring.append(entry)
        return entry

    def reach(self, ends: Mapping[Lane, int]) -> None:
        """All is read up to these ends: a lane of which nothing came begins at its end."""
        for lane, end in ends.items():
            self._begin(lane, end)

    def evict(self) -> None:
        """Let go of what the ring has no room for, and of what the gate knew of it."""
        self._ring.evict(time.time() * 1000)
        self._gate.forget(Position(0, self._ring.floor.routine))

    def _begin(self, lane: Lane, offset: int) -> None:
        if lane not in self._begun:
            self._begun.add(lane)
            self._ring.begin(lane, offset)

    def _unreadable(self, record: Record, reason: str) -> None:
        logger().error("stream.unreadable", topic=record.topic, offset=record.offset, reason=reason)
