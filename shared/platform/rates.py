"""How are tokens of a rate given out? By the generic cell rate algorithm: a bucket is the moment they are given up to.

Tokens lie in one place for all processes (`Grants`: `shared.platform.redis_rates`), or in this process alone
(`OwnGrants`). Who uses them holds a slice and asks for the next one when that is used.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from shared.platform.logs import logger

DEPTH_S: Final = 0.25
"""A bucket holds so many seconds of its rate, at least one token, where an `Ask` says nothing else."""
SLICE_S: Final = 0.05
"""So many seconds of the rate are given at once, at least one token: what a process may sit on unused."""
AWAY_S: Final = 1.0
"""How long the shared tokens are not asked for once they could not be had."""
HAIR: Final = 1e-3
"""A token that lacks no more than this is whole: rounding of clocks, made up for by the next one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Tokens wanted for one bucket; `rate` in tokens per second, above 0. A name is unique within its scope."""

    scope: str
    name: str
    rate: float
    depth_s: float = DEPTH_S
    slice_s: float = SLICE_S

    depth: float = field(init=False)
    """How many tokens the bucket holds when it is full."""
    wanted: int = field(init=False)
    """How many tokens are given at most."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", max(1.0, self.rate * self.depth_s))
        object.__setattr__(self, "wanted", max(1, int(self.rate * self.slice_s)))


@dataclass(frozen=True, slots=True)
class Grant:
    """So many tokens, the seconds until there is another one (0.0: there is one already), and what the bucket keeps."""

    tokens: int
    next_in_s: float
    left: int = 0


class GrantsAway(Exception):
    """The shared tokens cannot be had at the moment; whoever asks goes by its own clock."""


class Grants(Protocol):
    """Where the tokens lie."""

    async def grant(self, asks: Sequence[Ask]) -> Sequence[Grant]:
        """Give each its tokens, in order of `asks`; a bucket nobody knows is a full one. Raises `GrantsAway`."""
        ...


class OwnWhileAway:
    """The shared tokens; while these cannot be had, those of this process alone, and the log says so once."""

    def __init__(self, of: str, shared: Grants, own: Grants, clock: Callable[[], float]) -> None:
        """`of`: whose tokens these are, for the log; `clock` in seconds."""
        self._of = of
        self._shared = shared
        self._own = own
        self._clock = clock
        self._away_until: float | None = None

    async def grant(self, asks: Sequence[Ask]) -> Sequence[Grant]:
        """As `Grants.grant`, but in place of `GrantsAway` come our own; the shared ones are left alone for `AWAY_S`."""
        if self._away_until is None or self._clock() >= self._away_until:
            try:
                grants = await self._shared.grant(asks)
            except GrantsAway as reason:
                self._went_away(reason)
            else:
                self._came_back()
                return grants
        return await self._own.grant(asks)

    def _went_away(self, reason: GrantsAway) -> None:
        if self._away_until is None:
            logger().warning("rates.alone", of=self._of, reason=str(reason))
        self._away_until = self._clock() + AWAY_S

    def _came_back(self) -> None:
        if self._away_until is not None:
            logger().info("rates.shared", of=self._of)
        self._away_until = None


class OwnGrants:
    """Tokens of this process alone: the fallback, and the twin of the shared ones.

    `share` says which part of a rate that several processes share is ours, by scope.
    """

    def __init__(self, clock: Callable[[], float], share: Callable[[str], float] = lambda _: 1.0) -> None:
        self._clock = clock
        self._share = share
        self._given_until: dict[tuple[str, str], float] = {}

    async def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        now = self._clock()
        self._given_until = {key: until for key, until in self._given_until.items() if until > now}
        return [self._grant(ask, now) for ask in asks]

    def _grant(self, ask: Ask, now: float) -> Grant:
        share = self._share(ask.scope)
        if share <= 0:
            return Grant(0, AWAY_S)
        ours, key = replace(ask, rate=ask.rate * share), (ask.scope, ask.name)
        self._given_until[key], grant = given(ours, self._given_until.get(key, 0.0), now)
        return grant


def given(ask: Ask, until: float, now: float) -> tuple[float, Grant]:
    """Return up to when tokens are given out after this ask, and the grant; all times in seconds of one clock."""
    each = 1 / ask.rate
    brim = now + ask.depth * each
    until = min(max(until, now), brim)  # a clock that went back costs one bucket, not its whole jump
    there = math.floor((brim - until) / each + HAIR)
    tokens = min(ask.wanted, there)
    until += tokens * each
    return until, Grant(tokens, max(0.0, until + each - brim), there - tokens)
