"""How is a consumer opened and closed, and what has a group committed?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, KafkaError, for_code
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.structs import TopicPartition

from shared.domain.errors import Misconfigured
from shared.platform.bounded import LET_GO_WITHIN_S, ended_within
from shared.platform.groups import refuse_to_join_strangers
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name

FETCH_WAIT_MS = 100  # a partition that was drained or resumed joins the fetch after this at the latest
CLOSE_WITHIN_S = 5.0

log = structlog.stdlib.get_logger(__name__)


def group_name(group: str, prefix: str = "") -> str:
    """The group's id on a cluster whose names all begin with `prefix`."""
    return f"{prefix}{group}"


def follower_group(group: str, topic: Topic) -> str:
    """The group under which a follower commits: `moderation` reading desk.inbox is `moderation.desk.inbox`."""
    return f"{group}.{topic.value.removeprefix('wire.').removesuffix('.v1')}"


class Consumer(Protocol):
    """What the loop needs of a consumer: aiokafka's own methods, and the few things that it knows and does not tell.

    The tests have another one, over a log in memory.
    """

    def subscribe(self, topics: Sequence[str], *, listener: Any) -> None: ...
    def assign(self, places: Sequence[TopicPartition]) -> None: ...
    def unsubscribe(self) -> None: ...
    def assignment(self) -> Set[TopicPartition]: ...
    def seek(self, place: TopicPartition, offset: int) -> None: ...
    def pause(self, *places: TopicPartition) -> None: ...
    def resume(self, *places: TopicPartition) -> None: ...
    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Any]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None: ...
    async def stop(self) -> None: ...

    async def offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        """What the group has committed, each with its note; nothing where it never has."""

    async def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """How many partitions each topic has; 0 where it does not exist."""

    def watch(self, sending: Callable[[], float], accepted: Callable[[float], None], gone: Callable[[], None]) -> None:
        """Call `accepted` with what `sending` said before each heartbeat that the group took, and `gone` once it knows
        this member no more, which then stays out of the group."""

    def check(self) -> None:
        """Raise what the group's coordinator cannot go on with.

        It waits for somebody to ask, and does nothing until then, not even send heartbeats.
        """

    def commit_only(self, allowed: Callable[[], bool]) -> None:
        """Ask `allowed` at the moment a commit is sent, after whatever it had to wait for; CommitFailedError if not."""


class BrokerConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped
    """`Consumer` on a real broker."""

    async def start(self) -> None:
        await super().start()
        if self._group_id is not None:
            self._heed_errors()

    async def offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        found = await self._coordinator.fetch_committed_offsets(list(places))
        return {place: (at.offset, at.metadata) for place, at in found.items()}

    async def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        cluster = await self._client.fetch_all_metadata()
        return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}

    def watch(self, sending: Callable[[], float], accepted: Callable[[float], None], gone: Callable[[], None]) -> None:
        """aiokafka tells neither; and an expelled static member would join again under its id, by which it would expel
        the process that runs under that id now, and be expelled in turn, twice a second.
        """
        coordinator = self._coordinator
        send, forget = coordinator._do_heartbeat, coordinator.reset_generation

        async def counted() -> bool:
            sent_at = sending()
            taken: bool = await send()
            if taken:
                accepted(sent_at)
            return taken

        async def stay_out(subscription: Any) -> bool:
            await asyncio.wait({coordinator._closing})
            return False

        def reset() -> None:
            if coordinator.generation > 0 and not coordinator._closing.done():
                coordinator._do_rejoin_group = stay_out
                gone()
            forget()

        coordinator._do_heartbeat = counted
        coordinator.reset_generation = reset

    def check(self) -> None:
        self._coordinator.check_errors()

    def commit_only(self, allowed: Callable[[], bool]) -> None:
        """aiokafka sends a commit again and again while the broker is away, under whatever generation it has then."""
        coordinator = self._coordinator
        send = coordinator._send_req

        async def guarded(request: Any) -> Any:
            if isinstance(request, OffsetCommitRequest) and not allowed():
                raise CommitFailedError("these partitions may be somebody else's by now")
            return await send(request)

        coordinator._send_req = guarded

    def _heed_errors(self) -> None:
        """Make a refused question about offsets an error: aiokafka 0.14 reads it as "nothing was ever committed".

        A coordinator that has just started answers so while it loads its groups (COORDINATOR_LOAD_IN_PROGRESS).
        """
        coordinator = self._coordinator
        send = coordinator._send_req

        async def heeding(request: Any) -> Any:
            answer = await send(request)
            if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
                raise for_code(code)()
            return answer

        coordinator._send_req = heeding


OpenConsumer = Callable[..., Awaitable[Any]]
"""Opens a started `Consumer`, given KafkaSettings and aiokafka's own settings by name."""


async def open_consumer(kafka: KafkaSettings, **settings: Any) -> BrokerConsumer:
    """A started consumer that commits only when told to and never picks a start by itself.

    Raises Misconfigured for a member (`group_instance_id`) of a group in which strangers sit.
    """
    if "group_instance_id" in settings:
        await refuse_to_join_strangers(kafka, settings["group_id"])
    ours = {"fetch_max_wait_ms": FETCH_WAIT_MS, "metadata_max_age_ms": 30_000} | settings
    consumer = BrokerConsumer(
        bootstrap_servers=kafka.bootstrap,
        client_id=kafka.client_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        **ours,
    )
    try:
        await consumer.start()
    except BaseException:
        await close(consumer)
        raise
    return consumer


async def close(consumer: Any, within: float = CLOSE_WITHIN_S, let_go_within: float = LET_GO_WITHIN_S) -> None:
    """Stop a consumer within that many seconds, whatever its broker does."""
    reason = "Unfinished"
    try:
        if await ended_within(within, consumer.stop()):
            return
    except KafkaError as error:
        reason = type(error).__name__
    log.warning("consumer.abandoned", error=reason)
    with suppress(KafkaError):
        await ended_within(let_go_within, consumer._client.close())


async def check_partitions(consumer: Consumer, topics: Sequence[str]) -> None:
    """Misconfigured unless all topics exist and have equally many partitions."""
    counts = await consumer.partition_counts(topics)
    missing = [topic for topic, count in counts.items() if not count]
    if missing:
        raise Misconfigured(f"no such topic: {', '.join(missing)}; provision the cluster first")
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise Misconfigured(f"topics read together need equal partition counts: {told}")


async def committed(kafka: KafkaSettings, group: str, topic: Topic, partitions: Sequence[int]) -> dict[int, int | None]:
    """The next offset a group has committed for each partition; None where it never has. `group` without prefix."""
    consumer = await open_consumer(kafka, group_id=group_name(group, kafka.topic_prefix))
    places = {TopicPartition(name(topic, kafka.topic_prefix), one): one for one in partitions}
    try:
        found = await consumer.offsets(list(places))
        return {one: found[place][0] if place in found else None for place, one in places.items()}
    finally:
        await close(consumer)
