"""What is asked about the audit over HTTP: who did what, and is all of it there as it was written?"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel

from services.monitor.audit_chains import Chains, Fault, What
from services.monitor.audit_log import Asked, Line, NewestLines
from services.monitor.ports import AuditReader
from shared.domain.item import WireTime
from shared.domain.state import Principal
from shared.platform.problems import responses

PATH: Final = "/v1/ops/audit"
Since = Annotated[AwareDatetime | None, Query(description="only entries of then or later")]


class LineAnswer(BaseModel):
    """One entry: who (`actor`) did what (`action`) to what (`object`: a story's id, a key's, a dead letter's place)."""

    at: WireTime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    writer: str
    n: int
    partition: int
    offset: int


class AuditAnswer(BaseModel):
    """The newest entries that were asked for, newest first."""

    items: list[LineAnswer]


class FaultAnswer(BaseModel):
    """One fault. `writer` and `n` are null where the bytes do not tell them; a missing entry's place is that of the
    entry behind it."""

    what: What
    writer: str | None
    n: int | None
    partition: int
    offset: int
    why: str


class VerifiedAnswer(BaseModel):
    """Whether the audit is whole. `repeated` entries lie there twice, byte for byte: that is no fault.

    `complete_since` is the time before which neighbours of entries may be kept no longer (null: all are kept).
    """

    ok: bool
    entries: int
    writers: int
    repeated: int
    complete_since: WireTime | None
    faults: list[FaultAnswer]
    more_faults: int


def audit_routes(reader: AuditReader, operator: Callable[..., Principal]) -> APIRouter:
    """Return the routes below /v1/ops/audit; `operator` says who asks, or refuses. One reading at a time."""
    router = APIRouter(dependencies=[Depends(operator)])
    turn = asyncio.Lock()

    @router.get(PATH, responses=responses(422, 503))
    async def audit(
        actor: str | None = None,
        story: Annotated[str | None, Query(description="only what was done to this story, or other object")] = None,
        action: Annotated[str | None, Query(description="only this: story.kill, key.issued, dead.redriven …")] = None,
        since: Since = None,
        limit: Annotated[int, Query(ge=1, le=2000)] = 100,
    ) -> AuditAnswer:
        """Who did what, newest first; read from the audit topic."""
        newest = NewestLines(Asked(actor, story, action, since), limit)
        async with turn:
            await reader.read(newest.apply, since)
        return AuditAnswer(items=_lines(newest.newest_first()))

    @router.get(f"{PATH}/verify", responses=responses(422, 503))
    async def verify(since: Since = None) -> VerifiedAnswer:
        """Follow every writer's chain from end to end; name what was changed, taken out or moved."""
        async with turn:
            begins = await reader.begins(since)
            chains = Chains(None if begins is None else int(begins.timestamp() * 1000))
            await reader.read(chains.apply, since)
        found = chains.report()
        return VerifiedAnswer(
            ok=not found.faults,
            entries=found.entries,
            writers=found.writers,
            repeated=found.repeated,
            complete_since=begins,
            faults=[_fault(fault) for fault in found.faults],
            more_faults=found.more_faults,
        )

    return router


def _lines(lines: Sequence[Line]) -> list[LineAnswer]:
    return [LineAnswer.model_validate(line, from_attributes=True) for line in lines]


def _fault(fault: Fault) -> FaultAnswer:
    return FaultAnswer.model_validate(fault, from_attributes=True)
