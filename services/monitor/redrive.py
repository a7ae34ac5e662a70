"""How does a dead letter go back to where it came from? Once, whole, at a measured pace, and the audit knows it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.monitor.dead_letters import DeadLetter, DeadLetterBook, Place, Wanted, letter_of
from services.monitor.pacing import Pace
from services.monitor.ports import DeadReader, Sending
from services.monitor.redriven import ACTION, Redriven
from shared.domain.errors import Refusal
from shared.domain.events import derived_id
from shared.platform import parking
from shared.platform.audit import Audit
from shared.platform.provisioning import readers
from shared.platform.publishing import Headers
from shared.platform.records import Record
from shared.platform.topics import Topic

TAKEN_FROM: Final = frozenset(reader.topic for reader in readers())
"""Where a consumer takes records from. Elsewhere the newest record of a key counts: an old one would replace it."""
LONGEST_S: Final = 12.0
CARRIED: Final = (parking.ATTEMPTS, parking.FIRST_SEEN)


class NoWayBack(Refusal):
    """The dead letter cannot be redriven, now or ever; the words say what to do instead."""


class Outcome(StrEnum):
    """What became of one letter that was to be redriven."""

    REDRIVEN = "redriven"
    ALREADY = "already"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Redrive:
    """One letter's redrive: where the record went, and the id that the audit knows it by (null unless redriven)."""

    place: Place
    outcome: Outcome
    redrive_id: str | None = None
    to_topic: str | None = None
    to_partition: int | None = None
    to_offset: int | None = None


class Redriver:
    """Sends dead letters back, one request at a time.

    The audit's entry follows the confirmed record: a crash between them leaves a letter that may be redriven once
    more, which the readers of its topic pass over by the record's event id.
    """

    def __init__(
        self,
        book: DeadLetterBook,
        redriven: Redriven,
        reader: DeadReader,
        sender: Sending,
        audit: Audit,
        pace: Pace,
        loaded: Callable[[], bool],
    ) -> None:
        """`loaded` says whether `book` and `redriven` know all that was there at the start."""
        self._book = book
        self._redriven = redriven
        self._reader = reader
        self._sender = sender
        self._audit = audit
        self._pace = pace
        self._loaded = loaded
        self._turn = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether it is known what has been redriven before; nothing may be redriven until then."""
        return self._loaded()

    async def one(self, place: Place, actor: str, *, again: bool, rate: float) -> Redrive:
        """Redrive one letter; repeated without `again` it does nothing. Raises NoWayBack, Unreadable, PublishError."""
        async with self._turn:
            await self._audit.settle()
            return await self._redrive(place, actor, again, rate)

    async def cause(
        self, wanted: Wanted, actor: str, *, again: bool, limit: int, rate: float
    ) -> tuple[list[Redrive], int]:
        """Redrive up to `limit` letters of one cause, in the order in which they came, for LONGEST_S at most.

        Returns what was done and how many letters are left that have not gone back. Raises as `one`; what was redriven
        by then is in the audit, so the request may be repeated.
        """
        async with self._turn:
            await self._audit.settle()
            waiting = [one for one in self._book.oldest(wanted) if again or not self._redriven.times(one.place)]
            waiting.sort(key=lambda letter: self._redriven.times(letter.place))  # so that `again` gets to the end too
            now = waiting[: max(1, min(limit, int(rate * LONGEST_S)))]
            done = [await self._redrive(letter.place, actor, again, rate) for letter in now]
            return done, len(waiting) - len(done)

    async def _redrive(self, place: Place, actor: str, again: bool, rate: float) -> Redrive:
        times = self._redriven.times(place)
        if times and not again:
            return Redrive(place, Outcome.ALREADY)
        record = await self._reader.read_one(Topic(place.topic), place.partition, place.offset)
        if record is None:
            return Redrive(place, Outcome.GONE)
        letter = letter_of(record)
        topic = way_back(letter)
        await self._pace.turn(rate)
        sent = await self._sender.publish(
            topic, record.key or "", record.value, headers_back(record), partition=letter.from_partition
        )
        redrive_id = derived_id("redrive", place.topic, str(place.partition), str(place.offset), str(times))
        self._redriven.note(place, redrive_id)
        redrive = Redrive(place, Outcome.REDRIVEN, redrive_id, sent.topic.value, sent.partition, sent.offset)
        await self._enter(actor, letter, redrive)
        return redrive

    async def _enter(self, actor: str, letter: DeadLetter, redrive: Redrive) -> None:
        await self._audit.enter(
            actor,
            ACTION,
            str(letter.place),
            **letter.place._asdict(),
            redrive_id=redrive.redrive_id,
            fingerprint=letter.fingerprint,
            attempts=letter.attempts,
            to_topic=redrive.to_topic,
            to_partition=redrive.to_partition,
            to_offset=redrive.to_offset,
        )


def way_back(letter: DeadLetter) -> Topic:
    """Return the topic the record came from; NoWayBack where it cannot or must not go back."""
    if letter.from_topic is None:
        raise NoWayBack(f"{letter.place} never was a record: file it again.")
    try:
        topic = Topic(letter.from_topic)
    except ValueError:
        raise NoWayBack(f"{letter.place} came from {letter.from_topic}, which this wire does not have.") from None
    if topic not in TAKEN_FROM:
        raise NoWayBack(f"{letter.place} came from {topic}, where an old record would replace a newer one.")
    return topic


def headers_back(record: Record) -> Headers:
    """The record's own headers, with how often it was parked and since when: its next parking counts on."""
    return [(name, value) for name, value in record.headers.items() if name in CARRIED or not name.startswith("dlq-")]
