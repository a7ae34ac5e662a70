"""Is a block of a release the first that comes of anything so new? Then nothing behind it was ever handed out."""

from typing import NamedTuple

from shared.domain.item import Item
from shared.domain.story import Lane


class Newest(NamedTuple):
    """The newest release of a lane that has come to a shard, and which of its blocks; none if in an earlier life."""

    offset: int
    blocks: frozenset[str]


NOTHING = Newest(-1, frozenset())


class Arrivals:
    """Up to where releases may have been handed out, by shard and lane."""

    def __init__(self) -> None:
        self._newest: dict[int, dict[Lane, Newest]] = {}

    def gained(self, shards: frozenset[int], ends: dict[Lane, int]) -> None:
        """Whatever lies before the lanes' ends now may have been handed out by an owner before."""
        for shard in shards:
            self._newest[shard] = {lane: Newest(end - 1, frozenset()) for lane, end in ends.items()}

    def lost(self, shards: frozenset[int]) -> None:
        for shard in shards:
            self._newest.pop(shard, None)

    def is_fresh(self, shard: int, item: Item, block_id: str) -> bool:
        """Tell whether nothing at or behind a block's release was handed out to its endpoints; from now on it was.

        A release to many endpoints has several blocks.
        """
        if item.seq is None:
            return False
        lanes = self._newest.setdefault(shard, {})
        newest = lanes.get(item.lane, NOTHING)
        if item.seq > newest.offset:
            lanes[item.lane] = Newest(item.seq, frozenset({block_id}))
            return True
        if item.seq < newest.offset or not newest.blocks or block_id in newest.blocks:
            return False
        lanes[item.lane] = Newest(item.seq, newest.blocks | {block_id})
        return True
