"""Which topics are there: what each is keyed by, how long it keeps, who writes and who reads it."""

from dataclasses import dataclass
from enum import StrEnum

from aiokafka.partitioner import murmur2

KIB = 1024
MIB = 1024 * KIB
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

KEY_SEPARATOR = "\t"
MAX_COMPACTION_LAG_MS = HOUR_MS
TOMBSTONE_RETENTION_MS = DAY_MS  # longer than any reader needs for one pass over a compacted topic


class Topic(StrEnum):
    """Every topic, by its name without the cluster's prefix."""

    RECEIVED = "wire.story.received.v1"
    RECEIVED_FLASH = "wire.story.received.flash.v1"
    INBOX = "wire.desk.inbox.v1"
    INBOX_FLASH = "wire.desk.inbox.flash.v1"
    LIFTS = "wire.desk.lifts.v1"
    RELEASED = "wire.story.released.v1"
    RELEASED_FLASH = "wire.story.released.flash.v1"
    TEXT = "wire.story.text.v1"
    STATE = "wire.story.state.v1"
    KILLED = "wire.story.killed.v1"
    CURRENT = "wire.story.current.v1"
    RECIPIENTS = "wire.story.recipients.v1"
    SUBSCRIPTION_STATE = "wire.subscription.state.v1"
    SOURCE_STATE = "wire.source.state.v1"
    PRINCIPAL_STATE = "wire.principal.state.v1"
    DUE = "wire.delivery.due.v1"
    DUE_FLASH = "wire.delivery.due.flash.v1"
    RETRY_10S = "wire.delivery.retry.10s.v1"
    RETRY_1M = "wire.delivery.retry.1m.v1"
    RETRY_10M = "wire.delivery.retry.10m.v1"
    RETRY_1H = "wire.delivery.retry.1h.v1"
    RETRY_6H = "wire.delivery.retry.6h.v1"
    ATTEMPTS = "wire.delivery.attempts.v1"
    ENDPOINT_HEALTH = "wire.endpoint.health.v1"
    COMMENT_STATE = "wire.comment.state.v1"
    READER_COUNTS = "wire.reader.counts.v1"
    DEAD_INGEST = "wire.dead.ingest.v1"
    DEAD_ENRICH = "wire.dead.enrich.v1"
    DEAD_MODERATION = "wire.dead.moderation.v1"
    DEAD_DISTRIBUTION = "wire.dead.distribution.v1"
    DEAD_GATEWAY = "wire.dead.gateway.v1"
    AUDIT = "wire.audit.v1"


@dataclass(frozen=True, slots=True)
class Partitions:
    """How many partitions a topic has in each profile; never changed in place."""

    local: int
    production: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of old records: deleted after `days`, or compacted to the newest per key (`days` is None)."""

    days: int | None

    @property
    def compacts(self) -> bool:
        return self.days is None


def delete(days: int) -> Policy:
    """Keep records for that many days."""
    return Policy(days)


COMPACT = Policy(None)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One row of the topic table; `key` says in words what the key is made of."""

    topic: Topic
    key: str
    partitions: Partitions
    policy: Policy
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    max_message_bytes: int = 2 * MIB
    log_append_time: bool = False

    def config(self, replication: int) -> dict[str, str]:
        """The broker's settings for this topic; two replicas must have a record wherever there are three."""
        kept = (
            {
                "cleanup.policy": "compact",
                "max.compaction.lag.ms": str(MAX_COMPACTION_LAG_MS),
                "delete.retention.ms": str(TOMBSTONE_RETENTION_MS),
            }
            if self.policy.days is None
            else {"cleanup.policy": "delete", "retention.ms": str(self.policy.days * DAY_MS)}
        )
        return kept | {
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime" if self.log_append_time else "CreateTime",
            "min.insync.replicas": "2" if replication >= 3 else "1",
        }


ONE = Partitions(1, 1)  # its order is the public order
FEW = Partitions(1, 3)
SOME = Partitions(3, 12)
MANY = Partitions(6, 24)


def _desk(topic: Topic, key: str, writers: tuple[str, ...], readers: tuple[str, ...]) -> TopicSpec:
    """A topic the owner of story states takes from; its append time is the clock of embargoes."""
    return TopicSpec(topic, key, MANY, delete(30), writers, readers, log_append_time=True)


def _delivery(topic: Topic, days: int, writers: tuple[str, ...], readers: tuple[str, ...]) -> TopicSpec:
    """A topic owned by endpoint shard; append time plus a tier's delay is when its records are due."""
    return TopicSpec(topic, "endpoint shard", MANY, delete(days), writers, readers, log_append_time=True)


def _compact(
    topic: Topic, key: str, writers: tuple[str, ...], readers: tuple[str, ...], partitions: Partitions = MANY
) -> TopicSpec:
    """A topic that holds the newest record of each key."""
    return TopicSpec(topic, key, partitions, COMPACT, writers, readers)


def _dead(topic: Topic, service: str, limit: int = 3 * MIB, readers: tuple[str, ...] = ("monitor",)) -> TopicSpec:
    """A service's dead letters: room for the largest record it reads and for the facts beside it."""
    return TopicSpec(topic, "key of the parked record", FEW, delete(30), (service,), readers, limit)


_LATER_TIERS = (Topic.RETRY_1M, Topic.RETRY_10M, Topic.RETRY_1H, Topic.RETRY_6H)

TOPICS: tuple[TopicSpec, ...] = (
    # monitor writes wherever a consumer takes from: it sends dead letters back
    TopicSpec(Topic.RECEIVED, "story_id", MANY, delete(7), ("ingest", "monitor"), ("enrich", "gateway", "monitor")),
    TopicSpec(
        Topic.RECEIVED_FLASH, "story_id", MANY, delete(7), ("ingest", "monitor"), ("enrich", "gateway", "monitor")
    ),
    _desk(Topic.INBOX, "story_id", ("enrich", "monitor"), ("moderation", "gateway", "monitor")),
    _desk(
        Topic.INBOX_FLASH,
        "story_id",
        ("enrich", "gateway", "ingest", "monitor"),  # gateway: every decision; ingest: a source's own cancel
        ("moderation", "gateway", "monitor"),
    ),
    _desk(Topic.LIFTS, "story_id", ("moderation", "monitor"), ("moderation", "monitor")),
    TopicSpec(
        Topic.RELEASED,
        "story_id",
        ONE,
        delete(30),
        ("moderation", "monitor"),
        ("distribution", "gateway", "monitor"),
    ),
    TopicSpec(
        Topic.RELEASED_FLASH,
        "story_id",
        ONE,
        delete(30),
        ("moderation", "monitor"),
        ("distribution", "gateway", "monitor"),
    ),
    _compact(Topic.TEXT, "story_id, version", ("moderation",), ("moderation", "gateway")),
    _compact(Topic.STATE, "story_id", ("moderation",), ("moderation", "distribution", "gateway", "monitor", "ingest")),
    _compact(Topic.KILLED, "story_id", ("moderation",), ("moderation", "distribution", "gateway")),
    _compact(Topic.CURRENT, "story_id", ("moderation",), ("gateway", "enrich")),
    _compact(Topic.RECIPIENTS, "story_id, shard", ("distribution",), ("distribution",)),
    _compact(Topic.SUBSCRIPTION_STATE, "entity id, part", ("gateway", "distribution"), ("distribution", "gateway")),
    _compact(Topic.SOURCE_STATE, "source id, part", ("gateway",), ("ingest", "moderation", "gateway")),
    _compact(Topic.PRINCIPAL_STATE, "principal id, part", ("gateway",), ("ingest", "gateway", "monitor")),
    _delivery(Topic.DUE, 7, ("distribution", "monitor"), ("distribution", "monitor")),
    # gateway: tests of endpoints, and tries that were asked for
    _delivery(Topic.DUE_FLASH, 7, ("distribution", "gateway", "monitor"), ("distribution", "monitor")),
    _delivery(Topic.RETRY_10S, 7, ("distribution", "gateway", "monitor"), ("distribution", "monitor")),
    *(_delivery(topic, 7, ("distribution", "monitor"), ("distribution", "monitor")) for topic in _LATER_TIERS),
    _delivery(Topic.ATTEMPTS, 30, ("distribution",), ("distribution", "gateway", "monitor")),
    # gateway: replays that are asked for and cancelled
    _compact(
        Topic.ENDPOINT_HEALTH,
        "endpoint id, part, story_id or replay_id",
        ("distribution", "gateway"),
        ("distribution", "gateway", "monitor"),
    ),
    _compact(Topic.COMMENT_STATE, "story_id, comment_id", ("gateway",), ("gateway",), SOME),
    _compact(Topic.READER_COUNTS, "story_id, gateway instance", ("gateway",), ("gateway",), SOME),
    _dead(Topic.DEAD_INGEST, "ingest", 12 * MIB),
    _dead(Topic.DEAD_ENRICH, "enrich", readers=("gateway", "monitor")),
    _dead(Topic.DEAD_MODERATION, "moderation", readers=("gateway", "monitor")),
    _dead(Topic.DEAD_DISTRIBUTION, "distribution"),
    _dead(Topic.DEAD_GATEWAY, "gateway"),
    # distribution: what owners of endpoints are told; each reads where its own chain ends
    TopicSpec(
        Topic.AUDIT,
        "actor or story_id",
        FEW,
        delete(400),
        ("gateway", "distribution", "monitor"),
        ("gateway", "distribution", "monitor"),
    ),
)

_BY_TOPIC = {row.topic: row for row in TOPICS}


def spec(topic: Topic) -> TopicSpec:
    """The table's row for a topic."""
    return _BY_TOPIC[topic]


def name(topic: Topic, prefix: str = "") -> str:
    """The topic's name on a cluster whose names all begin with `prefix`."""
    return f"{prefix}{topic.value}"


def topic_named(full_name: str, prefix: str = "") -> Topic:
    """The topic of a name made by `name`; ValueError for a name that is not ours."""
    return Topic(full_name.removeprefix(prefix))


def key_of(*parts: str) -> str:
    """One key of several parts; the first decides the partition, so it may not be empty.

    ValueError for an empty first part and for a part that holds the separator (a tab).
    """
    if not parts or not parts[0]:
        raise ValueError("a key needs a first part")
    if any(KEY_SEPARATOR in part for part in parts):
        raise ValueError("a part of a key may not hold a tab")
    return KEY_SEPARATOR.join(parts)


def parts_of(key: str) -> tuple[str, ...]:
    """The parts that `key_of` joined."""
    return tuple(key.split(KEY_SEPARATOR))


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: Kafka's default hash (murmur2, sign bit cleared) over its first part alone."""
    first, _, _ = key.partition(KEY_SEPARATOR)
    return (int(murmur2(first.encode(errors="surrogateescape"))) & 0x7FFFFFFF) % partitions
