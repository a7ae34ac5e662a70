"""Are the topics there as the table says, and does every group know where it starts? Makes both so, or refuses."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import ApiVersionRequest

from shared.domain.errors import Misconfigured
from shared.platform.consuming import committed, follower_group, group_name
from shared.platform.groups import refuse_foreign_groups
from shared.platform.settings import KafkaSettings, Profile
from shared.platform.topics import TOPICS, Topic, TopicSpec, name, spec

GROUPS: Mapping[str, tuple[Topic, ...]] = {
    "enrich-flash": (Topic.RECEIVED_FLASH,),
    "enrich-routine": (Topic.RECEIVED,),
    "moderation": (Topic.INBOX_FLASH, Topic.LIFTS, Topic.INBOX),
    "matcher": (Topic.RELEASED_FLASH, Topic.RELEASED),
    "deliverer": (
        Topic.DUE_FLASH,
        Topic.DUE,
        Topic.RETRY_10S,
        Topic.RETRY_1M,
        Topic.RETRY_10M,
        Topic.RETRY_1H,
        Topic.RETRY_6H,
    ),
    "views": (Topic.RELEASED_FLASH, Topic.RELEASED),
}
"""Who reads with committed offsets: the lead, whose consumer joins the group, then those that follow it."""

START, END = "start", "end"
SHOWN_WITHIN_S, LOOK_EVERY_S = 30.0, 0.1
FETCH, FETCH_OF_3_9 = 1, 17  # the API and the version of it that Kafka 3.9 brought
Bounds = Mapping[int, tuple[int, int]]
FIXED_CONFIGS = ("cleanup.policy", "message.timestamp.type", "max.message.bytes")
AT_LEAST = ("retention.ms", "delete.retention.ms", "min.insync.replicas")
RETENTION_BYTES, UNLIMITED = "retention.bytes", "-1"
CHECKED_CONFIGS = (*FIXED_CONFIGS, *AT_LEAST, RETENTION_BYTES)


@dataclass(frozen=True, slots=True)
class Reader:
    """One consumer group on one topic: `group` as in GROUPS, `own` as it commits; both without the cluster's prefix."""

    group: str
    own: str
    topic: Topic


@dataclass(frozen=True, slots=True)
class ProvisionReport:
    """What a run did: the topics it made, and for each reader the offsets it was given, by partition."""

    created: tuple[Topic, ...]
    offsets: Mapping[Reader, Mapping[int, int]] = field(default_factory=dict)


class BrokerUnreachable(Exception):
    """No broker answers at the bootstrap address; try again."""


def readers() -> Iterator[Reader]:
    """Every consumer group and its topic: the leads of GROUPS under the group's name, then those that follow."""
    for group, (lead, *followers) in GROUPS.items():
        yield Reader(group, group, lead)
        for topic in followers:
            yield Reader(group, follower_group(group, topic), topic)


async def provision(
    kafka: KafkaSettings, *, profile: Profile, adopt: Mapping[str, str] | None = None
) -> ProvisionReport:
    """Create missing topics and commit a start for groups that have none; may run any number of times.

    A start is committed only where the topic holds no record. Elsewhere, and where retention has overtaken a group,
    `adopt` must say where the group goes on (`start`: all that is kept is handled; `end`: it is skipped); its names
    are those of GROUPS or of single followers. Raises Misconfigured with a sentence that says what to do; topics may
    have been created by then, but no offset was touched. Raises BrokerUnreachable when nobody answers.
    """
    adopt = _checked({group.removeprefix(kafka.topic_prefix): where for group, where in (adopt or {}).items()})
    async with _admin(kafka) as admin:
        await _refuse_old_broker(admin, kafka)
        await refuse_foreign_groups(admin, [group_name(reader.own, kafka.topic_prefix) for reader in readers()])
        created = await _topics_as_the_table_says(admin, kafka, profile)
    bounds = await _bounds(kafka)
    all_readers = tuple(readers())
    lost = dict(
        zip(
            all_readers,
            await asyncio.gather(*(_without_offset(kafka, reader, bounds[reader.topic]) for reader in all_readers)),
            strict=True,
        )
    )
    starts = _starts({reader: partitions for reader, partitions in lost.items() if partitions}, bounds, adopt, kafka)
    await asyncio.gather(*(_commit(kafka, reader, offsets) for reader, offsets in starts.items()))
    return ProvisionReport(created, starts)


def _checked(adopt: Mapping[str, str]) -> Mapping[str, str]:
    for group, where in adopt.items():
        if group not in GROUPS and group not in {reader.own for reader in readers()}:
            raise Misconfigured(f"There is no group {group}; the groups are {', '.join(GROUPS)}.")
        if where not in (START, END):
            raise Misconfigured(f"Group {group} can be adopted at start or end, not at {where}.")
    return adopt


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap, client_id=f"{kafka.client_id}-provision")
    try:
        await admin.start()
    except KafkaConnectionError as error:
        await admin.close()
        raise BrokerUnreachable(f"no Kafka broker answers at {kafka.bootstrap}") from error
    try:
        yield admin
    finally:
        await admin.close()


async def _refuse_old_broker(admin: Any, kafka: KafkaSettings) -> None:
    answer = await admin._send_request(ApiVersionRequest())
    newest = {api: most for api, _, most in answer.api_versions}
    if newest.get(FETCH, 0) < FETCH_OF_3_9:
        raise Misconfigured(f"The broker at {kafka.bootstrap} is older than Kafka 3.9: upgrade it first.")


# Topics


async def _topics_as_the_table_says(admin: Any, kafka: KafkaSettings, profile: Profile) -> tuple[Topic, ...]:
    """Refuse existing topics that differ, create the missing ones and return those."""
    there = await _described(admin, kafka)
    await _compare(admin, kafka, profile, there)
    missing = [row for row in TOPICS if row.topic not in there]
    if not missing:
        return ()
    others = await _create(admin, kafka, profile, missing)
    there = await _all_shown(admin, kafka)
    await _compare(admin, kafka, profile, {topic: there[topic] for topic in others})
    return tuple(row.topic for row in missing if row.topic not in others)


Partitions = Sequence[Mapping[str, Any]]


async def _described(admin: Any, kafka: KafkaSettings) -> dict[Topic, Partitions]:
    """The partitions of every topic of the table that the broker shows."""
    names = {name(row.topic, kafka.topic_prefix): row.topic for row in TOPICS}
    answer = await admin.describe_topics(list(names))
    return {names[one["topic"]]: one["partitions"] for one in answer if one["error_code"] == 0 and one["partitions"]}


async def _all_shown(admin: Any, kafka: KafkaSettings) -> dict[Topic, Partitions]:
    """A broker may have made a topic and not show it yet. Raises BrokerUnreachable when it never does."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SHOWN_WITHIN_S):
            while True:
                there = await _described(admin, kafka)
                if len(there) == len(TOPICS):
                    return there
                await asyncio.sleep(LOOK_EVERY_S)
    raise BrokerUnreachable(f"topics were made and {kafka.bootstrap} does not show them after {SHOWN_WITHIN_S:g} s")


async def _compare(admin: Any, kafka: KafkaSettings, profile: Profile, there: Mapping[Topic, Partitions]) -> None:
    configs = await _configs(admin, [name(topic, kafka.topic_prefix) for topic in there])
    for topic, partitions in there.items():
        row, full_name = spec(topic), name(topic, kafka.topic_prefix)
        _refuse_other_size(full_name, row, profile, partitions, kafka.replication)
        _refuse_other_config(full_name, row.config(kafka.replication), configs[full_name])


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings that are compared, of each named topic, as they are in force: its own or the broker's default."""
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, one, dict.fromkeys(CHECKED_CONFIGS)) for one in names]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for _error, _message, _kind, topic, entries, *_ in answer.resources:
            found[topic] = {entry[0]: entry[1] for entry in entries}
    return found


def _refuse_other_size(
    full_name: str, row: TopicSpec, profile: Profile, partitions: Sequence[Mapping[str, Any]], replication: int
) -> None:
    wanted = _partitions(row, profile)
    if len(partitions) != wanted:
        raise Misconfigured(
            f"Topic {full_name} has {len(partitions)} partitions and must have {wanted} in the {profile} profile. "
            "Partition counts never change in place: set WIRE_PROFILE to what made it, make a new version of the "
            "topic, or set another WIRE_TOPIC_PREFIX."
        )
    copies = min(len(partition["replicas"]) for partition in partitions)
    if copies < replication:
        raise Misconfigured(
            f"Topic {full_name} has {copies} replicas of a partition and must have {replication} in the {profile} "
            "profile: add them with Kafka's own tools (kafka-reassign-partitions)."
        )


def _refuse_other_config(full_name: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    for key in FIXED_CONFIGS:
        if found.get(key) != wanted[key]:
            raise Misconfigured(_told(full_name, key, found.get(key), f"must have {wanted[key]}", wanted[key]))
    for key in AT_LEAST:
        if key in wanted and not _is_enough(found.get(key), wanted[key]):
            raise Misconfigured(_told(full_name, key, found.get(key), f"needs at least {wanted[key]}", wanted[key]))
    if found.get(RETENTION_BYTES, UNLIMITED) != UNLIMITED and "retention.ms" in wanted:
        why = f"must have {UNLIMITED}: by its size it would drop records that somebody still has to read"
        raise Misconfigured(_told(full_name, RETENTION_BYTES, found[RETENTION_BYTES], why, UNLIMITED))


def _is_enough(found: str | None, wanted: str) -> bool:
    return found is not None and (found == UNLIMITED or int(found) >= int(wanted))


def _told(topic: str, key: str, found: str | None, wanted: str, to_set: str) -> str:
    return (
        f"Topic {topic} has {key}={found} and {wanted}. Alter it with Kafka's own tools: "
        f"kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {key}={to_set}"
    )


async def _create(admin: Any, kafka: KafkaSettings, profile: Profile, rows: Sequence[TopicSpec]) -> frozenset[Topic]:
    """Create topics; return those that another run had made meanwhile, or that the broker had not shown yet."""
    rows_of = {name(row.topic, kafka.topic_prefix): row for row in rows}
    answer = await admin.create_topics(
        [
            NewTopic(
                name(row.topic, kafka.topic_prefix),
                _partitions(row, profile),
                kafka.replication,
                topic_configs=row.config(kafka.replication),
            )
            for row in rows
        ]
    )
    for topic, code, message, *_ in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Misconfigured(
                f"Topic {topic} cannot be created: {for_code(code).__name__}{f', {message}' if message else ''}. "
                f"It asks for {kafka.replication} replicas in the {profile} profile."
            )
    return frozenset(rows_of[topic].topic for topic, code, *_ in answer.topic_errors if code != 0)


def _partitions(row: TopicSpec, profile: Profile) -> int:
    return row.partitions.production if profile == "production" else row.partitions.local


# Offsets


async def _bounds(kafka: KafkaSettings) -> Mapping[Topic, Bounds]:
    """The first offset kept and the next one to be written, of every topic that a group reads."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, client_id=f"{kafka.client_id}-provision")
    await consumer.start()
    try:
        topics = {name(reader.topic, kafka.topic_prefix): reader.topic for reader in readers()}
        places = await _places(consumer, list(topics))
        first, last = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    found: dict[Topic, dict[int, tuple[int, int]]] = {topic: {} for topic in topics.values()}
    for place in places:
        found[topics[place.topic]][place.partition] = (first[place], last[place])
    return found


async def _places(consumer: Any, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of these topics; waits for those that this broker does not show yet."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SHOWN_WITHIN_S):
            while True:
                cluster = await consumer._client.fetch_all_metadata()
                found = {topic: cluster.partitions_for_topic(topic) or () for topic in topics}
                if all(found.values()):
                    return [TopicPartition(topic, number) for topic, numbers in found.items() for number in numbers]
                await asyncio.sleep(LOOK_EVERY_S)
    raise BrokerUnreachable(f"the broker does not show all topics after {SHOWN_WITHIN_S:g} s: provision again")


async def _without_offset(kafka: KafkaSettings, reader: Reader, bounds: Bounds) -> frozenset[int]:
    """The partitions where the reader's group has committed nothing, or an offset that is not in the log any more."""
    offsets = await committed(kafka, reader.own, reader.topic, sorted(bounds))
    return frozenset(
        partition
        for partition, (first, last) in bounds.items()
        if (offset := offsets[partition]) is None or not first <= offset <= last
    )


def _starts(
    lost: Mapping[Reader, frozenset[int]],
    bounds: Mapping[Topic, Bounds],
    adopt: Mapping[str, str],
    kafka: KafkaSettings,
) -> dict[Reader, dict[int, int]]:
    """Where each reader that is lost goes on; Misconfigured, naming them all, where nobody has decided."""
    starts: dict[Reader, dict[int, int]] = {}
    undecided: list[str] = []
    for reader, partitions in lost.items():
        topic = bounds[reader.topic]
        where = adopt.get(reader.own) or adopt.get(reader.group)
        if where is None and any(first < last for first, last in topic.values()):
            undecided.append(_undecided(reader, name(reader.topic, kafka.topic_prefix)))
        else:
            side = 1 if where == END else 0
            starts[reader] = {partition: topic[partition][side] for partition in partitions}
    if undecided:
        raise Misconfigured(" ".join(undecided))
    return starts


def _undecided(reader: Reader, topic: str) -> str:
    return (
        f"Group {reader.own} has no usable committed offset for {topic}, which holds records: provision again with "
        f"--adopt {reader.group}=start to have all that is kept handled, or with --adopt {reader.group}=end to have "
        "it skipped for ever."
    )


async def _commit(kafka: KafkaSettings, reader: Reader, offsets: Mapping[int, int]) -> None:
    full_name = name(reader.topic, kafka.topic_prefix)
    places = {TopicPartition(full_name, partition): offset for partition, offset in offsets.items()}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        client_id=f"{kafka.client_id}-provision",
        group_id=group_name(reader.own, kafka.topic_prefix),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign(list(places))
        await consumer.commit(places)
    except KafkaError as error:
        raise Misconfigured(
            f"The offsets of group {reader.own} cannot be set ({type(error).__name__}): stop its service first."
        ) from error
    finally:
        await consumer.stop()
