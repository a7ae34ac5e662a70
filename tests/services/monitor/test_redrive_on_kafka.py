"""A poisoned record on a real broker: parked, the code mended, redriven, handled once."""

import base64
from dataclasses import dataclass, field

import pytest

from shared.domain.errors import Undecodable, Unprocessable
from shared.platform.consuming import Completion, Source
from shared.platform.parking import DeadLetters
from shared.platform.provisioning import provision
from shared.platform.publishing import Appended, Publisher
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import everything, settings, start_groups
from tests.platform.cluster import running as consuming
from tests.services.monitor.wire import SECRET_WORDS, WITHIN, asked, running
from tests.waiting import wait_until

DEAD, REDRIVE = "/v1/ops/dead", "/v1/ops/dead/redrive"
POISON = f"\N{BIOHAZARD SIGN} {SECRET_WORDS}".encode()


@dataclass(slots=True)
class Reader:
    """A consumer that cannot read the poison until it is mended."""

    dead: DeadLetters
    mended: bool = False
    parked: list[Appended] = field(default_factory=list)
    effects: list[Record] = field(default_factory=list)

    async def handle(self, record: Record) -> Completion | None:
        if record.value == POISON and not self.mended:
            raise Undecodable("the value is no JSON")
        self.effects.append(record)
        return None

    async def park(self, record: Record, error: Unprocessable) -> None:
        self.parked.append(await self.dead.park(record, error, "decode"))

    @property
    def poison(self) -> list[Record]:
        return [record for record in self.effects if record.value == POISON]


@pytest.fixture
async def kafka(kafka_bootstrap: str, topic_prefix: str) -> KafkaSettings:
    kafka = settings(kafka_bootstrap, topic_prefix)
    await provision(kafka, profile="local")
    await start_groups(kafka, "desk", [Topic.INBOX], 6)
    return kafka


async def test_a_poisoned_record_passes_once_when_the_code_is_mended_and_it_is_redriven(kafka: KafkaSettings) -> None:
    """Asked twice, and once more of a monitor that has started anew, it goes back once."""
    async with Publisher(kafka) as publisher:
        reader = Reader(DeadLetters(publisher, "moderation"))
        await publisher.publish(Topic.INBOX, "urn:x", POISON, [("ce_id", b"e1")], partition=3)
        async with consuming(kafka, [Source(Topic.INBOX, at_most=4)], handle=reader.handle, park=reader.park):
            [at] = await wait_until(lambda: reader.parked, WITHIN)
            place = {"topic": at.topic.value, "partition": at.partition, "offset": at.offset}
            reader.mended = True
            async with running(kafka) as client:
                first = await client.post(REDRIVE, json=place)
                second = await client.post(REDRIVE, json=place)
                [listed] = (await asked(client, DEAD))["items"]
            async with running(kafka) as client:
                third = await client.post(REDRIVE, json=place)
            await publisher.publish(Topic.INBOX, "urn:x", b"the one behind", partition=3)
            await wait_until(lambda: any(one.value == b"the one behind" for one in reader.effects), WITHIN)
    outcomes = [answer.json()["items"][0]["outcome"] for answer in (first, second, third)]
    assert outcomes == ["redriven", "already", "already"]
    assert listed["redriven"] == 1
    [passed] = reader.poison
    assert (passed.key, passed.partition, passed.headers["ce_id"]) == ("urn:x", 3, b"e1")
    assert passed.headers["dlq-attempts"] == b"1"
    assert len(await everything(kafka, Topic.AUDIT)) == 1


async def test_a_cause_is_shown_counted_and_redriven_whole(kafka: KafkaSettings) -> None:
    """The bytes of one letter only where they are asked for; a quarantined filing is to be filed again."""
    async with Publisher(kafka) as publisher:
        dead = DeadLetters(publisher, "moderation")
        records = [Record(Topic.INBOX, 1, offset, "urn:x", POISON, {"ce_id": b"e1"}, 0) for offset in range(3)]
        *_, at = [await dead.park(record, Undecodable("the value is no JSON")) for record in records]
        filed = await DeadLetters(publisher, "ingest").park_bytes("desk", POISON, Undecodable("no XML"))
    async with running(kafka) as client:
        told = await asked(client, DEAD, service="moderation", limit=2)
        assert (len(told["items"]), [group["count"] for group in told["groups"]]) == (2, [3])
        assert len((await asked(client, DEAD, service="moderation", cursor=told["next"]))["items"]) == 1
        path = f"{DEAD}/{at.topic}/{at.partition}/{at.offset}"
        assert base64.b64decode((await asked(client, path, bytes=1))["bytes"]) == POISON
        shown = await asked(client, path)
        assert (shown["bytes"], shown["headers"]) == (None, {"ce_id": "e1"})
        cause = {"service": "moderation", "fingerprint": told["groups"][0]["fingerprint"]}
        part = (await client.post(REDRIVE, json={**cause, "limit": 2})).json()
        rest = (await client.post(REDRIVE, json=cause)).json()
        assert ([row["outcome"] for row in part["items"]], part["left"]) == (["redriven"] * 2, 1)
        assert (len(rest["items"]), rest["left"]) == (1, 0)
        place = {"topic": filed.topic.value, "partition": filed.partition, "offset": filed.offset}
        refused = await client.post(REDRIVE, json=place)
        assert refused.status_code == 409
        assert "file it again" in refused.json()["detail"]
        for nowhere in (f"{at.topic}/0/999", f"{at.topic}/77/0", "wire.story.state.v1/0/0"):
            assert (await client.get(f"{DEAD}/{nowhere}")).status_code == 404, nowhere
        for body in ({}, place | cause, {"topic": at.topic.value}, cause | {"surprise": 1}):
            assert (await client.post(REDRIVE, json=body)).status_code == 422, body
        assert (await client.get(DEAD, params={"cursor": "x"})).status_code == 422
        assert (await client.post(REDRIVE, json=cause, headers={"authorization": "Bearer no"})).status_code == 401
    assert len(await everything(kafka, Topic.INBOX)) == 3
