"""Where is a stream client? A position per lane, and the opaque ids that carry it over the wire."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from shared.domain.story import Lane

EARLIEST: Final = "earliest"
LANES: Final = (Lane.FLASH, Lane.ROUTINE)
"""In the order in which a client that is behind is served."""

_ID: Final = re.compile(r"([a-z0-9]{1,32})-([0-9]{1,18})-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset to read in each lane."""

    flash: int = 0
    routine: int = 0

    def of(self, lane: Lane) -> int:
        return self.flash if lane is Lane.FLASH else self.routine

    def at(self, lane: Lane, offset: int) -> "Position":
        """The same with another next offset in one lane."""
        return Position(offset, self.routine) if lane is Lane.FLASH else Position(self.flash, offset)

    def no_earlier_than(self, other: "Position") -> "Position":
        """The later of both, lane by lane."""
        return Position(max(self.flash, other.flash), max(self.routine, other.routine))


NOWHERE: Final = Position()


def epoch_of(*facts: str) -> str:
    """Return the name of one life of the log, from what changes when offsets begin anew (cluster id, topic names)."""
    return sha256("\t".join(facts).encode()).hexdigest()[:8]


def id_of(epoch: str, position: Position) -> str:
    """Return the id of an exact resume point: everything before it was sent, filtered out or refused."""
    return f"{epoch}-{position.flash}-{position.routine}"


def parse_id(text: str) -> tuple[str, Position] | None:
    """Return (epoch, position) of an id made by `id_of`, or None for anything else."""
    found = _ID.fullmatch(text)
    return (found[1], Position(int(found[2]), int(found[3]))) if found else None
