"""What has become too old to be sent to an endpoint that is away? It is owed no more, and told as a range."""

from datetime import datetime, timedelta
from typing import Final

from services.distribution.condition import Condition
from services.distribution.conditions import Conditions
from services.distribution.detour import LANES, Detour, Place
from services.distribution.in_turn import InTurn
from services.distribution.ports import ReleasedLog
from services.distribution.rereading import first_since
from shared.domain.retry_schedule import STANDARD
from shared.domain.story import Lane

PENDING_LASTS: Final = timedelta(hours=24)
"""What falls due for an endpoint that has not answered its challenge waits for so long."""

LOOK_EVERY: Final = timedelta(minutes=10)


async def retire(
    condition: Condition,
    detour: Detour,
    released: ReleasedLog,
    conditions: Conditions,
    in_turn: InTurn,
    now: datetime,
) -> None:
    """Give up what was released longer ago than the schedule would try it, or a challenge may take.

    Looks every ten minutes, and not before the oldest of it can be as old as that. May be repeated.
    """
    lasts = PENDING_LASTS if detour.why == "pending" else STANDARD.horizon
    if now - detour.since <= lasts or (detour.retired_at is not None and now - detour.retired_at < LOOK_EVERY):
        return
    detour.retired_at = now
    begins = detour.record(now).begins
    for lane in (each for each in LANES if each in begins):
        first = await first_since(released, lane, begins[lane], detour.ends(lane), now - lasts)
        if first > begins[lane]:
            await _give_up(condition, detour, lane, begins[lane], first, conditions, in_turn)


async def _give_up(
    condition: Condition,
    detour: Detour,
    lane: Lane,
    begin: int,
    end: int,
    conditions: Conditions,
    in_turn: InTurn,
) -> None:
    conditions.lose(condition, lane, begin, end)
    for loose in detour.waiting(lane):
        if loose.offset < end:
            detour.answered(Place(lane, loose.offset))
            await in_turn.gone(condition.endpoint_id, lane, loose.offset)
    detour.pass_by(lane, end)
    await conditions.write(condition)
