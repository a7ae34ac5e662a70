"""Who was ever owed a release of a story: they get every later one, whatever their filter says by then."""

import json
from collections.abc import Iterable

from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.topics import key_of

SHARD = "0"  # one matcher reads all; endpoints split by shard get a record each later


class Recipients:
    """The union over all releases, by story; fed by a Tail of `story.recipients` and by the matcher's own writes."""

    def __init__(self) -> None:
        self._by_story: dict[str, frozenset[str]] = {}

    def of(self, story_id: str) -> frozenset[str]:
        return self._by_story.get(story_id, frozenset())

    def add(self, story_id: str, endpoint_ids: Iterable[str]) -> None:
        self._by_story[story_id] = self.of(story_id) | frozenset(endpoint_ids)

    def apply(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            read = json.loads(record.value)
            self.add(read["story_id"], read["endpoint_ids"])
        except (ValueError, KeyError, TypeError):
            logger().error("recipients.unreadable", partition=record.partition, offset=record.offset)


def record_of(story_id: str, endpoint_ids: Iterable[str], release_no: int) -> tuple[str, bytes]:
    """Return (key, value) of the record that says who is owed the story."""
    value = {"story_id": story_id, "endpoint_ids": sorted(endpoint_ids), "release_no": release_no}
    return key_of(story_id, SHARD), json.dumps(value, separators=(",", ":")).encode()
