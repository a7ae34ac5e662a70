"""Which endpoints does one release go to? Filters that match it now, and everybody who had an earlier one."""

from collections.abc import Iterable

from services.distribution.registry import Registry
from shared.domain.events import Released
from shared.domain.story import NOTICES, Lane
from shared.domain.subscription import Text
from shared.platform.topics import partition_of

MOST_PER_BLOCK = 500


class ShardOf:
    """Which shard owns an endpoint: Kafka's hash of its id over the partitions of the delivery topics."""

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self._known: dict[str, int] = {}

    def __call__(self, endpoint_id: str) -> int:
        shard = self._known.get(endpoint_id)
        if shard is None:  # the hash is 5 µs of pure Python, asked several times for every delivery
            shard = self._known[endpoint_id] = partition_of(endpoint_id, self.shards)
        return shard


def matches(registry: Registry, released: Released, lane: Lane, offset: int) -> frozenset[str]:
    """Return the endpoints whose filter matches and whose subscription began at or before this release.

    An item without text is judged on the reach of its story; a notice alone makes nobody a recipient, so
    kills and withholds match no one anew.
    """
    if released.item.kind in NOTICES:
        return frozenset()
    return registry.wanting(released.facts, Text(released.item.story), lane, offset)


def by_shard(endpoint_ids: Iterable[str], shard_of: ShardOf) -> dict[int, list[tuple[str, ...]]]:
    """Group endpoints into blocks of at most `MOST_PER_BLOCK`, in a stable order."""
    shards: dict[int, list[str]] = {}
    for endpoint_id in sorted(endpoint_ids):
        shards.setdefault(shard_of(endpoint_id), []).append(endpoint_id)
    return {
        shard: [tuple(ids[start : start + MOST_PER_BLOCK]) for start in range(0, len(ids), MOST_PER_BLOCK)]
        for shard, ids in shards.items()
    }
