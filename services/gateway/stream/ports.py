"""What does the stream need from the rest of the gateway and from the log?"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from services.gateway.stream.positions import Position
from shared.domain.products import Bounds
from shared.domain.story import Lane
from shared.domain.subscription import Filter
from shared.platform.problems import code_of
from shared.platform.reading import Pause, Since, TopicPartition
from shared.platform.records import Record

EVERYTHING: Final = Filter()


@dataclass(frozen=True, slots=True)
class HeaderView:
    """The head of a request: query pairs decoded, header names in lower case (of repeated ones the last counts)."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def param(self, name: str) -> str | None:
        """Return the last value of a query parameter, or None."""
        return next((value for key, value in reversed(self.query) if key == name), None)


Claim = Callable[[], Coroutine[Any, Any, "Problem | None"]]
"""Uses up what was shown and is good once; the problem if it was used before. Must not take long."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may listen, to what at most, and from where on; the query's own filter narrows `filter` further.

    `key` names the key that was shown, for its own limits. A release must be within one of the `products` (None: all
    there is). `start` is that of the subscription: what lies before it is none of this client's, and no gap either.
    `claim` is called once before the first byte, and not at all for a request that is refused; None: a key was shown.
    """

    subscriber: str
    filter: Filter = EVERYTHING
    start: Mapping[Lane, int] = field(default_factory=dict)
    key: str = ""
    products: Bounds = None
    claim: Claim | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as problem+json (RFC 9457); `more` holds extension members, `headers` go on the response."""

    status: int
    title: str
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The members of the problem object."""
        told = {"type": code_of(self.status).type, "title": self.title, "status": self.status, "detail": self.detail}
        return told | dict(self.more)


Authorize = Callable[[HeaderView], Grant | Problem]
"""Judges key or ticket, scope and `subscription`. Must not block; called once for each GET of the stream."""

WhyNot = Callable[[str, Bounds], Literal["revoked", "products"] | None]
"""Tells whether a key holds no more, or not within the products that were granted. Must not block."""

GapReason = Literal["history", "slow", "epoch"]


class Log(Protocol):
    """Topics that are read to their ends and then followed; `shared.platform.reading.Tail` is one."""

    async def load(self, apply: Callable[[Record], None], since: Since = "beginning") -> None: ...

    async def follow(
        self, apply: Callable[[Record], None], stop: asyncio.Event, *, between: Pause | None = None
    ) -> None:
        """`between` is awaited after each handful of what is routine, before more of it is read."""
        ...

    def positions(self) -> Mapping[TopicPartition, int]: ...


class History(Protocol):
    """The released topics themselves, for what the ring no longer holds. May be slow; never on the hot path."""

    async def earliest(self) -> Position:
        """The first offsets the log still has."""
        ...

    async def at(self, when: datetime) -> Position:
        """The first offsets whose records are not older than `when` (aware)."""
        ...

    async def read(self, lane: Lane, since: int, until: int) -> Sequence[Record]:
        """The next records of [since, until), some at a time; empty when there is none left."""
        ...
