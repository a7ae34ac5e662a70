"""Does a lane on Faust keep every record, in order, through kills, broken handlers and poison? Real processes."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.structs import TopicPartition

from shared.domain.errors import Misconfigured
from shared.platform.consuming import committed, group_name
from shared.platform.faust_app import lane_app
from shared.platform.faust_worker import run_lane
from shared.platform.health import Health
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import MIB, Topic, name, partition_of
from tests.platform.cluster import make_topics, settings, start_groups
from tests.platform.lane_process import GROUP
from tests.waiting import wait_until

PARTITIONS = 3
WITHIN = 40
FAIL_STOP = 70
MISCONFIGURED = 3


@pytest.fixture
async def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    """The lane's input, output and dead letters, its group at the start of them."""
    kafka = settings(kafka_bootstrap, topic_prefix)
    await make_topics(kafka, {Topic.RECEIVED: PARTITIONS, Topic.INBOX: PARTITIONS, Topic.DEAD_ENRICH: 1})
    await start_groups(kafka, GROUP, [Topic.RECEIVED], PARTITIONS)
    return kafka


@dataclass(slots=True)
class Lane:
    """A lane process under way."""

    child: Process
    ops: str
    log: list[str]

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself or by a signal."""
        return await asyncio.wait_for(self.child.wait(), WITHIN)


@asynccontextmanager
async def lane(
    kafka: KafkaSettings, temper: str = "steady", instance: str = "0", failpoints: str = ""
) -> AsyncIterator[Lane]:
    """Start a lane process whose operations port answers; what is still running at the end is killed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WIRE_")}
    environment |= {"WIRE_KAFKA": kafka.bootstrap, "WIRE_TOPIC_PREFIX": kafka.topic_prefix, "WIRE_INSTANCE": instance}
    environment["WIRE_FAILPOINTS"] = failpoints
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.platform.lane_process", temper), stderr=PIPE, env=environment
    )
    log: list[str] = []
    reading = asyncio.create_task(read(child, log))
    try:
        yield Lane(child, await wait_until(lambda: address(log), WITHIN), log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        await reading


async def read(child: Process, log: list[str]) -> None:
    assert child.stderr is not None
    while line := await child.stderr.readline():
        log.append(line.decode())


def address(log: Iterable[str]) -> str:
    """Where the process says that it listens; empty until it has."""
    for line in log:
        if '"http.listening"' in line:
            return f"http://127.0.0.1:{json.loads(line)['port']}"
    return ""


async def file(kafka: KafkaSettings, values: Sequence[bytes | None], key: str | None = None) -> None:
    """Publish values in order, spread over twenty keys unless one is given."""
    records = [Outgoing(Topic.RECEIVED, key or f"story-{n % 20}", value) for n, value in enumerate(values)]
    async with Publisher(kafka) as publisher:
        await publisher.publish_all(records)


def stories(count: int, **extra: Any) -> list[bytes]:
    return [json.dumps({"n": n} | extra).encode() for n in range(count)]


async def output(kafka: KafkaSettings) -> list[Any]:
    return await contents(kafka, Topic.INBOX)


async def contents(kafka: KafkaSettings, topic: Topic) -> list[Any]:
    """All that is in a topic now, as aiokafka's records."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        full_name = name(topic, kafka.topic_prefix)
        cluster = await consumer._client.fetch_all_metadata()
        places = [TopicPartition(full_name, number) for number in cluster.partitions_for_topic(full_name)]
        left = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
        consumer.assign(list(left))
        found: list[Any] = []
        while left:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found.extend(records)
                if records[-1].offset + 1 >= left.get(place, 0):
                    left.pop(place, None)
        return found
    finally:
        await consumer.stop()


async def came_out(kafka: KafkaSettings, values: Iterable[bytes]) -> bool:
    return {record.value for record in await output(kafka)} >= set(values)


async def everything_is_committed(kafka: KafkaSettings, count: int) -> bool:
    offsets = await committed(kafka, GROUP, Topic.RECEIVED, range(PARTITIONS))
    return sum(offset or 0 for offset in offsets.values()) == count


def in_order(records: Iterable[Any]) -> bool:
    """Whether, for each key, values first appear in the order in which they were filed; repeats do not count."""
    first: dict[bytes, list[int]] = {}
    for record in records:
        seen = first.setdefault(record.key, [])
        n = json.loads(record.value)["n"]
        if n not in seen:
            seen.append(n)
    return all(seen == sorted(seen) for seen in first.values())


async def test_records_pass_in_order_with_their_outputs(kafka: KafkaSettings) -> None:
    """Each record's output is there once, per key in order, in the key's own partition; then the offsets pass."""
    values = stories(400)
    await file(kafka, values)
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, len(values)), WITHIN, every=0.2)
    records = await output(kafka)
    assert sorted(record.value for record in records) == sorted(values)
    assert in_order(records)
    assert all(record.partition == partition_of(record.key.decode(), PARTITIONS) for record in records)


async def test_a_killed_process_loses_nothing(kafka: KafkaSettings) -> None:
    """kill -9 in the middle of the work; the next one goes on within the same membership, in order."""
    values = stories(6000)
    await file(kafka, values)
    async with lane(kafka) as first:
        await wait_until(lambda: output(kafka), WITHIN)
        first.child.kill()
        await first.ended()
    assert not await came_out(kafka, values), "it was done before it was killed"
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, len(values)), WITHIN, every=0.2)
    records = await output(kafka)
    assert {record.value for record in records} == set(values)
    assert in_order(records)


async def test_a_second_process_takes_its_share(kafka: KafkaSettings) -> None:
    """Partitions move while records are in hand: both work, nothing is lost, order per key stays."""
    values = stories(8000)
    async with lane(kafka) as first, ready(first):
        await file(kafka, values[:4000])
        async with lane(kafka, instance="1") as second, ready(second) as client:
            await file(kafka, values[4000:])
            await wait_until(lambda: everything_is_committed(kafka, len(values)), WITHIN, every=0.2)
            assert f'wire_records_published_total{{topic="{Topic.INBOX}"}}' in (await client.get("/metrics")).text
    records = await output(kafka)
    assert {record.value for record in records} == set(values)
    assert in_order(records)


@pytest.mark.parametrize(
    ("order", "code", "came", "repeated"),
    [
        (f"handle.{Topic.RECEIVED}.before 3 kill", -signal.SIGKILL, 0, 0),
        (f"publish.{Topic.INBOX}.before 3 fail", FAIL_STOP, 0, 0),
        (f"publish.{Topic.INBOX}.after 1 kill", -signal.SIGKILL, 1, 1),
        (f"commit.{Topic.RECEIVED}.after 1 kill", -signal.SIGKILL, 1, 0),
    ],
)
async def test_a_process_struck_at_a_failpoint_loses_nothing(
    kafka: KafkaSettings, tmp_path: Path, order: str, code: int, came: int, repeated: int
) -> None:
    """Each place leaves at least `came` outputs behind; the next life makes the rest, and repeats what it must."""
    (tmp_path / "enrich").write_text(order)
    values = stories(5)
    await file(kafka, values, key="one-story")
    async with lane(kafka, failpoints=str(tmp_path)) as first:
        assert await first.ended() == code
    left = [record.value for record in await output(kafka)]
    assert len(left) >= came
    assert left == values[: len(left)]
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, len(values)), WITHIN, every=0.2)
    records = await output(kafka)
    assert {record.value for record in records} == set(values)
    assert in_order(records)
    assert len(records) - len(values) >= repeated


async def test_a_broken_handler_stops_the_process_and_skips_nothing(kafka: KafkaSettings) -> None:
    """Exit 70 at the record in trouble, whose offset does not pass; once the handler is mended it comes out."""
    values = [*stories(10), *stories(1, bang=True), *stories(10, late=True)]
    await file(kafka, values, key="one-story")
    async with lane(kafka, "fragile") as fragile:
        assert await fragile.ended() == FAIL_STOP
    assert any("the handler broke" in line for line in fragile.log)
    assert not await came_out(kafka, values[10:11])
    async with lane(kafka):
        await wait_until(lambda: came_out(kafka, values), WITHIN, every=0.2)


async def test_a_handler_that_never_ends_stops_the_process(kafka: KafkaSettings) -> None:
    """A stuck record must not hold up a partition in silence: its time is limited (2 s here)."""
    await file(kafka, stories(1, stuck=True))
    async with lane(kafka, "fragile") as fragile:
        assert await fragile.ended() == FAIL_STOP
    assert await everything_is_committed(kafka, 0)


async def test_poison_is_parked_and_passes(kafka: KafkaSettings) -> None:
    """What is no JSON, a tombstone included, goes to the dead letters as it came; what stands behind it comes out."""
    values = stories(5)
    await file(kafka, [b"\xff not JSON", None, *values], key="one-story")
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, len(values) + 2), WITHIN, every=0.2)
    parked = await contents(kafka, Topic.DEAD_ENRICH)
    assert [record.value for record in parked] == [b"\xff not JSON", None]
    assert dict(parked[0].headers)["dlq-error"] == b"Undecodable"
    assert [record.value for record in await output(kafka)] == values


async def test_an_output_that_fits_nowhere_parks_its_record(kafka: KafkaSettings) -> None:
    """It could never be sent: stopping at it would stop every process that comes after."""
    values = [*stories(1, swell=3 * MIB), *stories(2)]
    await file(kafka, values, key="one-story")
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, len(values)), WITHIN, every=0.2)
    assert [record.value for record in await contents(kafka, Topic.DEAD_ENRICH)] == values[:1]
    assert [record.value for record in await output(kafka)] == values[1:]


async def test_a_send_that_the_broker_refuses_stops_the_process(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Faust itself would log it and commit behind it; here the offset does not pass (an output topic too small)."""
    kafka = settings(kafka_bootstrap, topic_prefix)
    await make_topics(kafka, {Topic.RECEIVED: PARTITIONS, Topic.DEAD_ENRICH: 1})
    await make_topics(kafka, {Topic.INBOX: PARTITIONS}, **{"max.message.bytes": "2000"})
    await start_groups(kafka, GROUP, [Topic.RECEIVED], PARTITIONS)
    await file(kafka, stories(1, swell=4000))
    async with lane(kafka) as refused:
        assert await refused.ended() == FAIL_STOP
    assert any('"lane.unconfirmed"' in line for line in refused.log)
    assert await everything_is_committed(kafka, 0)


async def test_a_key_that_is_not_text_passes_as_it_is(kafka: KafkaSettings) -> None:
    """A producer's odd key is its own business."""
    odd = b"\xff\xfe".decode(errors="surrogateescape")
    await file(kafka, stories(1), key=odd)
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, 1), WITHIN, every=0.2)
    assert [record.key for record in await output(kafka)] == [b"\xff\xfe"]


async def test_a_stop_signal_ends_it_with_nothing_left_over(kafka: KafkaSettings) -> None:
    """SIGTERM under load: exit 0, and what has come out is committed, so that the next one repeats nothing."""
    values = stories(6000)
    await file(kafka, values)
    async with lane(kafka) as first:
        await wait_until(lambda: output(kafka), WITHIN)
        first.child.terminate()
        assert await first.ended() == 0
    assert not await came_out(kafka, values), "it was done before it was stopped"
    async with lane(kafka):
        await wait_until(lambda: everything_is_committed(kafka, len(values)), WITHIN, every=0.2)
    assert sorted(record.value for record in await output(kafka)) == sorted(values)


async def test_it_refuses_to_start_without_committed_offsets(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Beginning anywhere by itself could send a month again: exit 3 and a sentence with the way out."""
    kafka = settings(kafka_bootstrap, topic_prefix)
    await make_topics(kafka, {Topic.RECEIVED: PARTITIONS})
    async with lane(kafka) as refused:
        assert await refused.ended() == MISCONFIGURED
    assert f"--adopt {GROUP}=start" in refused.log[-1]


async def test_too_many_dead_letters_stop_the_process(kafka: KafkaSettings) -> None:
    """Two a minute here: the third is not parked, its offset does not pass, and the log says where to look."""
    await file(kafka, [b"\xff", b"\xfe", b"\xfd", *stories(1)], key="one-story")
    async with lane(kafka, "strict") as strict:
        assert await strict.ended() == FAIL_STOP
    assert len(await contents(kafka, Topic.DEAD_ENRICH)) == 2
    assert any("look at the dead letters" in line for line in strict.log)
    assert not await output(kafka)


async def test_a_dead_letter_that_cannot_be_written_stops_the_process(kafka_bootstrap: str, topic_prefix: str) -> None:
    """The record would be nowhere: its offset does not pass, and what stands behind it waits."""
    kafka = settings(kafka_bootstrap, topic_prefix)
    await make_topics(kafka, {Topic.RECEIVED: PARTITIONS, Topic.INBOX: PARTITIONS})
    await make_topics(kafka, {Topic.DEAD_ENRICH: 1}, **{"max.message.bytes": "1000"})
    await start_groups(kafka, GROUP, [Topic.RECEIVED], PARTITIONS)
    await file(kafka, [b"\xff" * 5000, *stories(1)], key="one-story")
    async with lane(kafka) as stopped:
        assert await stopped.ended() == FAIL_STOP
    assert await everything_is_committed(kafka, 0)
    assert any("lane.failed" in line and "MessageSizeTooLarge" in line for line in stopped.log)


async def test_it_refuses_to_start_where_retention_has_overtaken_it(kafka: KafkaSettings) -> None:
    """Records that it never handled are gone: a person must know before it goes on."""
    await file(kafka, stories(3), key="one-story")
    place = TopicPartition(name(Topic.RECEIVED, kafka.topic_prefix), partition_of("one-story", PARTITIONS))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=2)})
    finally:
        await admin.close()
    async with lane(kafka) as refused:
        assert await refused.ended() == MISCONFIGURED
    assert "records it had not handled are kept no longer" in refused.log[-1]
    assert f"--adopt {GROUP}=end" in refused.log[-1]


async def test_it_refuses_to_start_beside_members_that_share_in_another_way(kafka: KafkaSettings) -> None:
    """Faust would crash and be started again for ever; the sentence says who is there."""
    stranger = AIOKafkaConsumer(
        name(Topic.RECEIVED, kafka.topic_prefix),
        bootstrap_servers=kafka.bootstrap,
        client_id="stranger",
        group_id=group_name(GROUP, kafka.topic_prefix),
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    await stranger.start()
    try:
        async with lane(kafka) as refused:
            assert await refused.ended() == MISCONFIGURED
    finally:
        await stranger.stop()
    assert "stranger" in refused.log[-1]
    assert "range" in refused.log[-1]


@pytest.mark.parametrize(
    "limit",
    [{"item_deadline": 0}, {"item_deadline": 3600}, {"window": 0}, {"commit_interval": 0}, {"parked_per_minute": 0}],
)
async def test_a_lane_without_limits_is_refused(limit: dict[str, Any]) -> None:
    """Every item has its time, every window its size; nothing is asked of a broker before that."""

    async def nothing(*_: Any) -> Sequence[Outgoing]:
        return ()

    told: dict[str, Any] = {
        "app_id": GROUP,
        "member": "m",
        "source": Topic.RECEIVED,
        "handle": nothing,
        "park": nothing,
    }
    with pytest.raises(ValueError, match="limits"):
        await run_lane(KafkaSettings(), **told, **limit, stop=asyncio.Event(), health=Health())


def test_the_app_of_a_lane_takes_nothing_unsafe() -> None:
    """More than one record at a time, and tables of any kind, are out of reach."""
    app = lane_app(KafkaSettings(), Topic.RECEIVED, "group", "member-0", 0.2, 256)
    with pytest.raises(Misconfigured, match="one record at a time"):
        app.agent(app.topic("t"), concurrency=2)
    for kind in (app.Table, app.GlobalTable, app.SetTable, app.SetGlobalTable):
        with pytest.raises(Misconfigured, match="no tables"):
            kind("t")


async def test_it_refuses_to_start_without_its_topic(kafka_bootstrap: str, topic_prefix: str) -> None:
    """A topic that comes later would be missed until the next restart."""
    async with lane(settings(kafka_bootstrap, topic_prefix)) as refused:
        assert await refused.ended() == MISCONFIGURED
    assert "deploy.provision" in refused.log[-1]


async def test_it_answers_for_operations_while_it_works(kafka: KafkaSettings) -> None:
    """One process, one loop: ready once it has partitions, counting what it has done."""
    await file(kafka, stories(3))
    async with lane(kafka) as working, ready(working) as client:
        await wait_until(lambda: everything_is_committed(kafka, 3), WITHIN, every=0.2)
        metrics = (await client.get("/metrics")).text
    assert f'wire_records_consumed_total{{group="{GROUP}",topic="{Topic.RECEIVED}"}} 3.0' in metrics


@asynccontextmanager
async def ready(working: Lane) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the lane's operations port, once the lane has its partitions."""
    async with httpx2.AsyncClient(base_url=working.ops, timeout=WITHIN) as client:
        await wait_until(lambda: is_ready(client), WITHIN)
        yield client


async def is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200
