"""Which releases wait, at an endpoint that wants every one, until an older one of their story is answered?

Kept in `endpoint.health`, one record per endpoint and story while anything of it is unanswered, so that those who
wait cost neither an offset nor a retry record.
"""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from services.distribution.deliveries import Delivery
from services.distribution.matching import ShardOf
from shared.domain.story import Kind, Lane
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.topics import key_of, parts_of

PART = "held"
Pair = tuple[str, str]
"""(endpoint_id, story_id)"""


class Place(BaseModel):
    """One unanswered release. `waits`: its own record has passed, and it is fetched by `offset` in its lane when it is
    its turn; otherwise a retry topic, or a block whose offset has not passed, holds it. `since`: when it was put
    here first, epoch µs.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    release_no: int
    version: int
    kind: Kind
    lane: Lane
    offset: int | None = None
    waits: bool = False
    since: int = 0


class HeldStory(BaseModel):
    """A story's unanswered releases at one endpoint, oldest first; `has`: the newest release it got meanwhile."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint_id: str
    story_id: str
    has: int = 0
    releases: tuple[Place, ...] = ()

    @property
    def key(self) -> str:
        return key_of(self.endpoint_id, PART, self.story_id)

    def place(self, release_no: int) -> Place | None:
        return next((each for each in self.releases if each.release_no == release_no), None)

    def holding(self, place: Place) -> "HeldStory":
        """Return the story with this place in it, instead of the one its release had."""
        others = [each for each in self.releases if each.release_no != place.release_no]
        ordered = sorted([*others, place], key=lambda each: each.release_no)
        return self.model_copy(update={"releases": tuple(ordered)})

    def without(self, release_no: int, *, delivered: bool) -> "HeldStory":
        """Return the story after that release was answered (`delivered`) or given up."""
        left = tuple(each for each in self.releases if each.release_no != release_no)
        has = max(self.has, release_no) if delivered else self.has
        return self.model_copy(update={"releases": left, "has": has})

    def first(self, since: int) -> Place | None:
        """The oldest release from number `since` on."""
        return next((each for each in self.releases if each.release_no >= since), None)


class HeldBack:
    """What the topic says of every shard, and beside it what this process itself has written for the shards it owns.

    For its own shards an owner never goes by the topic: its Tail is a moment behind.
    """

    def __init__(self) -> None:
        self._read: dict[Pair, tuple[HeldStory, datetime]] = {}
        self._own: dict[Pair, HeldStory] = {}
        self._endpoints: dict[str, set[str]] = {}

    def apply(self, record: Record) -> None:
        """Take one record of `endpoint.health`; parts of an endpoint other than held stories are not ours."""
        endpoint_id, *rest = parts_of(record.key or "")
        if len(rest) != 2 or rest[0] != PART:
            return
        if record.value is None:
            self._read.pop((endpoint_id, rest[1]), None)
            return
        try:
            held = HeldStory.model_validate_json(record.value)
        except ValidationError:
            logger().error("held.unreadable", partition=record.partition, offset=record.offset)
            return
        self._read[endpoint_id, rest[1]] = held, datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)

    def gained(self, shards: frozenset[int], shard_of: ShardOf) -> datetime | None:
        """Take over these shards; return when the oldest record was written whose first release may be in flight."""
        taken = {pair: found for pair, found in self._read.items() if shard_of(pair[0]) in shards}
        for held, _ in taken.values():
            self.keep(held)
        return min((at for held, at in taken.values() if held.releases and held.releases[0].waits), default=None)

    def lost(self, shards: frozenset[int], shard_of: ShardOf) -> None:
        for pair in [pair for pair in self._own if shard_of(pair[0]) in shards]:
            self._forget(pair)

    def keep(self, held: HeldStory) -> None:
        """Remember what is about to be written for a story of ours; one without releases is forgotten."""
        pair = (held.endpoint_id, held.story_id)
        if not held.releases:
            self._forget(pair)
            return
        self._own[pair] = held
        self._endpoints.setdefault(held.story_id, set()).add(held.endpoint_id)

    def of(self, delivery: Delivery) -> HeldStory | None:
        return self._own.get((delivery.endpoint_id, delivery.story_id))

    def lists(self, endpoint_id: str, story_id: str, release_no: int) -> bool:
        held = self._own.get((endpoint_id, story_id))
        return held is not None and held.place(release_no) is not None

    def of_story(self, story_id: str) -> list[HeldStory]:
        """The story as it is held at each of our endpoints."""
        return [self._own[endpoint_id, story_id] for endpoint_id in sorted(self._endpoints.get(story_id, ()))]

    def at(self, endpoint_id: str, lane: Lane, offset: int) -> tuple[HeldStory, Place] | None:
        """The release at a place, if it is listed at one of our endpoints."""
        for held in self._own.values():
            for place in held.releases:
                if held.endpoint_id == endpoint_id and (place.lane, place.offset) == (lane, offset):
                    return held, place
        return None

    def of_shard(self, shard: int, shard_of: ShardOf) -> list[HeldStory]:
        return [held for held in self._own.values() if shard_of(held.endpoint_id) == shard]

    def _forget(self, pair: Pair) -> None:
        endpoint_id, story_id = pair
        self._own.pop(pair, None)
        endpoints = self._endpoints.get(story_id, set())
        endpoints.discard(endpoint_id)
        if not endpoints:
            self._endpoints.pop(story_id, None)
