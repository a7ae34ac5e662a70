"""Does provisioning make a broker ready, say what does not fit, and never let a group start by accident?"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from shared.domain.errors import Misconfigured
from shared.platform.consuming import committed, group_name
from shared.platform.provisioning import GROUPS, BrokerUnreachable, provision, readers
from shared.platform.settings import KafkaSettings
from shared.platform.topics import TOPICS, Topic, name, spec
from tests.platform.cluster import fill, make_topics, set_offsets, settings
from tests.platform.old_broker import old_broker

EVERY_PARTITION = range(spec(Topic.INBOX).partitions.local)


@pytest.fixture
def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    """Topics and groups nobody else has, on the session's broker."""
    return settings(kafka_bootstrap, topic_prefix)


def test_the_lead_reads_first_and_flash_leads() -> None:
    """In every group with two lanes the flash topic is the one that joins the group."""
    leads = {group: topics[0] for group, topics in GROUPS.items() if len(topics) > 1}
    assert {topic.value.endswith(".flash.v1") for topic in leads.values()} == {True}


def test_groups_that_follow_have_equal_partition_counts() -> None:
    """Followers take the lead's partition numbers, so the counts must agree in each profile."""
    for topics in GROUPS.values():
        assert len({spec(topic).partitions for topic in topics}) == 1


def test_every_reader_commits_under_a_name_of_its_own() -> None:
    """Two topics under one group id would share nothing but trouble."""
    owns = [reader.own for reader in readers()]
    assert len(owns) == len(set(owns)) == sum(len(topics) for topics in GROUPS.values())


async def test_an_empty_broker_is_made_ready(kafka: KafkaSettings) -> None:
    """All topics of the table with their settings, and a start for every group on every partition."""
    report = await provision(kafka, profile="local")
    assert set(report.created) == {row.topic for row in TOPICS}
    assert set(report.offsets) == set(readers())
    assert await committed(kafka, "moderation.desk.inbox", Topic.INBOX, EVERY_PARTITION) == dict.fromkeys(
        EVERY_PARTITION, 0
    )
    assert await config_of(kafka, Topic.INBOX) == spec(Topic.INBOX).config(1)


async def test_a_second_run_changes_nothing(kafka: KafkaSettings) -> None:
    """Every start of the system may provision."""
    await provision(kafka, profile="local")
    report = await provision(kafka, profile="local")
    assert (report.created, report.offsets) == ((), {})


async def test_offsets_that_a_group_has_are_left_alone(kafka: KafkaSettings) -> None:
    """Where a group is, it stays, with and without records in the topic."""
    await provision(kafka, profile="local")
    await fill(kafka, Topic.RECEIVED, ["one", "two"], partition=3)
    await set_offsets(kafka, "enrich-routine", Topic.RECEIVED, {3: 1})
    await provision(kafka, profile="local", adopt={"enrich-routine": "start"})
    assert (await committed(kafka, "enrich-routine", Topic.RECEIVED, [3]))[3] == 1


async def test_a_group_without_offsets_on_a_filled_topic_is_refused(kafka: KafkaSettings) -> None:
    """Nobody ever re-sends a month: the sentence names the group, the topic and both ways out; nothing is committed."""
    await filled(kafka, Topic.RECEIVED)
    with pytest.raises(Misconfigured, match=r"enrich-routine.*story\.received\.v1.*=start.*=end"):
        await provision(kafka, profile="local")
    assert set((await committed(kafka, "enrich-flash", Topic.RECEIVED_FLASH, EVERY_PARTITION)).values()) == {None}


@pytest.mark.parametrize(("where", "offset"), [("start", 0), ("end", 2)])
async def test_adopting_begins_where_it_is_told(kafka: KafkaSettings, where: str, offset: int) -> None:
    """`start` handles all that is kept, `end` skips it; other partitions are empty and begin at 0."""
    await filled(kafka, Topic.RECEIVED)
    await provision(kafka, profile="local", adopt={"enrich-routine": where})
    expected = dict.fromkeys(EVERY_PARTITION, 0) | {0: offset}
    assert await committed(kafka, "enrich-routine", Topic.RECEIVED, EVERY_PARTITION) == expected


async def test_adopting_a_group_covers_its_followers(kafka: KafkaSettings) -> None:
    """The operator names the service's group; the topics that follow its lead go with it."""
    await filled(kafka, Topic.INBOX)
    await provision(kafka, profile="local", adopt={"moderation": "end"})
    assert (await committed(kafka, "moderation.desk.inbox", Topic.INBOX, [0]))[0] == 2


async def test_a_group_that_retention_has_overtaken_is_refused(kafka: KafkaSettings) -> None:
    """Records it never handled are gone; a person must know before it goes on."""
    await provision(kafka, profile="local")
    await set_offsets(kafka, "enrich-routine", Topic.RECEIVED, {0: 7})
    await fill(kafka, Topic.RECEIVED, ["one"], partition=0)
    with pytest.raises(Misconfigured, match="enrich-routine"):
        await provision(kafka, profile="local")


@pytest.mark.parametrize("adopt", [{"enrich": "start"}, {"views": "middle"}])
async def test_an_adoption_that_means_nothing_is_refused(kafka: KafkaSettings, adopt: Mapping[str, str]) -> None:
    """A misspelt group would otherwise pass for a decision."""
    with pytest.raises(Misconfigured):
        await provision(kafka, profile="local", adopt=adopt)


async def test_other_partition_counts_are_refused(kafka: KafkaSettings) -> None:
    """Counts never change in place: keys would move between partitions."""
    await make_topics(kafka, {Topic.INBOX: 3})
    with pytest.raises(Misconfigured, match=r"desk\.inbox\.v1 has 3 partitions and must have 6"):
        await provision(kafka, profile="local")


@pytest.mark.parametrize(
    ("key", "value"),
    [("cleanup.policy", "compact"), ("message.timestamp.type", "CreateTime"), ("max.message.bytes", "1000000")],
)
async def test_settings_that_matter_are_compared(kafka: KafkaSettings, key: str, value: str) -> None:
    """A topic that deletes, dates or refuses otherwise than the table says would lose stories in silence."""
    await make_topics(kafka, {Topic.INBOX: len(EVERY_PARTITION)}, **{key: value})
    with pytest.raises(Misconfigured, match=f"has {key}={value} and must have"):
        await provision(kafka, profile="local")


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        (Topic.INBOX, "retention.ms", "86400000"),
        (Topic.INBOX, "retention.bytes", "1000000"),
        (Topic.STATE, "delete.retention.ms", "1000"),
    ],
)
async def test_what_keeps_less_than_the_table_says_is_refused(
    kafka: KafkaSettings, topic: Topic, key: str, value: str
) -> None:
    """By time, by size, or tombstones: whoever is away for a while would miss records in silence."""
    await make_topics(kafka, {topic: spec(topic).partitions.local}, **{key: value})
    with pytest.raises(Misconfigured, match=rf"has {key}={value} and .*--add-config {key}="):
        await provision(kafka, profile="local")


async def test_what_keeps_more_is_fine(kafka: KafkaSettings) -> None:
    """Longer, or for ever: nobody loses anything by it."""
    await make_topics(kafka, {Topic.INBOX: len(EVERY_PARTITION)}, **{"retention.ms": "-1"})
    await make_topics(kafka, {Topic.LIFTS: len(EVERY_PARTITION)}, **{"retention.ms": str(400 * 86_400_000)})
    report = await provision(kafka, profile="local")
    assert Topic.INBOX not in report.created


async def test_fewer_replicas_than_the_table_says_are_refused(kafka: KafkaSettings) -> None:
    """A topic that was made on one broker has one copy, whatever the profile says today."""
    await make_topics(kafka, {Topic.INBOX: spec(Topic.INBOX).partitions.production})
    await fill(kafka, Topic.INBOX, ["one"])  # it is known to every broker by then
    with pytest.raises(Misconfigured, match=r"has 1 replicas of a partition and must have 3"):
        await provision(kafka.model_copy(update={"replication": 3}), profile="production")


@asynccontextmanager
async def a_member(kafka: KafkaSettings, group: str, assignor: type) -> AsyncIterator[None]:
    """Somebody else's consumer in one of our groups, on one of our topics."""
    consumer = AIOKafkaConsumer(
        name(Topic.INBOX_FLASH, kafka.topic_prefix),
        bootstrap_servers=kafka.bootstrap,
        client_id="stranger",
        group_id=group_name(group, kafka.topic_prefix),
        enable_auto_commit=False,
        partition_assignment_strategy=[assignor],
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def test_a_group_with_a_foreign_assignor_is_refused(kafka: KafkaSettings) -> None:
    """Our members could not join; the sentence names who is there, how they share, and what to do."""
    await provision(kafka, profile="local")
    async with a_member(kafka, "moderation", RangePartitionAssignor):
        with pytest.raises(Misconfigured, match=r"moderation \(stranger\).* by range, .*roundrobin.*Stop them"):
            await provision(kafka, profile="local")
    await provision(kafka, profile="local")


async def test_members_that_share_as_ours_do_are_fine(kafka: KafkaSettings) -> None:
    """Provisioning beside a running wire changes nothing and refuses nothing."""
    await provision(kafka, profile="local")
    async with a_member(kafka, "moderation", RoundRobinPartitionAssignor):
        assert (await provision(kafka, profile="local")).created == ()


async def test_a_broker_older_than_3_9_is_refused() -> None:
    """It says so by the versions it speaks; nothing else is asked of it."""
    async with old_broker(fetch=16) as bootstrap:
        with pytest.raises(Misconfigured, match=rf"broker at {bootstrap} is older than Kafka 3\.9: upgrade it first"):
            await provision(KafkaSettings(bootstrap=bootstrap), profile="local")


async def test_more_replicas_than_brokers_is_said_in_words(kafka: KafkaSettings) -> None:
    """The production profile on one broker ends in a sentence, not in a code."""
    with pytest.raises(Misconfigured, match="3 replicas in the production profile"):
        await provision(kafka.model_copy(update={"replication": 3}), profile="production")


async def test_an_absent_broker_is_not_a_misconfiguration() -> None:
    """Trying again may help."""
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:9"):
        await provision(KafkaSettings(bootstrap="127.0.0.1:9"), profile="local")


class TestCommand:
    """`python -m deploy.provision`, as compose and the local runner call it."""

    def test_it_provisions_and_then_has_nothing_to_do(self, kafka: KafkaSettings) -> None:
        """Exit code 0 both times; the second run says that nothing was missing."""
        first = command(kafka)
        again = command(kafka)
        assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
        assert "created wire.story.received.v1" in first.stdout
        assert again.stdout == "nothing to do\n"

    async def test_it_refuses_with_code_3_and_adopts_when_told(self, kafka: KafkaSettings) -> None:
        """The way out named on stderr works."""
        await filled(kafka, Topic.RELEASED)
        refused = command(kafka)
        adopted = command(kafka, "--adopt", "views=end", "--adopt", "matcher=start")
        assert refused.returncode == 3
        assert "--adopt views=start" in refused.stderr
        assert adopted.returncode == 0, adopted.stderr

    def test_a_wrong_adoption_is_a_usage_error(self, kafka: KafkaSettings) -> None:
        """Exit code 2, before any broker is asked."""
        assert command(kafka, "--adopt", "views").returncode == 2

    def test_an_absent_broker_has_its_own_code(self, kafka: KafkaSettings) -> None:
        """69: whoever started it may try again."""
        gone = command(kafka.model_copy(update={"bootstrap": "127.0.0.1:9"}))
        assert gone.returncode == 69
        assert "127.0.0.1:9" in gone.stderr


def command(kafka: KafkaSettings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "deploy.provision", *arguments],
        env={"PATH": "", "WIRE_KAFKA": kafka.bootstrap, "WIRE_TOPIC_PREFIX": kafka.topic_prefix},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def filled(kafka: KafkaSettings, topic: Topic) -> None:
    """The topic exists with two records, and no group has ever read it."""
    await make_topics(kafka, {topic: spec(topic).partitions.local})
    await fill(kafka, topic, ["one", "two"], partition=0)


async def config_of(kafka: KafkaSettings, topic: Topic) -> dict[str, str]:
    """What the broker holds for the settings that the table names."""
    wanted = dict.fromkeys(spec(topic).config(1))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, name(topic, kafka.topic_prefix), wanted)
        [answer] = await admin.describe_configs([resource])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()


async def test_two_runs_at_once_make_one_wire(kafka: KafkaSettings) -> None:
    """Each topic is made by one of them, and whoever ends first leaves every group with a start."""

    async def one() -> set[Topic]:
        made = set((await provision(kafka, profile="local")).created)
        for reader in readers():
            offsets = await committed(kafka, reader.own, reader.topic, range(spec(reader.topic).partitions.local))
            assert None not in offsets.values(), reader
        return made

    first, second = await asyncio.gather(one(), one())
    assert first | second == {row.topic for row in TOPICS}
    assert not first & second
