"""One reading of all lags: who commits where, where the partitions end, how old the oldest waiting records are.

aiokafka's admin client has no error check for offsets that a coordinator refuses, and no way to read one record of
many partitions at once; so three requests are made here by hand. Names inside are the cluster's own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import (
    DescribeGroupsRequest_v0,
    DescribeGroupsRequest_v1,
    DescribeGroupsRequest_v2,
    ListGroupsRequest,
)
from aiokafka.protocol.api import Request
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.structs import TopicPartition

from services.monitor.adapters.record_times import RecordTimes, Unread
from services.monitor.lag import Observed, Place, Reading
from services.monitor.ports import Unreadable
from shared.platform.clock import Clock
from shared.platform.consumers import close, group_name, open_consumer
from shared.platform.provisioning import readers
from shared.platform.settings import KafkaSettings
from shared.platform.topics import name

WITHIN_S: Final = 10.0  # a reading that takes longer is given up, its connection with it
AT_ONCE: Final = 32  # requests to coordinators under way
NOT_CONSUMERS: Final = frozenset({"connect", "sr", "share"})
INTERNAL: Final = "__"

Commits = dict[str, dict[TopicPartition, int]]


class KafkaLagReader:
    """Implements `LagReader` over one connection that is opened when needed and given up after an error."""

    def __init__(self, kafka: KafkaSettings, clock: Clock) -> None:
        self._kafka = kafka.model_copy(update={"client_id": f"{kafka.client_id}-lag"})
        self._clock = clock
        self._consumer: Any = None
        self._coordinators: dict[str, int] = {}
        self._times = RecordTimes()
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def read(self) -> Reading:
        """Read everything once. Raises `Unreadable`; the next call connects anew."""
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self._read()
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise Unreadable(f"{type(error).__name__} from {self._kafka.bootstrap}") from error

    async def close(self) -> None:
        """Let go of the connection; may be repeated."""
        consumer, self._consumer = self._consumer, None
        self._coordinators.clear()
        if consumer is not None:
            await close(consumer)

    async def _read(self) -> Reading:
        if self._consumer is None:
            self._consumer = await open_consumer(self._kafka)
        known = _known(self._kafka)
        groups = sorted({*await self._groups(), *(group for group, _ in known)})
        commits = dict(zip(groups, await asyncio.gather(*map(self._commits, groups)), strict=True))
        members = await self._members(groups)
        partitions = await self._partitions({topic for _, topic in known} | {at.topic for at, _ in _offsets(commits)})
        ends = await self._consumer.end_offsets(partitions) if partitions else {}
        starts = await self._starts(commits, ends)
        wanted = {Unread(at, max(offset, starts[at])) for at, offset in _offsets(commits) if at in starts}
        times = await self._times.read(self._consumer._client, wanted)
        seen = _Seen(commits, ends, starts, times, members)
        return Reading(self._clock.now(), tuple(self._observed(known, seen)))

    async def _starts(self, commits: Commits, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The first offset still kept, of every partition where somebody has records waiting."""
        waiting = {at for at, offset in _offsets(commits) if offset < ends.get(at, offset)}
        return dict(await self._consumer.beginning_offsets(sorted(waiting))) if waiting else {}

    async def _groups(self) -> set[str]:
        """Every consumer group of the cluster that shares our prefix, foreign ones included."""
        found: set[str] = set()
        for broker in self._consumer._client.cluster.brokers():
            answer = await self._send(ListGroupsRequest(), broker.nodeId)
            _raise(answer.error_code)
            found.update(group for group, protocol, *_ in answer.groups if protocol not in NOT_CONSUMERS)
        return {group for group in found if group.startswith(self._kafka.topic_prefix)}

    async def _commits(self, group: str) -> dict[TopicPartition, int]:
        """Every offset the group has committed, on partitions that share our prefix."""
        async with self._limit:
            answer = await self._send(OffsetFetchRequest(group, None), await self._coordinator(group))
        if answer.error_code:
            self._coordinators.pop(group, None)
            _raise(answer.error_code)
        return {
            TopicPartition(topic, partition): offset
            for topic, partitions in answer.topics
            for partition, offset, _, error, *_ in partitions
            if offset >= 0 and not error and topic.startswith(self._kafka.topic_prefix)
        }

    async def _members(self, groups: list[str]) -> dict[str, int]:
        """How many consumers each group has; groups that only commit have none."""
        by_node: dict[int, list[str]] = {}
        for group in groups:
            by_node.setdefault(await self._coordinator(group), []).append(group)
        counts: dict[str, int] = {}
        for node, theirs in by_node.items():
            answer = await self._send(_DescribeGroups(theirs), node)
            counts |= {group: len(members) for error, group, _, _, _, members, *_ in answer.groups if not error}
        return counts

    async def _coordinator(self, group: str) -> int:
        if group not in self._coordinators:
            client = self._consumer._client
            answer = await self._send(FindCoordinatorRequest(group, 0), client.get_random_node())
            _raise(answer.error_code)
            self._coordinators[group] = int(answer.coordinator_id)
        return self._coordinators[group]

    async def _partitions(self, topics: set[str]) -> list[TopicPartition]:
        """The partitions of those topics that exist, their leaders known to the client before it is asked for ends."""
        client = self._consumer._client
        cluster = await client.fetch_all_metadata()
        there = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        await client.set_topics([topic for topic, numbers in there.items() if numbers])
        return [TopicPartition(topic, number) for topic, numbers in there.items() for number in sorted(numbers)]

    async def _send(self, request: Any, node: int) -> Any:
        return await self._consumer._client.send(node, request)

    def _observed(self, known: Mapping[tuple[str, str], str], seen: "_Seen") -> list[Observed]:
        """One observation per group and partition: where it has committed, and where ours should have."""
        places = {(group, at) for group, mine in seen.commits.items() for at in mine}
        places |= {(group, at) for group, topic in known for at in seen.ends if at.topic == topic}
        return [self._one(group, at, known, seen) for group, at in sorted(places) if not at.topic.startswith(INTERNAL)]

    def _one(self, group: str, at: TopicPartition, known: Mapping[tuple[str, str], str], seen: "_Seen") -> Observed:
        prefix = self._kafka.topic_prefix
        committed, start = seen.commits[group].get(at), seen.starts.get(at, 0)
        return Observed(
            Place(group.removeprefix(prefix), at.topic.removeprefix(prefix), at.partition),
            committed=committed,
            end=seen.ends.get(at),
            oldest_ms=None if committed is None else seen.times.get(Unread(at, max(committed, start))),
            overtaken=committed is not None and committed < start,
            members=seen.members.get(known.get((group, at.topic), group)),
            ours=(group, at.topic) in known,
        )


class _DescribeGroups(Request[DescribeGroupsRequest_v0 | DescribeGroupsRequest_v1 | DescribeGroupsRequest_v2]):  # type: ignore[misc]
    """aiokafka 0.14 reads the answer to its version 3 as if it were version 2, so version 2 is asked for."""

    API_KEY = DescribeGroupsRequest_v0.API_KEY

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._groups)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the broker has said in one reading, in the cluster's names."""

    commits: Commits
    ends: Mapping[TopicPartition, int]
    starts: Mapping[TopicPartition, int]
    times: Mapping[Unread, int]
    members: Mapping[str, int]


def _known(kafka: KafkaSettings) -> dict[tuple[str, str], str]:
    """Our readers as (group, topic) in the cluster's names, and the group whose members read there."""
    return {
        (group_name(reader.own, kafka.topic_prefix), name(reader.topic, kafka.topic_prefix)): group_name(
            reader.group, kafka.topic_prefix
        )
        for reader in readers()
    }


def _offsets(commits: Commits) -> list[tuple[TopicPartition, int]]:
    return [one for mine in commits.values() for one in mine.items()]


def _raise(error_code: int) -> None:
    if error_code:
        raise for_code(error_code)()
