"""How far may a partition's offset pass when its records finish out of order, and which beyond it are done? Pure."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence

Span = tuple[int, int]
"""Offsets from the first, included, to the second, not included."""


class LowWatermark:
    """The next offset to commit in one partition: everything below it is finished.

    Records begin in offset order and finish in any. Offsets may have gaps (compaction leaves them).
    """

    __slots__ = ("_begun", "_ends", "_open", "_starts", "changes")

    def __init__(self, first: int, finished: Sequence[Span] = ()) -> None:
        """`finished`: what an earlier owner has finished beyond `first`, ascending; it must not begin again."""
        self._begun = first  # one past the last record begun
        self._open: OrderedDict[int, None] = OrderedDict()  # begun and unfinished, ascending
        self._starts = [start for start, _ in finished]
        self._ends = [end for _, end in finished]
        self.changes = 0  # how often something has finished: while it stays, there is nothing new to commit

    def begin(self, offset: int) -> None:
        """A record is being handled; ValueError when it is not beyond all that began before."""
        if offset < self._begun:
            raise ValueError(f"offset {offset} begins after {self._begun - 1} has begun")
        self._open[offset] = None
        self._begun = offset + 1

    def finish(self, offset: int) -> None:
        """All effects of the record are confirmed; KeyError when it is not in flight."""
        del self._open[offset]
        self.changes += 1

    def was_finished(self, offset: int) -> bool:
        """Whether an earlier owner has finished it."""
        return self._past(offset) != offset

    @property
    def position(self) -> int:
        """The next offset to commit: the lowest unfinished one, or one past the last that began or was finished."""
        return next(iter(self._open), self._past(self._begun))

    @property
    def in_flight(self) -> int:
        """How many records have begun and not finished."""
        return len(self._open)

    def finished(self) -> list[Span]:
        """What is finished beyond `position`, ascending and apart from each other."""
        spans: list[Span] = []
        upto = self.position
        for offset in self._open:
            _join(spans, upto, offset)
            upto = offset + 1
        _join(spans, upto, self._begun)
        for start, end in zip(self._starts, self._ends, strict=True):
            _join(spans, max(start, self._begun, self.position), end)
        return spans

    def _past(self, offset: int) -> int:
        """The offset itself, or the end of the span that an earlier owner has finished around it."""
        at = bisect_right(self._starts, offset) - 1
        return max(offset, self._ends[at]) if at >= 0 else offset


def _join(spans: list[Span], start: int, end: int) -> None:
    """Add a span behind the others; an empty one adds nothing, one that touches the last prolongs it."""
    if start >= end:
        return
    if spans and spans[-1][1] == start:
        start = spans.pop()[0]
    spans.append((start, end))
