"""Which releases are at hand in memory, and from which offset on is that all there is?"""

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from services.gateway.stream.frames import Entry
from services.gateway.stream.positions import LANES, Position
from shared.domain.story import Lane

_OVERHEAD: Final = 1024  # bytes of an entry beside its item, about
_TRIM: Final = 512  # evicted entries after which a lane's list is cut
_offset = attrgetter("offset")


class _Lane:
    """The entries of one lane, ascending; the first `gone` of the list are evicted already."""

    __slots__ = ("entries", "floor", "gone", "head")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.gone = 0
        self.floor = 0
        self.head = 0

    def oldest(self) -> Entry | None:
        return self.entries[self.gone] if self.gone < len(self.entries) else None

    def drop_oldest(self) -> Entry:
        entry = self.entries[self.gone]
        self.gone += 1
        self.floor = entry.offset + 1
        if self.gone >= _TRIM:
            del self.entries[: self.gone]
            self.gone = 0
        return entry


class Ring:
    """The newest releases of both lanes, bounded by bytes and by age; the oldest record of either leaves first."""

    def __init__(self, max_bytes: int, max_age_s: float) -> None:
        self._max_bytes = max_bytes
        self._max_age_ms = max_age_s * 1000
        self._lanes = {lane: _Lane() for lane in LANES}
        self._newest: dict[str, Entry] = {}
        self._bytes = 0

    @property
    def head(self) -> Position:
        """One past the newest record of each lane."""
        return Position(*(self._lanes[lane].head for lane in LANES))

    @property
    def floor(self) -> Position:
        """Where the ring begins: at and after this nothing is missing."""
        return Position(*(self._lanes[lane].floor for lane in LANES))

    def begin(self, lane: Lane, offset: int) -> None:
        """Start a lane, empty, at an offset."""
        held = self._lanes[lane]
        held.entries.clear()
        held.gone = 0
        held.floor = held.head = offset

    def append(self, entry: Entry) -> None:
        """Add the next record of its lane."""
        held = self._lanes[entry.lane]
        held.entries.append(entry)
        held.head = entry.offset + 1
        self._bytes += _size(entry)
        known = self._newest.get(entry.story_id)
        if known is None or known.release_no <= entry.release_no:
            self._newest[entry.story_id] = entry

    def skip(self, lane: Lane, offset: int) -> None:
        """Pass a record that nobody can read."""
        self._lanes[lane].head = offset + 1

    def evict(self, now_ms: float) -> None:
        """Let go of what is too old or too much."""
        while (oldest := self._oldest()) is not None:
            if self._bytes <= self._max_bytes and now_ms - oldest.at_ms <= self._max_age_ms:
                return
            self._bytes -= _size(self._lanes[oldest.lane].drop_oldest())
            if self._newest.get(oldest.story_id) is oldest:
                del self._newest[oldest.story_id]

    def since(self, lane: Lane, offset: int) -> Iterator[Entry]:
        """The entries of a lane from an offset on, as they are now; do not append or evict meanwhile."""
        held = self._lanes[lane]
        start = bisect_left(held.entries, offset, lo=held.gone, key=_offset)
        for index in range(start, len(held.entries)):
            yield held.entries[index]

    def newest(self, story_id: str) -> Entry | None:
        """The release of a story with the highest number, as long as it is here."""
        return self._newest.get(story_id)

    def _oldest(self) -> Entry | None:
        found = [entry for held in self._lanes.values() if (entry := held.oldest()) is not None]
        return min(found, key=lambda entry: entry.at_ms, default=None)


def _size(entry: Entry) -> int:
    return len(entry.item) + _OVERHEAD
