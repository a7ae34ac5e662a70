"""How old is the record at an offset? One raw fetch asks all partitions at once, a few KiB each."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from aiokafka.errors import NoError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import MemoryRecords
from aiokafka.structs import TopicPartition

SIZES: Final = (4 * 1024, 1024 * 1024, 13 * 1024 * 1024)  # tried in turn, while a batch does not fit
MOST_AT_ONCE: Final = 16 * 1024 * 1024


class Unread(NamedTuple):
    """The next offset to be read of a partition."""

    at: TopicPartition
    offset: int


class RecordTimes:
    """Timestamps by offset, remembered as long as they are asked for: a record at an offset never changes."""

    def __init__(self) -> None:
        self._known: dict[Unread, int] = {}

    async def read(self, client: Any, wanted: Collection[Unread]) -> dict[Unread, int]:
        """Return the timestamp (epoch ms) of the first record at or behind each offset; none where there is none.

        Raises aiokafka's KafkaError.
        """
        known = {one: self._known[one] for one in wanted if one in self._known}
        missing = [one for one in wanted if one not in known]
        for size in SIZES:
            if not missing:
                break
            found = await _fetch(client, missing, size)
            known |= found
            missing = [one for one in missing if one not in found]
        self._known = known
        return known


async def _fetch(client: Any, wanted: Collection[Unread], size: int) -> dict[Unread, int]:
    """What one round of requests answers; offsets whose batch is larger than `size` are left out."""
    found: dict[Unread, int] = {}
    for one_each in _rounds(wanted):
        by_node: dict[int, list[Unread]] = defaultdict(list)
        for one in one_each:
            leader = client.cluster.leader_for_partition(one.at)
            if leader is not None and leader >= 0:  # else nobody leads it just now: its age stays unknown
                by_node[leader].append(one)
        for node, theirs in by_node.items():
            found |= await _ask(client, node, theirs, size)
    return found


def _rounds(wanted: Collection[Unread]) -> Iterator[list[Unread]]:
    """Each partition at most once per request: several groups at different offsets need several requests."""
    waiting: dict[TopicPartition, list[Unread]] = defaultdict(list)
    for one in wanted:
        waiting[one.at].append(one)
    while waiting:
        yield [offsets.pop() for offsets in waiting.values()]
        waiting = defaultdict(list, {at: offsets for at, offsets in waiting.items() if offsets})


async def _ask(client: Any, node: int, wanted: list[Unread], size: int) -> dict[Unread, int]:
    answer = await client.send(node, _request(wanted, size))
    asked = {one.at: one for one in wanted}
    found: dict[Unread, int] = {}
    for topic, partitions in answer.topics:
        for partition, error, *_, batches in partitions:
            one = asked[TopicPartition(topic, partition)]
            if for_code(error) is NoError and (at := _timestamp(batches, one.offset)) is not None:
                found[one] = at
    return found


def _request(wanted: list[Unread], size: int) -> FetchRequest:
    topics: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for one in wanted:
        topics[one.at.topic].append((one.at.partition, one.offset, size))
    return FetchRequest(0, 0, max(MOST_AT_ONCE, size), 0, list(topics.items()))


def _timestamp(batches: bytes | None, offset: int) -> int | None:
    """The timestamp of the first record at or behind `offset`, None when no whole batch holds one."""
    records = MemoryRecords(batches or b"")
    while records.has_next():
        batch = records.next_batch()
        if batch.next_offset <= offset:
            continue
        for record in batch:
            if record.offset >= offset:
                return int(record.timestamp)
    return None
