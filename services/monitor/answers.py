"""How do monitor's answers look? Pydantic at the edge; times are RFC 3339 with milliseconds, stage times epoch µs."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from services.monitor.dead_letters import DeadLetter
from services.monitor.flights import Flight, Hop, in_order
from services.monitor.staleness import split
from services.monitor.waiting import Wait, WaitingFor
from shared.domain.item import WireTime


class WaitAnswer(BaseModel):
    """One row of `GET /v1/ops/stories`; the place is null where no record is waited for."""

    story_id: str
    version: int | None
    stage: str
    since: WireTime
    waiting_for: WaitingFor
    why: str
    topic: str | None
    partition: int | None
    offset: int | None


class HopAnswer(BaseModel):
    """One record of a story's way; `ms` counts from the first hop that is known."""

    hop: str
    at: WireTime
    ms: int
    topic: str
    partition: int
    offset: int
    event_id: str
    cause: str | None
    version: int | None
    release_no: int | None
    kind: str | None
    lane: str | None
    details: dict[str, Any]


class FlightAnswer(BaseModel):
    """A story's flight record. `counts` are of all hops seen, `hops` the last few hundred of them, by time.

    `stage_times` are those of the newest release or delivery that carried any (epoch µs), `stages_s` the seconds
    before each stage.
    """

    story_id: str
    waiting: list[WaitAnswer]
    stage_times: dict[str, int]
    stages_s: dict[str, float]
    counts: dict[str, int]
    hops: list[HopAnswer]


class DeadLetterAnswer(BaseModel):
    """One dead letter: facts only; the bytes stay on the topic."""

    service: str
    topic: str
    partition: int
    offset: int
    at: WireTime
    key: str | None
    size: int
    error: str
    reason: str
    fingerprint: str
    stage: str
    attempts: int
    first_seen: WireTime | None
    from_topic: str | None
    from_partition: int | None
    from_offset: int | None


def wait_answer(wait: Wait) -> WaitAnswer:
    return WaitAnswer(
        story_id=wait.story_id,
        version=wait.version,
        stage=wait.stage,
        since=_at(wait.since),
        waiting_for=wait.waiting_for,
        why=wait.why,
        topic=wait.topic,
        partition=wait.partition,
        offset=wait.offset,
    )


def flight_answer(flight: Flight, waits: list[Wait]) -> FlightAnswer:
    hops = in_order(flight)
    times = flight.stage_times
    return FlightAnswer(
        story_id=flight.story_id,
        waiting=[wait_answer(wait) for wait in waits],
        stage_times=times,
        stages_s=split(times, max(times.values())) if times else {},
        counts=dict(flight.counts),
        hops=[_hop_answer(hop, hops[0].at) for hop in hops],
    )


def dead_letter_answer(letter: DeadLetter) -> DeadLetterAnswer:
    facts = {name: getattr(letter, name) for name in DeadLetterAnswer.model_fields}
    first_seen = None if letter.first_seen is None else _at(letter.first_seen)
    return DeadLetterAnswer.model_validate({**facts, "at": _at(letter.at), "first_seen": first_seen})


def _hop_answer(hop: Hop, first: int) -> HopAnswer:
    facts = {name: getattr(hop, name) for name in HopAnswer.model_fields if name not in ("at", "ms")}
    return HopAnswer.model_validate({**facts, "at": _at(hop.at), "ms": hop.at - first})


def _at(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
