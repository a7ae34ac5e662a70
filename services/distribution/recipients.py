"""Who was ever owed a release of a story: they get every later one, whatever their filter says by then."""

import json
from collections.abc import Iterable, Iterator
from sys import intern

from services.distribution.matching import ShardOf
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of


class Recipients:
    """The union over all releases and shards, by story; fed by a Tail of `story.recipients` and by the matcher's own
    writes. A record of one shard holds that shard's endpoints alone, so that none outgrows its topic.
    """

    def __init__(self) -> None:
        self._by_story: dict[str, frozenset[str]] = {}
        self._joined: dict[str, tuple[int, frozenset[str]]] = {}

    def of(self, story_id: str) -> frozenset[str]:
        return self._by_story.get(story_id, frozenset())

    def joined_by(self, story_id: str, release_no: int) -> frozenset[str]:
        """Who became a recipient by this release, if it was the last to bring anybody: it may be handled again."""
        last, joined = self._joined.get(story_id, (0, frozenset()))
        return joined if last == release_no else frozenset()

    def add(self, story_id: str, endpoint_ids: Iterable[str], release_no: int = 0, joined: Iterable[str] = ()) -> None:
        self._by_story[story_id] = self.of(story_id) | frozenset(map(intern, endpoint_ids))
        if new := frozenset(map(intern, joined)):
            self._joined[story_id] = (release_no, self.joined_by(story_id, release_no) | new)

    def apply(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            read = json.loads(record.value)
            self.add(read["story_id"], read["endpoint_ids"], read.get("release_no", 0), read.get("joined", ()))
        except (ValueError, KeyError, TypeError):
            logger().error("recipients.unreadable", partition=record.partition, offset=record.offset)


def records_of(
    story_id: str, earlier: frozenset[str], fresh: frozenset[str], release_no: int, shard_of: ShardOf
) -> Iterator[Outgoing]:
    """Yield one record for each shard in which `fresh` endpoints join those owed the story `earlier`."""
    for shard in sorted({shard_of(each) for each in fresh}):
        joined = sorted(each for each in fresh if shard_of(each) == shard)
        everybody = sorted(each for each in earlier | fresh if shard_of(each) == shard)
        value = {"story_id": story_id, "endpoint_ids": everybody, "release_no": release_no, "joined": joined}
        # with the number of shards in the key, a cluster that grows leaves the records from before in force
        key = key_of(story_id, f"{shard}/{shard_of.shards}")
        yield Outgoing(Topic.RECIPIENTS, key, json.dumps(value, separators=(",", ":")).encode())
