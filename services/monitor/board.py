"""What does monitor know? Everything the routes answer from, fed by the tails and the lag reader."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from services.monitor.dead_letters import DeadLetterBook
from services.monitor.flights import HOPS, Flight, FlightRecorder
from services.monitor.ports import Committed
from services.monitor.seen import glance
from services.monitor.staleness import Staleness
from services.monitor.waiting import AtTheDesk, InHand, Retried, Wait
from shared.platform.clock import Clock
from shared.platform.records import Record

FOLLOWED_TOPICS: Final = tuple(HOPS)


class Board:
    """The memory of monitor: nothing in it is needed by anybody else, all of it is read again after a start."""

    def __init__(self, clock: Clock, stories: int) -> None:
        self._clock = clock
        self._in_hand = InHand()
        self._retried = Retried()
        self.desk = AtTheDesk()
        self.staleness = Staleness(clock)
        self.dead = DeadLetterBook()
        self.flights = FlightRecorder(stories, self._in_hand.note, self._retried.note)

    def see(self, record: Record) -> None:
        """Take one record of FOLLOWED_TOPICS; what is no event is left to those who act on it."""
        if seen := glance(record):
            self.staleness.note(record, seen)
            self.flights.note(record, seen)

    def passed(self, committed: Committed) -> None:
        """Our readers have committed that far; told after each reading of the lag."""
        self._in_hand.passed(committed)
        self.staleness.settle()

    def flight(self, story_id: str) -> tuple[Flight, list[Wait]] | None:
        """Return a story's flight and what it waits for, or None when nothing is remembered of it."""
        flight = self.flights.of(story_id)
        waits = [wait for wait in self._waits() if wait.story_id == story_id]
        if flight is None and not waits:
            return None
        return flight or Flight(story_id), waits

    def stuck(self, longer_than: timedelta, stage: str | None) -> list[Wait]:
        """Everything that has waited for longer, the longest first."""
        before = (self._clock.now() - longer_than).timestamp() * 1000
        found = [wait for wait in self._waits() if wait.since <= before and stage in (None, wait.stage)]
        return sorted(found, key=lambda wait: wait.since)

    def _waits(self) -> Iterator[Wait]:
        yield from self._in_hand.waits()
        yield from self.desk.waits()
        yield from self._retried.waits()
