"""What is an endpoint owed that nobody holds for it, and what does a successor have to know of that?

Pure: a position in each released lane, and single releases before it. A release may pass on the strength of it only
once the record that says so is confirmed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from shared.domain.health import CatchUp, Loose, Why
from shared.domain.item import Item
from shared.domain.story import NOTICES, Lane

LANES: Final = (Lane.FLASH, Lane.ROUTINE)
MOST_LOOSE: Final = 500
"""So many single releases cost some 30 KB in the record; beyond that the position goes back to the oldest of them."""


class Place(NamedTuple):
    """Where a release lies."""

    lane: Lane
    offset: int


@dataclass(slots=True)
class Detour:
    """One endpoint's. All that it is owed from `position` on is to be read still, and every `loose` one is unanswered.

    `in_hand`: those of the loose ones that were read and given to the queues. `until`: the reader goes so far in each
    lane. `folds`: whatever comes out of a queue or a tier goes back to here; otherwise only what has not been queued.
    """

    why: Why
    since: datetime
    position: dict[Lane, int] = field(default_factory=dict)
    loose: dict[Lane, dict[int, Loose]] = field(default_factory=lambda: {lane: {} for lane in LANES})
    until: dict[Lane, int] = field(default_factory=dict)
    in_hand: set[Place] = field(default_factory=set)
    probe: Place | None = None
    reading: bool = False
    reading_since: datetime | None = None
    folds: bool = True
    resume_at: datetime | None = None
    retired_at: datetime | None = None
    oldest: datetime = field(init=False)
    _claimed: dict[Lane, int] = field(default_factory=dict)
    _answered_since: datetime | None = None
    """From when on something may have been answered that lies where the reader has not come yet."""
    _answered_until: dict[Lane, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.oldest = self.since

    @classmethod
    def read_back(cls, record: CatchUp, ends: dict[Lane, int]) -> "Detour":
        """Go on with what an owner before this one has written; `ends`: where the lanes end now."""
        detour = cls(record.why, record.since, dict(record.position), until=dict(ends))
        for lane, left in record.loose.items():
            detour.loose[lane] = {each.offset: each for each in left}
        if record.answered_since is not None:
            detour._answered_since, detour._answered_until = record.answered_since, dict(ends)
        return detour

    def lets_past(self, item: Item) -> bool:
        """Notices never stand behind a catch-up, nor does breaking news behind a burst; if the endpoint is there."""
        return item.kind in NOTICES or (self.why in {"burst", "slow"} and item.lane is Lane.FLASH)

    def take(self, place: Place, *, fresh: bool) -> bool:
        """Owe a release that has just been matched, if the reader comes there; tell whether it does.

        `fresh`: nothing behind it in its lane has been handed out yet.
        """
        position = self.position.get(place.lane)
        if position is None and fresh:
            position = self.position[place.lane] = place.offset
        if position is None or place.offset < max(position, self._claimed.get(place.lane, 0)):
            return False
        self.until[place.lane] = max(self.until.get(place.lane, 0), place.offset + 1)
        return True

    @property
    def is_full(self) -> bool:
        """Whether no more of those may come that have been tried: their tries are known here alone."""
        return sum(1 for lane in LANES for each in self.loose[lane].values() if each.attempts) >= MOST_LOOSE

    def fold(self, place: Place, released_at: datetime, attempts: int = 0, first: datetime | None = None) -> None:
        """Owe one that somebody held until now, or that has failed `attempts` times, the `first` time then."""
        self.oldest = min(self.oldest, released_at)
        position = self.position.get(place.lane)
        if not attempts and position is not None and place.offset >= position:
            return
        known = self.loose[place.lane].get(place.offset)
        if known is None or known.attempts < attempts:
            loose = Loose(offset=place.offset, attempts=attempts, first_failed_at=first)
            self.loose[place.lane][place.offset] = loose
        self._keep_small(place.lane)

    def claim(self, lane: Lane, end: int) -> None:
        """The reader judges what lies before `end` now; whatever is matched of that from here on it may miss."""
        self._claimed[lane] = end

    def pass_by(self, lane: Lane, end: int) -> None:
        """The reader has come to `end`; what it handed out on the way is loose."""
        if lane in self.position:
            self.position[lane] = max(self.position[lane], end)

    def hand_out(self, place: Place) -> None:
        """It is given to a queue, and unanswered until `answered`."""
        self.loose[place.lane].setdefault(place.offset, Loose(offset=place.offset))
        self.in_hand.add(place)

    def answered(self, place: Place) -> None:
        """It is answered, ended, or durably somewhere else."""
        self.loose[place.lane].pop(place.offset, None)
        self.give_back(place)

    def give_back(self, place: Place) -> None:
        """It was not sent; it is unanswered still."""
        self.in_hand.discard(place)
        if self.probe == place:
            self.probe = None

    def directly(self, place: Place, now: datetime) -> None:
        """It goes its own way past this, though it may lie where the reader comes yet."""
        self._answered_since = self._answered_since or now
        self._answered_until[place.lane] = max(self._answered_until.get(place.lane, 0), place.offset + 1)

    def owes(self, place: Place) -> bool:
        """Whether it is unanswered, as far as is known here."""
        position = self.position.get(place.lane)
        return place.offset in self.loose[place.lane] or (position is not None and place.offset >= position)

    def waiting(self, lane: Lane) -> list[Loose]:
        """The loose ones of a lane that nobody has in hand, oldest first."""
        loose = self.loose[lane]
        return [loose[offset] for offset in sorted(loose) if Place(lane, offset) not in self.in_hand]

    def has_ahead(self, lane: Lane) -> bool:
        """Whether the reader has to read on in a lane."""
        return lane in self.position and self.position[lane] < self.until.get(lane, 0)

    def ends(self, lane: Lane) -> int:
        """The place behind the last release that is owed in a lane, as far as is known."""
        return max(self.until.get(lane, 0), *(offset + 1 for offset in self.loose[lane]), self.position.get(lane, 0))

    @property
    def is_over(self) -> bool:
        """Whether everything was read and answered."""
        return not any(self.loose.values()) and not any(map(self.has_ahead, LANES))

    def record(self, now: datetime) -> CatchUp:
        """Return what a successor has to know: exact at this moment.

        While it is being read, something may be answered from now on; what went past it directly was since then.
        """
        if self._answered_since and not any(
            self.position.get(lane, 0) < until for lane, until in self._answered_until.items()
        ):
            self._answered_since, self._answered_until = None, {}
        return CatchUp(
            why=self.why,
            since=self.since,
            position=dict(self.position),
            loose={lane: tuple(self._sorted(lane)) for lane in LANES if self.loose[lane]},
            answered_since=self._answered_since or (now if self.reading or self.in_hand else None),
        )

    def _sorted(self, lane: Lane) -> Iterable[Loose]:
        return (self.loose[lane][offset] for offset in sorted(self.loose[lane]))

    def _keep_small(self, lane: Lane) -> None:
        """Too many single ones become a position; what lies behind the oldest of them may be answered already."""
        loose = self.loose[lane]
        if len(loose) <= MOST_LOOSE:
            return
        kept = {offset: each for offset, each in loose.items() if each.attempts or Place(lane, offset) in self.in_hand}
        untried = loose.keys() - kept.keys()
        if not untried:
            return
        end = max(self.until.get(lane, 0), self.position.get(lane, 0), max(loose) + 1)
        self._answered_since = min(self._answered_since or self.oldest, self.oldest)
        self._answered_until[lane] = self.until[lane] = end
        self.position[lane] = min(untried)
        self.loose[lane] = kept


def is_covered(place: Place, attempts: int, record: CatchUp | None) -> bool:
    """Tell whether a confirmed record owes a release, and its tries so far."""
    if record is None:
        return False
    found = next((each for each in record.loose.get(place.lane, ()) if each.offset == place.offset), None)
    if found is not None:
        return found.attempts >= attempts
    position = record.position.get(place.lane)
    return not attempts and position is not None and place.offset >= position
