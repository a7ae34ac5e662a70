"""May this request become a stream, with which filter, and from where on?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.stream.dialects import POLL, SSE, WS, Dialect
from services.gateway.stream.filter_query import filter_of, unprocessable
from services.gateway.stream.handshake import Handshake, handshake
from services.gateway.stream.ports import Authorize, Claim, HeaderView, Problem
from services.gateway.stream.positions import EARLIEST, NOWHERE, Position, parse_id
from services.gateway.stream.wanted import Wanted
from shared.domain.story import Lane

SSE_PATH: Final = "/v1/stream"
WS_PATH: Final = "/v1/ws"
POLL_PATH: Final = "/v1/poll"
DIALECTS: Final = {SSE_PATH: SSE, WS_PATH: WS, POLL_PATH: POLL}

OTHER_PARAMETERS: Final = frozenset({"subscription", "cursor", "since", "ticket", "client"})
MOST_NAME: Final = 64
AHEAD: Final = 10_000
"""Offsets a client may be ahead of this process (it heard another one); more, and the log is not the one it knew."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client was granted. `requested` is its id or `earliest`; `floor` is where its subscription begins.

    `name` is what it calls itself, if it does; `upgrade` is there on a WebSocket only, `claim` for a ticket only.
    """

    wanted: Wanted
    requested: str | None = None
    since: datetime | None = None
    floor: Position = NOWHERE
    dialect: Dialect = SSE
    subscriber: str = ""
    key: str = ""
    name: str = ""
    upgrade: Handshake | None = None
    claim: Claim | None = None


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
    dialect = DIALECTS[view.path]
    upgrade = handshake(view) if dialect is WS else None
    if isinstance(upgrade, Problem):
        return upgrade
    grant = authorize(view)
    if isinstance(grant, Problem):
        return grant
    asked, name = filter_of(view.query, OTHER_PARAMETERS), view.param("client") or ""
    if isinstance(asked, Problem):
        return asked
    if len(name) > MOST_NAME or not name.isprintable():
        return _wrong("client", f"at most {MOST_NAME} printable characters")
    cursor, since = view.param("cursor"), view.param("since")
    if cursor is not None and cursor != EARLIEST and parse_id(cursor) is None:
        return _wrong("cursor", "not an id of this stream; leave it out to begin now, or say earliest")
    moment = None if since is None else _time(since)
    if since is not None and moment is None:
        return _wrong("since", "not a time with an offset, such as 2026-11-23T12:00:00Z")
    return Admission(
        Wanted(grant.products, grant.filter, asked),
        view.headers.get("last-event-id") or cursor,
        moment,
        Position(grant.start.get(Lane.FLASH, 0), grant.start.get(Lane.ROUTINE, 0)),
        dialect,
        grant.subscriber,
        grant.key,
        name,
        upgrade,
        grant.claim,
    )


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
    return unprocessable([{"parameter": parameter, "message": message}])
