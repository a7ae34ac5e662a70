"""May this request become a stream, with which filter, and from where on?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.stream.filter_groups import Key
from services.gateway.stream.filter_query import filter_of
from services.gateway.stream.ports import Authorize, HeaderView, Problem
from services.gateway.stream.positions import EARLIEST, NOWHERE, Position, parse_id

OTHER_PARAMETERS: Final = frozenset({"subscription", "cursor", "since", "ticket"})
AHEAD: Final = 10_000
"""Offsets a client may be ahead of this process (it heard another one); more, and the log is not the one it knew."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client was granted. `requested` is its id or `earliest`; `floor` is where its subscription begins."""

    key: Key
    requested: str | None = None
    since: datetime | None = None
    floor: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: at a position, at a time, or (neither) at the log's beginning.

    `foreign` tells that the requested id belongs to another life of the log, so that what lies between is unknown.
    """

    requested: str | None
    floor: Position
    position: Position | None = None
    since: datetime | None = None
    foreign: bool = False


def admit(view: HeaderView, authorize: Authorize) -> Admission | Problem:
    """Judge the head of a request. `Last-Event-ID` wins over `cursor`: a browser repeats the URL it began with."""
    if view.method != "GET":
        return Problem(405, "Method not allowed", "The stream is read with GET.", headers=(("allow", "GET"),))
    grant = authorize(view)
    if isinstance(grant, Problem):
        return grant
    asked = filter_of(view.query, OTHER_PARAMETERS)
    if isinstance(asked, Problem):
        return asked
    cursor, since = view.param("cursor"), view.param("since")
    if cursor is not None and cursor != EARLIEST and parse_id(cursor) is None:
        return _wrong("cursor", "not an id of this stream; leave it out to begin now, or say earliest")
    moment = None if since is None else _time(since)
    if since is not None and moment is None:
        return _wrong("since", "not a time with an offset, such as 2026-11-23T12:00:00Z")
    start = {lane.value: offset for lane, offset in grant.start.items()}
    requested = view.headers.get("last-event-id") or cursor
    return Admission((grant.filter, asked), requested, moment, Position(start.get("flash", 0), start.get("routine", 0)))


def start_of(admission: Admission, epoch: str, head: Position, floor: Position) -> Start:
    """Where a client begins, given the ring's head and floor. Without id and time that is now."""
    requested, since = admission.requested, admission.since
    if requested is None:
        now = None if since else head.no_earlier_than(admission.floor)
        return Start(None, admission.floor, now, since)
    if requested == EARLIEST:
        return Start(requested, admission.floor)
    found = parse_id(requested)
    if found is None or found[0] != epoch or _beyond(found[1], head):
        return Start(requested, admission.floor, None if since else floor, since, foreign=True)
    return Start(requested, admission.floor, found[1].no_earlier_than(admission.floor))


def _beyond(position: Position, head: Position) -> bool:
    return position.flash > head.flash + AHEAD or position.routine > head.routine + AHEAD


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _wrong(parameter: str, message: str) -> Problem:
    errors = [{"parameter": parameter, "message": message}]
    return Problem(422, "The query cannot be understood", f"{parameter}: {message}", more={"errors": errors})
