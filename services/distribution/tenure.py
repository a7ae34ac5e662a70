"""May this process still act for a shard? What was begun under an earlier term is somebody else's by now."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.distribution.deliveries import Delivery

ASK_EVERY_S = 0.1


def always() -> bool:
    """The membership of whoever has nobody to share with."""
    return True


@dataclass(slots=True)
class Tenure:
    """Each time a shard is gained begins a term; a delivery belongs to the one under which it was read.

    `alive` tells whether the group surely still knows this process: one that was paused for longer than its
    session wakes up believing that it owns everything.
    """

    alive: Callable[[], bool] = always
    _terms: dict[int, int] = field(default_factory=dict)
    _begun: int = 0

    def gained(self, shards: frozenset[int]) -> None:
        self._begun += 1
        self._terms.update(dict.fromkeys(shards, self._begun))

    def lost(self, shards: frozenset[int]) -> None:
        for shard in shards:
            self._terms.pop(shard, None)

    def term(self, shard: int) -> int:
        """The current term of a shard; 0 when it is not ours."""
        return self._terms.get(shard, 0)

    @property
    def owned(self) -> int:
        """How many shards are ours."""
        return len(self._terms)

    def holds(self, delivery: Delivery) -> bool:
        """Tell, without waiting, whether a delivery may be acted on at this moment."""
        return self.reads(delivery) and self.alive()

    def reads(self, delivery: Delivery) -> bool:
        """Tell whether a delivery was read under the present term of its shard, sure or not."""
        return self._is_current(delivery.shard, delivery.term)

    async def confirmed(self, delivery: Delivery) -> bool:
        """Wait until that is certain; False once its term is over, and then its new owner does what is to be done."""
        return await self.sure(delivery.shard, delivery.term)

    async def sure(self, shard: int, term: int) -> bool:
        """Wait until a shard is certainly ours under that term; False once it is over."""
        while self._is_current(shard, term):
            if self.alive():
                return True
            await asyncio.sleep(ASK_EVERY_S)
        return False

    def _is_current(self, shard: int, term: int) -> bool:
        """Nobody has a shard under term 0, though its term is 0 while it is not ours."""
        return term != 0 and self.term(shard) == term
