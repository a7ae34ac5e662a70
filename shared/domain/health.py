"""How does an endpoint do, and what is it owed that nobody holds for it? One record in `endpoint.health` for each.

Written by distribution alone; there is none for an endpoint that does well and has everything.
"""

from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.domain.story import Lane

HEALTH: Final = "health"
"""The second part of the record's key: (endpoint_id, `HEALTH`)."""

Why = Literal["breaker", "paused", "pending", "burst", "slow"]
BreakerState = Literal["closed", "open", "half_open"]


class Loose(BaseModel):
    """One unanswered release below the position, by its offset; `attempts` it has had, the first of them failed at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    offset: int
    attempts: int = 0
    first_failed_at: AwareDatetime | None = None


class Lost(BaseModel):
    """Releases that were given up unsent, because they were too old: offsets of one lane, the end exclusive."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lane: Lane
    start: int
    end: int
    at: AwareDatetime


class CatchUp(BaseModel):
    """What an endpoint is owed from the log: all that it is owed from `position` on, and `loose` ones before it.

    A lane without a position has nothing beyond its loose ones. `answered_since`: from when on something of this may
    have been answered all the same (None: nothing has); a successor reads the delivery log back to then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    why: Why
    since: AwareDatetime
    position: dict[Lane, int] = {}
    loose: dict[Lane, tuple[Loose, ...]] = {}
    answered_since: AwareDatetime | None = None

    @property
    def begins(self) -> dict[Lane, int]:
        """The smallest unanswered offset of each lane that has one."""
        known = {lane: [each.offset for each in self.loose.get(lane, ())] for lane in Lane}
        for lane, offset in self.position.items():
            known[lane].append(offset)
        return {lane: min(offsets) for lane, offsets in known.items() if offsets}


class EndpointHealth(BaseModel):
    """The record. `opened`: how often in a row its breaker has opened; `probe_at`: when it is tried next.

    `failing_since`: its first failure since its last success; it is disabled at `disables_at` unless one comes before.
    `told`: the percentage of that time which its owner was last told of; `lost_told`: of losses until then; and
    `disabled_told`: of being disabled after failing since then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint_id: str
    state: BreakerState = "closed"
    opened: int = 0
    probe_at: AwareDatetime | None = None
    failing_since: AwareDatetime | None = None
    disables_at: AwareDatetime | None = None
    told: int = 0
    catch_up: CatchUp | None = None
    lost: tuple[Lost, ...] = ()
    lost_told: AwareDatetime | None = None
    disabled_told: AwareDatetime | None = None

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it that a reader would not assume of an endpoint without a record."""
        return self != EndpointHealth(endpoint_id=self.endpoint_id)
