"""What does a client that is behind get next out of the ring? Flash first; pure."""

from dataclasses import dataclass, field
from typing import Final

from services.gateway.stream import frames
from services.gateway.stream.filter_groups import FilterGroup
from services.gateway.stream.frames import Entry
from services.gateway.stream.gate import Refused
from services.gateway.stream.positions import LANES, Position, id_of
from services.gateway.stream.wanted import Judged
from services.gateway.stream.wire import Wire
from shared.domain.story import Lane

MOST_BYTES: Final = 32 * 1024
MOST_JUDGED: Final = 256
"""Entries looked at before the event loop gets a turn, for filters that want next to nothing."""


@dataclass(slots=True)
class Portion:
    """Some events for one client, and where it is behind them. `done`: the lanes asked for are at their heads.

    `silent` tells that the position moved past the last event's id: a checkpoint is owed if that is all. `skipped`
    counts what was left out because a newer release of its story follows.
    """

    position: Position
    events: list[bytes] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    skipped: int = 0
    silent: bool = False
    done: bool = False
    data: bytes = b""


def portion(
    wire: Wire,
    group: FilterGroup,
    position: Position,
    lanes: tuple[Lane, ...] = LANES,
    *,
    newest_only: bool = False,
) -> Portion:
    """Return the next events of a client at `position`, at or after the ring's floor in each of `lanes`.

    `newest_only`: of the releases of a story that lie ahead, the client is content with the last one it may be shown.
    """
    made = Portion(position)
    size = judged = 0
    for lane in lanes:
        for entry in wire.ring.since(lane, position.of(lane)):
            if size >= MOST_BYTES or judged >= MOST_JUDGED:
                return _encoded(made)
            judged += 1
            refused = wire.gate.judge(entry, made.position)
            made.position = made.position.at(lane, entry.offset + 1)
            made.silent = True
            if refused is not None:
                made.refused.append(refused)
            elif group.shows(Judged(entry)):
                if newest_only and _is_superseded(wire, group, entry):
                    made.skipped += 1
                    continue
                made.events.append(frames.story(group.dialect, id_of(wire.epoch, made.position), entry))
                size += len(entry.item)
                made.silent = False
        head = wire.ring.head.of(lane)
        if made.position.of(lane) < head:
            made.position = made.position.at(lane, head)
            made.silent = True
    made.done = True
    return _encoded(made)


def _is_superseded(wire: Wire, group: FilterGroup, entry: Entry) -> bool:
    """Whether a newer release of the story is still to come: one behind the client would have refused this one."""
    newest = wire.ring.newest(entry.story_id)
    return newest is not None and newest.release_no > entry.release_no and group.shows(Judged(newest))


def _encoded(made: Portion) -> Portion:
    """Join the events once, for however many clients get this very portion."""
    made.data = b"".join(made.events)
    return made
