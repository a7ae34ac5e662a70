"""Is the topic table what the design says, and do keys go where Kafka would put them?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.topics import (
    MIB,
    TOPICS,
    Partitions,
    Topic,
    key_of,
    name,
    partition_of,
    parts_of,
    spec,
    topic_named,
)

PART = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t"), min_size=1)


def test_every_topic_has_exactly_one_row() -> None:
    """A topic without a row could be neither created nor guarded."""
    assert sorted(row.topic for row in TOPICS) == sorted(Topic)


def test_every_topic_is_written_and_read_by_somebody() -> None:
    """A topic without a reader would fill up for nobody."""
    assert all(row.writers and row.readers for row in TOPICS)


@pytest.mark.parametrize(
    "together",
    [
        (Topic.INBOX, Topic.INBOX_FLASH, Topic.LIFTS),
        (Topic.RELEASED, Topic.RELEASED_FLASH),
        (*(topic for topic in Topic if topic.startswith("wire.delivery.")), Topic.ENDPOINT_HEALTH),
    ],
)
def test_topics_owned_together_have_equal_partition_counts(together: tuple[Topic, ...]) -> None:
    """One process owns the same partition of each, in both profiles."""
    assert len({spec(topic).partitions for topic in together}) == 1


def test_released_topics_have_one_partition() -> None:
    """Their order is the public order."""
    assert spec(Topic.RELEASED).partitions == Partitions(1, 1)


def test_the_broker_tells_the_time_of_desk_and_delivery_topics_only() -> None:
    """Embargoes and retry tiers go by append time."""
    told = {row.topic for row in TOPICS if row.log_append_time}
    assert told == {topic for topic in Topic if topic.startswith(("wire.desk.", "wire.delivery."))}


def test_a_dead_letter_topic_takes_any_record_of_the_others() -> None:
    """With room for the facts beside it; ingest's takes whole files of 10 MiB."""
    dead = [row for row in TOPICS if row.topic.startswith("wire.dead.")]
    assert min(row.max_message_bytes for row in dead) >= 3 * MIB
    assert spec(Topic.DEAD_INGEST).max_message_bytes >= 11 * MIB
    assert all(row.max_message_bytes == 2 * MIB for row in TOPICS if row not in dead)


def test_compacted_topics_compact_within_the_hour() -> None:
    """A killed story's text must not linger in an open segment."""
    config = spec(Topic.CURRENT).config(replication=3)
    assert config["cleanup.policy"] == "compact"
    assert config["max.compaction.lag.ms"] == "3600000"
    assert "retention.ms" not in config


def test_deleting_topics_say_how_long_they_keep() -> None:
    """Days become milliseconds."""
    config = spec(Topic.RECEIVED).config(replication=1)
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == str(7 * 24 * 60 * 60 * 1000)


@pytest.mark.parametrize(("replication", "needed"), [(1, "1"), (3, "2")])
def test_two_replicas_confirm_wherever_there_are_three(replication: int, needed: str) -> None:
    """Accepted means kept, also when a broker is lost."""
    assert spec(Topic.INBOX).config(replication)["min.insync.replicas"] == needed


def test_a_prefix_goes_in_front_and_comes_off_again() -> None:
    """Tests and shared clusters tell their topics apart by it."""
    assert name(Topic.INBOX, "test.") == "test.wire.desk.inbox.v1"
    assert topic_named("test.wire.desk.inbox.v1", "test.") is Topic.INBOX


# murmur2 of Kafka's own default partitioner (the known answers of its test, sign bit cleared)
@pytest.mark.parametrize(
    ("key", "hashed"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
)
def test_a_key_goes_where_kafkas_own_partitioner_would_put_it(key: str, hashed: int) -> None:
    """So that writers with other clients agree on the partition."""
    assert partition_of(key, 1000) == (hashed & 0x7FFFFFFF) % 1000


@given(first=PART, others=st.lists(PART), partitions=st.integers(1, 100))
def test_only_the_first_part_of_a_key_decides_its_partition(first: str, others: list[str], partitions: int) -> None:
    """All records of a story are in its partition, whatever else is in the key."""
    assert partition_of(key_of(first, *others), partitions) == partition_of(first, partitions)


@given(st.lists(PART, min_size=1))
def test_a_key_comes_apart_into_its_parts(parts: list[str]) -> None:
    """Nothing is lost in joining."""
    assert parts_of(key_of(*parts)) == tuple(parts)


@pytest.mark.parametrize("parts", [(), ("",), ("", "x"), ("a\tb",), ("a", "b\tc")])
def test_a_key_that_would_not_come_apart_is_refused(parts: tuple[str, ...]) -> None:
    """An empty first part has no partition of its own; a tab would make two parts of one."""
    with pytest.raises(ValueError, match="part"):
        key_of(*parts)
