"""Which endpoints does one release go to? Filters that match it now, and who had an earlier one, within products."""

from collections.abc import Iterable

from services.distribution.registry import Registry
from shared.domain.events import Released
from shared.domain.products import Bounds, within
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
    """Return the endpoints whose filter and products match and whose subscription began at or before this release.

    A notice alone makes nobody a recipient, so kills and withholds match no one anew.
    """
    if released.item.kind in NOTICES:
        return frozenset()
    return entitled(registry, released, registry.wanting(released.facts, Text(released.item.story), lane, offset))


def entitled(registry: Registry, released: Released, endpoint_ids: frozenset[str]) -> frozenset[str]:
    """Return those of the endpoints that may be sent a release, by the products of their subscribers at this moment.

    A notice (withhold, kill) may go to all of them, whatever their products are by now: they are given as who was owed
    an earlier release, and nobody keeps a story without hearing of its end. Anything with a text goes only to those
    who have a product that wants it, had they an earlier release or not; a correction and a release after a withhold
    also to those who have one that wants the reach of the story. What is within again later goes out again. A
    subscriber without a record of products may have everything, one with an empty list nothing.
    """
    if not registry.has_bounds or released.item.kind in NOTICES:
        return endpoint_ids
    judging = _Judging(released)
    return frozenset(each for each in endpoint_ids if judging.lets_pass(registry.bounds_of(each)))


class _Judging:
    """One release before the products of many endpoints: those of one subscriber are judged once."""

    def __init__(self, released: Released) -> None:
        self._released = released
        self._text: Text | None = None
        self._judged: dict[int, bool] = {}

    def lets_pass(self, bounds: Bounds) -> bool:
        if bounds is None:
            return True
        known = self._judged.get(id(bounds))  # the registry keeps them alive, and hashing filters costs more
        if known is None:
            told = self._released
            known = self._judged[id(bounds)] = within(bounds, told.item.kind, told.facts, told.reach, self._words)
        return known

    def _words(self) -> Text:
        if self._text is None:
            self._text = Text(self._released.item.story)
        return self._text


def by_shard(endpoint_ids: Iterable[str], shard_of: ShardOf) -> dict[int, list[tuple[str, ...]]]:
    """Group endpoints into blocks of at most `MOST_PER_BLOCK`, in a stable order."""
    shards: dict[int, list[str]] = {}
    for endpoint_id in sorted(endpoint_ids):
        shards.setdefault(shard_of(endpoint_id), []).append(endpoint_id)
    return {
        shard: [tuple(ids[start : start + MOST_PER_BLOCK]) for start in range(0, len(ids), MOST_PER_BLOCK)]
        for shard, ids in shards.items()
    }
