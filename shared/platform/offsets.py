"""How far may a partition's offset pass when its records finish out of order? Pure."""

from collections import OrderedDict


class LowWatermark:
    """The next offset to commit in one partition: everything below it is finished.

    Records begin in offset order and finish in any. Offsets may have gaps (compaction leaves them).
    """

    __slots__ = ("_begun", "_open")

    def __init__(self, first: int) -> None:
        self._begun = first  # one past the last record begun
        self._open: OrderedDict[int, None] = OrderedDict()  # begun and unfinished, ascending

    def begin(self, offset: int) -> None:
        """A record is being handled; ValueError when it is not beyond all that began before."""
        if offset < self._begun:
            raise ValueError(f"offset {offset} begins after {self._begun - 1} has begun")
        self._open[offset] = None
        self._begun = offset + 1

    def finish(self, offset: int) -> None:
        """All effects of the record are confirmed; KeyError when it is not in flight."""
        del self._open[offset]

    @property
    def position(self) -> int:
        """The next offset to commit: the lowest unfinished one, or one past the last begun."""
        return next(iter(self._open), self._begun)

    @property
    def in_flight(self) -> int:
        """How many records have begun and not finished."""
        return len(self._open)
