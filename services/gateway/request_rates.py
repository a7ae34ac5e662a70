"""May this key ask once more? A rate per key, kept by all gateways together, told in `RateLimit` headers.

Tokens lie in Redis (`shared.platform.rates`) and are held here in slices, so that most requests ask nobody. While Redis
is away each gateway gives out the whole rate by itself: too much is better than none.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.platform.metrics import REQUESTS_HELD_BACK
from shared.platform.problems import Code, Problem
from shared.platform.rates import Ask, Grants, OwnWhileAway

WINDOW_S: Final = 10.0
"""A key may use so many seconds of its rate at once."""
_LAPSES_S: Final = 1.0
"""Tokens that were not used for so long are given up: a quiet key is asked for anew."""
_FORGOTTEN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may go, how many more may, and after how many seconds the next one, and all of them, will be there."""

    goes: bool
    left: int
    next_in_s: float
    whole_in_s: float


@dataclass(slots=True)
class _Slice:
    """What this process holds of one key's bucket, and what the bucket kept; times in seconds of our clock."""

    tokens: int = 0
    kept: int = 0
    at: float = -math.inf
    next_at: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class RequestRates:
    """`rate` in requests per second of one key; `own` counts while `shared` is away."""

    rate: float
    shared: Grants
    own: Grants
    clock: Callable[[], float] = time.monotonic
    _slices: dict[str, _Slice] = field(default_factory=dict)
    _grants: Grants = field(init=False)
    _swept_at: float = 0.0

    def __post_init__(self) -> None:
        self._grants = OwnWhileAway("requests", self.shared, self.own, self.clock)

    async def take(self, key_id: str) -> Verdict:
        """Take one token of a key, or say when to come again."""
        piece = self._slices.get(key_id)
        if piece is None:
            piece = self._slices[key_id] = _Slice()
        if not self._holds(piece):
            async with piece.turn:  # whoever comes while it is fetched finds it here
                if not self._holds(piece):
                    await self._fetch(key_id, piece)
        return self._verdict(piece)

    @property
    def quota(self) -> int:
        """How many requests a key may make at once."""
        return max(1, int(self.rate * WINDOW_S))

    @property
    def keys(self) -> int:
        """How many keys are held in memory."""
        return len(self._slices)

    def _holds(self, piece: _Slice) -> bool:
        now = self.clock()
        return now < piece.next_at or (piece.tokens > 0 and now - piece.at < _LAPSES_S)

    async def _fetch(self, key_id: str, piece: _Slice) -> None:
        [grant] = await self._grants.grant([Ask("request", key_id, self.rate, depth_s=WINDOW_S)])
        now = self.clock()
        piece.tokens, piece.kept, piece.at = grant.tokens, grant.left, now
        piece.next_at = 0.0 if grant.tokens else now + grant.next_in_s
        self._sweep(now)

    def _verdict(self, piece: _Slice) -> Verdict:
        goes = piece.tokens > 0
        if goes:
            piece.tokens -= 1
        left = piece.tokens + piece.kept
        next_in_s = 0.0 if left else max(piece.next_at - self.clock(), 1 / self.rate)
        return Verdict(goes, left, next_in_s, max(self.quota - left, 0) / self.rate)

    def _sweep(self, now: float) -> None:
        if now < self._swept_at + _FORGOTTEN_S:
            return
        self._swept_at = now
        self._slices = {
            key: piece for key, piece in self._slices.items() if piece.turn.locked() or now - piece.at < _FORGOTTEN_S
        }


class HeldBack:
    """ASGI layer behind the knock: 429 with `Retry-After`; who has no key is not counted. None: there is no rate."""

    def __init__(self, app: ASGIApp, rates: RequestRates | None) -> None:
        self.app = app
        self._rates = rates
        self._policy = b"" if rates is None else f'"key";q={rates.quota};w={math.ceil(WINDOW_S)}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = scope.get("state", {}).get("principal")
        if scope["type"] != "http" or self._rates is None or principal is None:
            await self.app(scope, receive, send)
            return
        verdict = await self._rates.take(principal.key_id)
        told = [
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", f'"key";r={verdict.left};t={math.ceil(verdict.whole_in_s)}'.encode()),
        ]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *told]
            await send(message)

        if verdict.goes:
            await self.app(scope, receive, telling)
            return
        REQUESTS_HELD_BACK.labels("key").inc()
        await _too_many(verdict).response()(scope, receive, telling)


def _too_many(verdict: Verdict) -> Problem:
    wait = {"retry-after": str(max(1, math.ceil(verdict.next_in_s)))}
    return Problem(Code.TOO_MANY_REQUESTS, "this key has used up its rate of requests", headers=wait)
