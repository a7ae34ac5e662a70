"""How far has this process read the released lanes? What it has seen there, an answer must not leave out."""

from collections.abc import Callable, Mapping

from services.gateway.stream.positions import NOWHERE, Position
from shared.domain.story import Lane
from shared.platform.reading import TopicPartition
from shared.platform.records import Record
from shared.platform.topics import Topic

_LANES: Mapping[Topic, Lane] = {Topic.RELEASED_FLASH: Lane.FLASH, Topic.RELEASED: Lane.ROUTINE}


class Followed:
    """Fed by the reading of the released topics that the stream lives on."""

    def __init__(self) -> None:
        self.position = NOWHERE
        self.loaded = False

    def apply(self, record: Record) -> None:
        """Take a record of a released lane."""
        self._reach(_LANES[record.topic], record.offset + 1)

    def begin(self, positions: Callable[[], Mapping[TopicPartition, int]]) -> None:
        """All is read up to these positions: those of a lane of which nothing came count too."""
        for at, offset in positions().items():
            self._reach(_LANES[at.topic], offset)
        self.loaded = True

    def is_behind(self, position: Position) -> bool:
        """Whether nothing was seen that lies at or after a position."""
        here = self.position
        return self.loaded and here.flash <= position.flash and here.routine <= position.routine

    def _reach(self, lane: Lane, offset: int) -> None:
        if offset > self.position.of(lane):
            self.position = self.position.at(lane, offset)
