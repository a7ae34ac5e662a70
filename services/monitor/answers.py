"""How do monitor's answers look? Pydantic at the edge; times are RFC 3339 with milliseconds, stage times epoch µs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.monitor.dead_letters import DeadLetter, Group
from services.monitor.flights import Flight, Hop, in_order
from services.monitor.redrive import Outcome, Redrive
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
    """One dead letter. `redriven` says how often it has gone back.

    `headers` are the record's own, as text, null in lists; `bytes` (base64) only where they were asked for.
    """

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
    redriven: int
    headers: dict[str, str] | None = None
    bytes: str | None = None


class DeadGroupAnswer(BaseModel):
    """Dead letters of one cause; `error` and `reason` are those of the newest."""

    service: str
    fingerprint: str
    count: int
    oldest: WireTime
    newest: WireTime
    error: str
    reason: str
    from_topic: str | None


class DeadLettersAnswer(BaseModel):
    """One page of dead letters; `groups` count all of them, on whatever page, the largest group first."""

    items: list[DeadLetterAnswer]
    groups: list[DeadGroupAnswer]
    next: str | None


class RedriveRequest(BaseModel):
    """One letter by its place, or the letters of one cause; `rate` is in letters per second."""

    model_config = ConfigDict(extra="forbid")

    topic: str | None = None
    partition: int | None = Field(default=None, ge=0, le=2**31 - 1)
    offset: int | None = Field(default=None, ge=0, le=2**63 - 1)
    service: str | None = None
    fingerprint: str | None = None
    limit: int = Field(default=100, ge=1, le=2000)
    rate: float = Field(default=50.0, ge=0.1, le=500)
    again: bool = Field(default=False, description="also what has been redriven before")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        place, cause = (self.topic, self.partition, self.offset), (self.service, self.fingerprint)
        whole, none = (None not in place, None not in cause), (set(place) == {None}, set(cause) == {None})
        if not (whole[0] and none[1]) and not (whole[1] and none[0]):
            raise ValueError("give topic, partition and offset, or service and fingerprint")
        return self


class RedriveRow(BaseModel):
    """What became of one letter: `already` has gone back before, `gone` is kept no longer."""

    topic: str
    partition: int
    offset: int
    outcome: Outcome
    redrive_id: str | None
    to_topic: str | None
    to_partition: int | None
    to_offset: int | None


class RedriveAnswer(BaseModel):
    """What a redrive has done; `left` letters of the cause have not gone back yet."""

    items: list[RedriveRow]
    left: int


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


def dead_letter_answer(letter: DeadLetter, redriven: int) -> DeadLetterAnswer:
    facts = asdict(letter)
    first_seen = None if letter.first_seen is None else _at(letter.first_seen)
    return DeadLetterAnswer.model_validate(
        {**facts, "at": _at(letter.at), "first_seen": first_seen, "redriven": redriven}
    )


def group_answer(group: Group) -> DeadGroupAnswer:
    return DeadGroupAnswer.model_validate({**asdict(group), "oldest": _at(group.oldest), "newest": _at(group.newest)})


def redrive_answer(done: Sequence[Redrive], left: int) -> RedriveAnswer:
    rows = [RedriveRow.model_validate({**one.place._asdict(), **_told(one)}) for one in done]
    return RedriveAnswer(items=rows, left=left)


def _told(redrive: Redrive) -> dict[str, Any]:
    return {name: value for name, value in asdict(redrive).items() if name != "place"}


def _hop_answer(hop: Hop, first: int) -> HopAnswer:
    facts = {name: getattr(hop, name) for name in HopAnswer.model_fields if name not in ("at", "ms")}
    return HopAnswer.model_validate({**facts, "at": _at(hop.at), "ms": hop.at - first})


def _at(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
