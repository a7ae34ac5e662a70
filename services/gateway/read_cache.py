"""What was read a moment ago, as the bytes that went out: true as long as nothing has changed, made by one for all.

An answer is given again while (1) no story was killed, withheld or let go since, (2) the views held every release that
this process has seen when it was made, and (3) Redis has said within the last second that they hold nothing newer. A
refusal (there is no such story) is kept by the same rule, so it never outlives the release that makes it wrong.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from services.gateway.followed import Followed
from services.gateway.refusals import Gone, NotFound, NotReady
from services.gateway.representations import Representation
from services.gateway.views.ports import Progress, Reached, ViewsMissing
from shared.platform.metrics import READ_CACHE_BYTES, READ_CACHE_EVICTED, READS

CONFIRMED_S: Final = 1.0
MOST_BYTES: Final = 64 * 1024 * 1024
_OVERHEAD: Final = 2048
"""Bytes counted for each answer beside its bodies."""
_TRIES: Final = 3

_HIT, _JOINED, _CONFIRMED, _FILLED = (READS.labels(how) for how in ("hit", "joined", "confirmed", "filled"))

Key = tuple[Hashable, ...]


class Made(NamedTuple):
    """An answer, and the stories it speaks of."""

    answer: Representation
    stories: frozenset[str]


Make = Callable[[], Awaitable[Made]]


class Gate(Protocol):
    """What was killed or withheld, as a count of changes; `services.gateway.desk_view.DeskView` is one."""

    @property
    def revision(self) -> int: ...

    def changed_since(self, revision: int) -> frozenset[str] | None: ...


@dataclass(slots=True, eq=False)
class Kept:
    """An answer, or the refusal in its place, and of when it is; `asked_at` in seconds of the cache's clock."""

    key: Key
    answer: Representation | NotFound | Gone
    stories: frozenset[str]
    revision: int
    reached: Reached
    asked_at: float
    size: int = 0
    route: object = None
    """The route that made it, for whoever answers in its place."""


@dataclass(slots=True)
class ReadCache:
    """`hit` for who has no time, `get` for the rest. Bounded by bytes; what was not asked for longest goes first."""

    progress: Progress
    gate: Gate
    followed: Followed
    most_bytes: int = MOST_BYTES
    clock: Callable[[], float] = time.monotonic
    _kept: "OrderedDict[Key, Kept]" = field(default_factory=OrderedDict)
    _flights: dict[Key, "asyncio.Task[Kept]"] = field(default_factory=dict)
    _bytes: int = 0

    def hit(self, key: Key) -> Kept | None:
        """Return an answer that may go out at this moment, if there is one; nothing is awaited."""
        kept = self._kept.get(key)
        if kept is None or not self._is_fresh(kept):
            return None
        self._kept.move_to_end(key)
        _HIT.inc()
        return kept

    async def get(self, key: Key, make: Make) -> Kept:
        """Return the kept answer or make it, once for all who ask meanwhile.

        Raises NotReady while the views are not whole, and what `make` raises.
        """
        kept = self.hit(key)
        tries = 0
        while kept is None or not self.may_go(kept):
            if tries == _TRIES:
                raise NotReady("these stories are killed or withheld faster than they can be read")
            kept, tries = await self._flown(key, make), tries + 1
        return kept

    def may_go(self, kept: Kept) -> bool:
        """Whether no story it speaks of was killed or withheld since it was read: asked again where it goes out."""
        changed = self.gate.changed_since(kept.revision)
        return changed is not None and changed.isdisjoint(kept.stories)

    def grew(self, kept: Kept) -> None:
        """Count what was added to an answer since it was kept, and make room for it."""
        if self._kept.get(kept.key) is kept:
            self._weigh(kept)
            self._evict()

    @property
    def bytes(self) -> int:
        """What is held, as it is counted."""
        return self._bytes

    async def _flown(self, key: Key, make: Make) -> Kept:
        """The answer of a flight that began after this was called, or of one before it that is still fresh."""
        if under_way := self._flights.get(key):
            kept = await asyncio.shield(under_way)
            if self._is_fresh(kept):
                _JOINED.inc()
                return kept
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fly(key, make), name="read cache")
            flight.add_done_callback(_look_at_it)  # whoever waited may be gone
        return await asyncio.shield(flight)

    async def _fly(self, key: Key, make: Make) -> Kept:
        try:
            asked_at, revision = self.clock(), self.gate.revision
            reached = await self.progress.reached()
            kept = self._kept.get(key)
            if kept is not None and (kept.revision, kept.reached) == (revision, reached):
                kept.asked_at = asked_at
                _CONFIRMED.inc()
                return kept
            answer, stories = await _made(make)
            _FILLED.inc()
            kept = Kept(key, answer, stories, revision, reached, asked_at)
            self._keep(kept)
            return kept
        except ViewsMissing as missing:
            raise NotReady(str(missing)) from missing
        finally:
            del self._flights[key]

    def _is_fresh(self, kept: Kept) -> bool:
        return (
            kept.revision == self.gate.revision
            and self.followed.is_behind(kept.reached.position)
            and self.clock() - kept.asked_at < CONFIRMED_S
        )

    def _keep(self, kept: Kept) -> None:
        if before := self._kept.pop(kept.key, None):
            self._bytes -= before.size
        self._kept[kept.key] = kept
        self._weigh(kept)
        self._evict()

    def _weigh(self, kept: Kept) -> None:
        body = kept.answer.size if isinstance(kept.answer, Representation) else 0
        size = body + _OVERHEAD + sum(len(part) for part in kept.key if isinstance(part, str | bytes))
        self._bytes += size - kept.size
        kept.size = size

    def _evict(self) -> None:
        while self._bytes > self.most_bytes and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size
            READ_CACHE_EVICTED.inc()
        READ_CACHE_BYTES.set(self._bytes)


async def _made(make: Make) -> tuple[Representation | NotFound | Gone, frozenset[str]]:
    try:
        return await make()
    except (NotFound, Gone) as refusal:
        return refusal, frozenset()


def _look_at_it(flight: "asyncio.Task[Kept]") -> None:
    if not flight.cancelled():
        flight.exception()
