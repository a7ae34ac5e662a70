"""What does a client that is behind get next out of the ring? Flash first; pure."""

from dataclasses import dataclass, field
from typing import Final

from services.gateway.stream import frames
from services.gateway.stream.filter_groups import FilterGroup, Judged
from services.gateway.stream.gate import Gate, Refused
from services.gateway.stream.positions import LANES, Position, id_of
from services.gateway.stream.ring import Ring
from shared.domain.story import Lane

MOST_BYTES: Final = 64 * 1024
MOST_JUDGED: Final = 256
"""Entries looked at before the event loop gets a turn, for filters that want next to nothing."""


@dataclass(slots=True)
class Portion:
    """Some events for one client, and where it is behind them. `done`: the lanes asked for are at their heads."""

    position: Position
    events: list[bytes] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    silent: bool = False
    done: bool = False


def portion(
    ring: Ring, gate: Gate, group: FilterGroup, epoch: str, position: Position, lanes: tuple[Lane, ...] = LANES
) -> Portion:
    """Return the next events of a client at `position`, at or after the ring's floor in each of `lanes`.

    `silent` tells that the position moved past the last event's id: a checkpoint is owed if that is all.
    """
    made = Portion(position)
    size = judged = 0
    for lane in lanes:
        for entry in ring.since(lane, position.of(lane)):
            if size >= MOST_BYTES or judged >= MOST_JUDGED:
                return made
            judged += 1
            refused = gate.judge(entry, made.position)
            made.position = made.position.at(lane, entry.offset + 1)
            made.silent = True
            if refused is not None:
                made.refused.append(refused)
            elif group.wants(Judged(entry)):
                made.events.append(frames.story(id_of(epoch, made.position), entry))
                size += len(entry.body)
                made.silent = False
        head = ring.head.of(lane)
        if made.position.of(lane) < head:
            made.position = made.position.at(lane, head)
            made.silent = True
    made.done = True
    return made
