"""Who is owed a story, and from which release on: they get every later one, whatever their filter says by then."""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from services.distribution.matching import ShardOf
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of

Numbers: TypeAlias = "array[int]"


class Recipients:
    """The union over all releases and shards, by story; fed by a Tail of `story.recipients` and by the matcher's own
    writes. A record of one shard holds that shard's endpoints alone, so that none outgrows its topic.

    Endpoints are numbered once, and a story keeps sorted numbers under the release that brought them: four bytes for
    each endpoint and story.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self._by_story: dict[str, tuple[tuple[int, Numbers], ...]] = {}

    def of(self, story_id: str) -> frozenset[str]:
        """Everybody who was owed any release of the story."""
        return self._named(known for _, known in self._by_story.get(story_id, ()))

    def owed(self, story_id: str, release_no: int) -> frozenset[str]:
        """Who is owed this release of the story: all who are owed it from this one on, or from an earlier one."""
        return self._named(known for since, known in self._by_story.get(story_id, ()) if since <= release_no)

    def since(self, story_id: str, endpoint_id: str) -> int | None:
        """From which release on the endpoint is owed the story; None when it never was."""
        number = self._numbers.get(endpoint_id)
        if number is None:
            return None
        return next((since for since, known in self._by_story.get(story_id, ()) if _holds(known, number)), None)

    def joined(self, story_id: str) -> dict[int, frozenset[str]]:
        """Whom each release brought that brought anybody."""
        return {since: self._named((known,)) for since, known in self._by_story.get(story_id, ())}

    def add(self, story_id: str, endpoint_ids: Iterable[str], since: int = 1) -> None:
        """The endpoints are owed the story from release `since` on; who already was from an earlier one, stays so."""
        new = {self._number(each) for each in endpoint_ids}
        groups = dict(self._by_story.get(story_id, ()))
        for release_no, known in groups.items():
            if release_no < since:
                new.difference_update(known)
            else:
                groups[release_no] = array("I", (each for each in known if each not in new))
        groups[since] = array("I", sorted(new.union(groups.get(since, ()))))
        self._by_story[story_id] = tuple(sorted((release_no, known) for release_no, known in groups.items() if known))

    def apply(self, record: Record) -> None:
        """Take one record, of today's shape or of the one before it: `endpoint_ids`, and whom `release_no` `joined`."""
        if record.value is None:
            return
        try:
            read = json.loads(record.value)
            for since, endpoint_ids in _groups(read):
                self.add(read["story_id"], endpoint_ids, since)
        except (ValueError, KeyError, TypeError, AttributeError):
            logger().error("recipients.unreadable", partition=record.partition, offset=record.offset)

    def _named(self, groups: Iterable[Numbers]) -> frozenset[str]:
        return frozenset(self._ids[number] for known in groups for number in known)

    def _number(self, endpoint_id: str) -> int:
        number = self._numbers.setdefault(endpoint_id, len(self._ids))
        if number == len(self._ids):
            self._ids.append(endpoint_id)
        return number


def records_of(
    story_id: str, earlier: Mapping[int, Iterable[str]], fresh: frozenset[str], release_no: int, shard_of: ShardOf
) -> Iterator[Outgoing]:
    """Yield one record for each shard in which `fresh` endpoints join, by `release_no`, those who joined `earlier`.

    Value: `{"story_id": …, "since": {"1": [endpoint ids], "3": […]}}`, by the release from which on they are owed it.
    """
    shards: dict[int, dict[int, list[str]]] = {}
    for since, endpoint_ids in sorted({**earlier, release_no: fresh.union(earlier.get(release_no, ()))}.items()):
        for each in sorted(endpoint_ids):
            shards.setdefault(shard_of(each), {}).setdefault(since, []).append(each)
    for shard in sorted({shard_of(each) for each in fresh}):
        value = {"story_id": story_id, "since": shards[shard]}
        # with the number of shards in the key, a cluster that grows leaves the records from before in force
        key = key_of(story_id, f"{shard}/{shard_of.shards}")
        yield Outgoing(Topic.RECIPIENTS, key, json.dumps(value, separators=(",", ":")).encode())


def _groups(read: Mapping[str, Any]) -> Iterator[tuple[int, list[str]]]:
    """From which release on, and who; who stands in an old record without more is owed the story from the first on."""
    if "since" in read:
        yield from ((int(since), endpoint_ids) for since, endpoint_ids in read["since"].items())
        return
    if joined := read.get("joined"):
        yield read["release_no"], joined
    yield 1, sorted(set(read["endpoint_ids"]).difference(joined or ()))


def _holds(known: Numbers, number: int) -> bool:
    at = bisect_left(known, number)
    return at < len(known) and known[at] == number
