"""Which records could nobody process? The facts of the last dead letters, grouped by cause; never their bytes."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

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


class Place(NamedTuple):
    """Where a dead letter lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Mark(NamedTuple):
    """A point in the list of dead letters, newest first; as text it is the cursor. `at` is epoch ms."""

    at: int
    place: Place

    @classmethod
    def read(cls, cursor: str) -> Self:
        """Read what `__str__` wrote; ValueError for anything else."""
        at, topic, partition, offset = cursor.split("~")
        return cls(int(at), Place(topic, int(partition), int(offset)))

    def __str__(self) -> str:
        return "~".join(str(part) for part in (self.at, *self.place))


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

    @property
    def place(self) -> Place:
        return Place(self.topic, self.partition, self.offset)

    @property
    def mark(self) -> Mark:
        return Mark(self.at, self.place)


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one cause: how many, when the oldest and the newest were parked (epoch ms), and one's words."""

    service: str
    fingerprint: str
    count: int
    oldest: int
    newest: int
    error: str
    reason: str
    from_topic: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are asked for; what is None does not matter. `since` is epoch ms, inclusive."""

    service: str | None = None
    fingerprint: str | None = None
    since: int | None = None

    def holds(self, letter: DeadLetter) -> bool:
        return (
            self.service in (None, letter.service)
            and self.fingerprint in (None, letter.fingerprint)
            and (self.since is None or letter.at >= self.since)
        )


class DeadLetterBook:
    """Holds the newest `most` dead letters of all services."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._letters: OrderedDict[Place, DeadLetter] = OrderedDict()

    def apply(self, record: Record) -> None:
        """Take one record of a `dead.*` topic."""
        letter = letter_of(record)
        self._letters[letter.place] = letter
        if len(self._letters) > self._most:
            self._letters.popitem(last=False)

    def newest(self, wanted: Wanted, limit: int, before: Mark | None = None) -> tuple[list[DeadLetter], Mark | None]:
        """The newest letters first, and the mark behind which the next ones are (None: there are no more)."""
        found = [letter for letter in self._of(wanted) if before is None or letter.mark < before]
        found.sort(key=lambda letter: letter.mark, reverse=True)
        return found[:limit], found[limit - 1].mark if len(found) > limit else None

    def oldest(self, wanted: Wanted) -> list[DeadLetter]:
        """All letters, in the order in which they lay where they came from."""
        return sorted(self._of(wanted), key=lambda one: (one.from_topic or "", one.from_partition or 0, _origin(one)))

    def groups(self, wanted: Wanted) -> list[Group]:
        """What kills: one group per service and cause, the largest first."""
        causes: dict[tuple[str, str], list[DeadLetter]] = {}
        for letter in self._of(wanted):
            causes.setdefault((letter.service, letter.fingerprint), []).append(letter)
        return sorted((_group(letters) for letters in causes.values()), key=lambda one: (-one.count, -one.newest))

    def _of(self, wanted: Wanted) -> Iterator[DeadLetter]:
        return (letter for letter in self._letters.values() if wanted.holds(letter))


def _origin(letter: DeadLetter) -> tuple[int, Mark]:
    return letter.from_offset or 0, letter.mark


def _group(letters: Iterable[DeadLetter]) -> Group:
    *_, newest = by_time = sorted(letters, key=lambda letter: letter.mark)
    return Group(
        service=newest.service,
        fingerprint=newest.fingerprint,
        count=len(by_time),
        oldest=by_time[0].at,
        newest=newest.at,
        error=newest.error,
        reason=newest.reason,
        from_topic=newest.from_topic,
    )


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


def own_headers(record: Record) -> dict[str, str]:
    """The headers that the record had before it was parked, as text whatever their bytes."""
    own = ((name, value) for name, value in record.headers.items() if not name.startswith("dlq-"))
    return {name: value.decode(errors="backslashreplace") for name, value in own}
