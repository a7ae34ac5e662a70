"""What would a filter have brought in the last days? Every released story of that time, judged within bounds."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from services.gateway.refusals import NotReady
from services.gateway.stories import Stories, products_having
from shared.domain.events import from_epoch_us
from shared.domain.item import Item
from shared.domain.products import Products
from shared.domain.story import Lane
from shared.domain.subscription import Filter, Text, wants
from shared.platform.clock import Clock

MOST_LOOKED_AT: Final = 10_000
"""Stories judged for one rehearsal; about a second of CPU."""
WITHIN_S: Final = 3.0
WAITS_S: Final = 3.0
"""Seconds a rehearsal waits for the one before it: one at a time, so that whoever reads is not slowed by many."""
SAMPLE: Final = 20


@dataclass(slots=True)
class Rehearsed:
    """What came of it. `since`: how far back was asked for; `looked_back_to`: how far back it got.

    `products`: matches by the products that have them; a story may be within several. None: there are no bounds.
    """

    since: datetime
    until: datetime
    looked_back_to: datetime
    complete: bool = False
    looked_at: int = 0
    sample: list[Item] = field(default_factory=list)
    counts: Counter[tuple[date, Lane]] = field(default_factory=Counter)
    products: Counter[str] | None = None

    def take(self, item: Item, having: Iterable[str] = ()) -> None:
        """Count a match, and whose products have it."""
        if self.products is not None:
            self.products.update(having)
        day = min(item.released_at, self.until).date()  # what comes in at midnight while this runs is today's
        self.counts[day, item.lane] += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(item)

    def by_day(self) -> list[tuple[date, dict[Lane, int]]]:
        """Matches by lane of each day (UTC) that was looked at, the first and the last in part; newest first."""
        first, last = self.looked_back_to.date(), self.until.date()
        days = [last - timedelta(days=back) for back in range((last - first).days + 1)]
        return [(day, {lane: self.counts[day, lane] for lane in Lane}) for day in days]


@dataclass(slots=True)
class Rehearsals:
    """Reads the same views through the same gate as lists do: withheld and killed stories are no matches."""

    stories: Stories
    clock: Clock
    most: int = MOST_LOOKED_AT
    within_s: float = WITHIN_S
    waits_s: float = WAITS_S
    monotonic: Callable[[], float] = time.monotonic
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def rehearse(self, wanted: Filter, days: int, products: Products | None = None) -> Rehearsed:
        """Judge the newest release of every story released in the last `days`, the newest first. Raises NotReady.

        A match is within one of the `products` (None: no bounds).
        """
        async with self._in_turn():
            now = self.clock.now()
            since = now - timedelta(days=days)
            done = Rehearsed(since, now, looked_back_to=now)
            if products is not None:
                done.products = Counter({each.name: 0 for each in products.products})
            ends = self.monotonic() + self.within_s
            async with aclosing(self.stories.newest_first(wanted, since)) as found:
                async for place, shown in found:
                    if done.looked_at >= self.most or self.monotonic() >= ends:
                        return done
                    done.looked_at += 1
                    done.looked_back_to = from_epoch_us(place.at_us)
                    if shown.is_notice or not wants(wanted, shown.facts, Text(shown.item.story)):
                        continue
                    having = () if products is None else products_having(products, shown)
                    if products is None or having:
                        done.take(shown.item, having)
            done.complete, done.looked_back_to = True, since
            return done

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.waits_s):
                await self._turn.acquire()
        except TimeoutError:
            raise NotReady("other rehearsals are under way", retry_after=round(self.within_s)) from None
        try:
            yield
        finally:
            self._turn.release()
