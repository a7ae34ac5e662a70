"""May something be sent now? Rates per endpoint and per subscriber, kept by all workers together, asked synchronously.

Tokens lie in one place for all (`shared.platform.rates`); a worker holds a slice of them and asks for the next one
when that is used, in a job of its own. Nothing here knows of attempts: a delivery that may not go yet stays where it
waits.

How queues hook in: ask `take` for an endpoint's next delivery before it is taken off its line. At 0.0 it goes.
Otherwise the endpoint leaves the ring, and a timer puts it back after the seconds returned; until then it costs no
slot and no look. `give_back` what was taken for a delivery that is not sent after all: of those that have waited for
long most may be superseded, and they must not use up the rate of those that are not.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from shared.platform.rates import Ask, Grant, Grants, OwnWhileAway

ANSWERED_S: Final = 0.005
LINE_S: Final = 1.0
"""How much longer than the first the last of many that wait for one subscriber is told to wait at most."""
FORGOTTEN_S: Final = 60.0
NAP_S: Final = 1.0

Scope: TypeAlias = Literal["endpoint", "subscriber"]


def of_subscribers(share: Callable[[], float]) -> Callable[[str], float]:
    """Return what `OwnGrants` asks for its part of a rate, so that all workers together never exceed it.

    `share` is that of the shards we own among all of them. An endpoint has one owner, who may use its whole rate.
    """
    return lambda scope: share() if scope == "subscriber" else 1.0


@dataclass(slots=True)
class _Slice:
    """What this worker holds of one bucket. `turn`: when the last of those that wait was told to come."""

    ask: Ask
    tokens: int = 0
    lapses_at: float = 0.0
    not_before: float = 0.0
    turn: float = 0.0
    asked: bool = False

    def has(self, now: float) -> bool:
        return self.tokens > 0 and now < self.lapses_at

    def spend(self) -> bool:
        """Use one token; tell whether it is time to ask for the next slice, before this one is used up."""
        self.tokens -= 1
        return self.tokens * 2 <= self.ask.wanted > 1

    def take_in(self, grant: Grant, now: float) -> None:
        """Add what was granted. What is not used within the time it would take to earn it again is given up."""
        self.asked = False
        self.tokens = grant.tokens + (self.tokens if self.has(now) else 0)
        self.lapses_at = now + 1.0 + 2 * self.ask.wanted / self.ask.rate
        self.not_before = now + grant.next_in_s

    def wait(self, now: float, chance: float) -> float:
        """Stand in line: each that waits comes one token later than the one before it.

        Where that is far off it comes sooner, by `chance` (0 to 1): those at the end must not come all at once.
        """
        first = now + ANSWERED_S if self.asked else max(now, self.not_before)
        self.turn = max(first, self.turn + 1 / self.ask.rate)
        if self.turn > first + LINE_S:
            self.turn = first + LINE_S
            return first - now + LINE_S * (1 + chance) / 2
        return max(self.turn - now, ANSWERED_S)


@dataclass(slots=True)
class Throttle:
    """`take` for the queues, `run` for the process; `fallback` counts while `shared` is away."""

    shared: Grants
    fallback: Grants
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    _slices: dict[tuple[Scope, str], _Slice] = field(default_factory=dict)
    _wanted: list[_Slice] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _grants: Grants = field(init=False)
    _swept_at: float = 0.0

    def __post_init__(self) -> None:
        self._grants = OwnWhileAway("deliveries", self.shared, self.fallback, self.clock)

    def take(
        self, endpoint_id: str, rate: float | None, subscriber: str, subscriber_rate: float | None, now: float
    ) -> float:
        """Return 0.0 and take a token of each rate, or the seconds until it is worth asking again and take none.

        Rates in deliveries per second, None for no limit; `now` in seconds of `clock`.
        """
        if rate is None and subscriber_rate is None:
            return 0.0
        own = None if rate is None else self._slice_of("endpoint", endpoint_id, rate)
        if own and not own.has(now):  # first, so that what the endpoint lacks is not taken from its siblings
            return self._refused(own, now)
        shared = None if subscriber_rate is None else self._slice_of("subscriber", subscriber, subscriber_rate)
        if shared and not shared.has(now):
            return self._refused(shared, now)
        for piece in (own, shared):
            if piece and piece.spend():
                self._ask(piece, now)
        return 0.0

    def give_back(self, endpoint_id: str, rate: float | None, subscriber: str, subscriber_rate: float | None) -> None:
        """Undo a `take` that returned 0.0; once for each, with the same arguments."""
        own, shared = self._slices.get(("endpoint", endpoint_id)), self._slices.get(("subscriber", subscriber))
        for piece, asked in ((own, rate), (shared, subscriber_rate)):
            if piece is not None and piece.ask.rate == asked:
                piece.tokens += 1

    @property
    def buckets(self) -> int:
        """How many rates are held in memory."""
        return len(self._slices)

    async def run(self, stop: asyncio.Event) -> None:
        """Job: fetch the next slice for those that used theirs, until `stop`."""
        while not stop.is_set():
            await self.settle()
            try:
                async with asyncio.timeout(NAP_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def settle(self) -> None:
        """Answer all that was asked for up to now, in one go."""
        self._changed.clear()
        pieces, self._wanted = self._wanted, []
        if pieces:
            grants = await self._grants.grant([piece.ask for piece in pieces])
            now = self.clock()
            for piece, grant in zip(pieces, grants, strict=True):
                piece.take_in(grant, now)
        self._sweep(self.clock())

    def _slice_of(self, scope: Scope, name: str, rate: float) -> _Slice:
        piece = self._slices.get((scope, name))
        if piece is None or piece.ask.rate != rate:  # a slice, or a wait, of another rate may be far too long
            piece = self._slices[scope, name] = _Slice(Ask(scope, name, rate))
        return piece

    def _refused(self, piece: _Slice, now: float) -> float:
        """Whoever asks for tokens is there when they come; the others stand in line."""
        return ANSWERED_S if self._ask(piece, now) else piece.wait(now, self.chance())

    def _ask(self, piece: _Slice, now: float) -> bool:
        """Tell whether it was asked for now: not if it is already, or if we know that there is none yet."""
        if piece.asked or now < piece.not_before:
            return False
        piece.asked = True
        self._wanted.append(piece)
        self._changed.set()
        return True

    def _sweep(self, now: float) -> None:
        """Forget what nobody has asked for lately: an idle endpoint costs nothing."""
        if now < self._swept_at + FORGOTTEN_S:
            return
        self._swept_at = now
        self._slices = {
            key: piece
            for key, piece in self._slices.items()
            if piece.asked or now < max(piece.lapses_at, piece.not_before) + FORGOTTEN_S
        }
