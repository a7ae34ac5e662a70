"""The service itself on a real broker: lag, staleness, flight record, what is stuck, dead letters, its doors."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.kafka import LocalKafka
from shared.domain.errors import Undecodable
from shared.domain.keys import hash_key
from shared.domain.state import Principal, Stage, StoryState, VersionState
from shared.domain.story import Kind, Lane
from shared.platform.clock import SystemClock
from shared.platform.consuming import follower_group
from shared.platform.parking import DeadLetters
from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, key_of
from tests.platform.cluster import set_offsets, settings
from tests.services.monitor.wire import SECRET_WORDS, WITHIN, Story, asked, is_ready, publish, running
from tests.waiting import wait_until


@pytest.fixture
def story(unique: str) -> Story:
    return Story(f"https://news.example/{unique}?a=1%2F2&b=ü", SystemClock().now())


async def whole_way(publisher: Publisher, story: Story) -> None:
    """A story from the door to a subscriber's 2xx, after one failure."""
    await publish(publisher, Topic.RECEIVED, story.received())
    await publish(publisher, Topic.INBOX, story.enriched())
    await publish(publisher, Topic.RELEASED, story.released())
    await publish(publisher, Topic.DUE, story.due("end_1", "end_2"))
    await publish(publisher, Topic.ATTEMPTS, story.attempted("retrying"))
    await publish(publisher, Topic.ATTEMPTS, story.attempted("delivered", 2, 350))


async def test_a_flight_record_shows_every_hop_with_its_place(
    kafka: KafkaSettings, publisher: Publisher, story: Story
) -> None:
    """By the id as it is, percent-encoded in the path, and by ?uri= alike."""
    await whole_way(publisher, story)
    async with running(kafka) as client:
        path = f"/v1/ops/stories/{quote(story.story_id, safe='')}"
        flight = await wait_until(lambda: flight_with(client, path, 6), WITHIN)
        assert await asked(client, "/v1/ops/stories", uri=story.story_id) == flight
    hops = [(hop["hop"], hop["topic"], hop["partition"], hop["offset"]) for hop in flight["hops"]]
    assert hops == [
        ("received", "wire.story.received.v1", 0, 0),
        ("enriched", "wire.desk.inbox.v1", 0, 0),
        ("released", "wire.story.released.v1", 0, 0),
        ("due", "wire.delivery.due.v1", 0, 0),
        ("attempted", "wire.delivery.attempts.v1", 0, 0),
        ("attempted", "wire.delivery.attempts.v1", 0, 1),
    ]
    assert flight["hops"][3]["details"]["endpoints"] == 2
    assert flight["counts"]["attempted delivered"] == 1


async def flight_with(client: httpx2.AsyncClient, path: str, hops: int) -> dict[str, Any] | None:
    answer = await client.get(path)
    flight: dict[str, Any] = answer.json()
    found = flight.get("hops", [])
    return flight if isinstance(found, list) and len(found) == hops else None


async def test_no_answer_and_no_metric_holds_a_word_of_a_story(
    kafka: KafkaSettings, publisher: Publisher, story: Story
) -> None:
    """Headline, body and a receiver's answer stay out of everything that monitor says."""
    await whole_way(publisher, story)
    async with running(kafka) as client:
        await wait_until(lambda: flight_with(client, f"/v1/ops/stories/{quote(story.story_id, safe='')}", 6), WITHIN)
        for path in ("/v1/ops/stories?stuck_s=0", f"/v1/ops/stories/{quote(story.story_id, safe='')}", "/metrics"):
            assert SECRET_WORDS not in (await client.get(path)).text, path


async def test_an_unknown_story_is_404_as_a_problem(kafka: KafkaSettings) -> None:
    """Nothing is remembered of it: the answer says so."""
    async with running(kafka) as client:
        answer = await client.get("/v1/ops/stories/urn:nobody:knows")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_staleness_counts_from_acceptance_and_its_stages_add_up(
    kafka: KafkaSettings, publisher: Publisher, story: Story
) -> None:
    """350 ms from accepted to the 2xx, split as the story's own times say."""
    await whole_way(publisher, story)
    async with running(kafka) as client:
        rows = await wait_until(lambda: rows_of(client, 2), WITHIN)
        text = (await client.get("/metrics")).text
    by_channel = {row["channel"]: row for row in rows}
    webhook = by_channel["webhook"]
    assert (webhook["lane"], webhook["count"], webhook["seconds"]["max_s"]) == ("routine", 1, 0.35)
    assert {stage: spread["max_s"] for stage, spread in webhook["stages"].items()} == {
        "enriched": 0.01,
        "decided": 0.02,
        "released": 0.03,
        "matched": 0.04,
        "attempted": 0.25,
    }
    assert by_channel["released"]["seconds"]["max_s"] == 0.06
    assert sample(text, "wire_staleness_seconds_sum", channel="webhook", lane="routine") >= 0.35


async def rows_of(client: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await asked(client, "/v1/ops/staleness")
    return rows if len(rows) >= count else []


def sample(text: str, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == name and labels.items() <= one.labels.items():
                return float(one.value)
    pytest.fail(f"no {name}{labels} in the exposition")


async def test_a_record_behind_which_nobody_has_committed_waits_for_that_process(
    kafka: KafkaSettings, publisher: Publisher, story: Story
) -> None:
    """It names the group and the place; once the group has committed past it the story waits for nothing."""
    async with running(kafka) as client:
        at = await publish(publisher, Topic.INBOX, story.enriched())
        [wait] = await wait_until(lambda: stuck(client, story), WITHIN)
        assert (wait["stage"], wait["waiting_for"]) == ("moderation", "process")
        assert (wait["topic"], wait["partition"], wait["offset"]) == ("wire.desk.inbox.v1", at.partition, at.offset)
        await set_offsets(kafka, follower_group("moderation", Topic.INBOX), Topic.INBOX, {0: at.offset + 1})

        async def nothing() -> bool:
            return not await stuck(client, story)

        await wait_until(nothing, WITHIN)


async def stuck(client: httpx2.AsyncClient, story: Story) -> list[dict[str, Any]]:
    found = await asked(client, "/v1/ops/stories", stuck_s=0)
    return [one for one in found if one["story_id"] == story.story_id]


async def test_a_held_story_waits_for_a_human_and_a_failing_endpoint_for_itself(
    kafka: KafkaSettings, publisher: Publisher, story: Story, unique: str
) -> None:
    """What no process can hurry is told apart from what one should do."""
    held = held_state(f"urn:{unique}:held")
    await publisher.publish(Topic.STATE, held.story_id, held.model_dump_json().encode())
    await publish(publisher, Topic.ATTEMPTS, story.attempted("retrying"))
    async with running(kafka) as client:

        async def both() -> dict[str, str]:
            found = await asked(client, "/v1/ops/stories", stuck_s=0)
            return {one["story_id"]: one["waiting_for"] for one in found}

        waits = await wait_until(both, WITHIN)
    assert waits == {held.story_id: "human", story.story_id: "endpoint"}


def held_state(story_id: str) -> StoryState:
    version = VersionState(
        version=1,
        stage=Stage.HELD,
        kind=Kind.PUBLISH,
        content_hash="0" * 64,
        event_id="e",
        source="desk",
        urgency=4,
        lane=Lane.ROUTINE,
        reason="minors",
    )
    return StoryState(story_id=story_id, versions={1: version}, newest=1)


async def test_dead_letters_are_listed_with_their_facts_and_without_their_bytes(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """Where it came from, why it is dead, and what kills others alike: its fingerprint."""
    record = Record(Topic.INBOX, 3, 41, "urn:x", SECRET_WORDS.encode(), {}, 0)
    at = await DeadLetters(publisher, "moderation").park(record, Undecodable("the value is no JSON"))
    async with running(kafka) as client:
        [letter] = (await asked(client, "/v1/ops/dead", service="moderation"))["items"]
    assert (letter["topic"], letter["partition"], letter["offset"]) == (at.topic.value, at.partition, at.offset)
    assert (letter["from_topic"], letter["from_partition"], letter["from_offset"]) == (record.topic.value, 3, 41)
    assert (letter["error"], letter["reason"]) == ("Undecodable", "the value is no JSON")
    assert SECRET_WORDS not in str(letter)


async def test_nothing_about_the_wire_is_told_without_the_operators_key(kafka: KafkaSettings) -> None:
    """No key and a wrong key are 401 as a problem; what does not exist is 404 as a problem."""
    wanted = {"lag": 401, "staleness": 401, "stories": 401, "stories/urn:x": 401, "dead": 401, "nowhere": 404}
    async with running(kafka) as client:
        for authorization in ("", "Bearer sl_local_wrong", "Basic c2xfbG9jYWw6"):
            answers = {
                path: await client.get(f"/v1/ops/{path}", headers={"authorization": authorization}) for path in wanted
            }
            assert {path: answer.status_code for path, answer in answers.items()} == wanted
            kinds = {answer.headers["content-type"] for answer in answers.values()}
            assert kinds == {"application/problem+json"}


async def test_a_key_of_another_scope_is_403_and_one_made_later_counts(
    kafka: KafkaSettings, publisher: Publisher
) -> None:
    """Keys are followed: one that is made while monitor runs opens the door, and only to its scope."""
    async with running(kafka) as client:

        async def status(key: str) -> int:
            return (await client.get("/v1/ops/lag", headers={"authorization": f"Bearer {key}"})).status_code

        assert await status("desk key") == 401
        for scope in ("desk", "operator"):
            await publisher.publish(Topic.PRINCIPAL_STATE, key_of(scope, "key"), principal(scope))

        async def known() -> bool:
            return await status("desk key") == 403 and await status("operator key") == 200

        await wait_until(known, WITHIN)


def principal(scope: str) -> bytes:
    told = {
        "key_id": scope,
        "hash": hash_key(f"{scope} key"),
        "prefix": "sl_local",
        "person": "p",
        "scopes": [scope],
        "created_at": SystemClock().now(),
    }
    return Principal.model_validate(told).model_dump_json().encode()


async def test_every_reader_of_the_wire_is_in_the_table_with_its_lag(
    kafka: KafkaSettings, publisher: Publisher, story: Story
) -> None:
    """Six groups with their followers, on every partition; the metrics say the same numbers."""
    await publish(publisher, Topic.RELEASED, story.released())
    async with running(kafka) as client:
        rows = await asked(client, "/v1/ops/lag")
        text = (await client.get("/metrics")).text
    lags = {(row["group"], row["topic"], row["partition"]): row for row in rows}
    one = lags[follower_group("matcher", Topic.RELEASED), Topic.RELEASED.value, 0]
    assert (one["committed"], one["end"], one["lag"]) == (0, 1, 1)
    assert one["age_s"] >= 0
    assert len(rows) == 12 + 18 + 2 + 42 + 2
    assert all(row["committed"] is not None for row in rows)
    assert sample(text, "wire_lag_records", group=one["group"], topic=one["topic"], partition="0") == 1


async def test_a_scrape_asks_the_broker_for_nothing(local_kafka: LocalKafka, topic_prefix: str) -> None:
    """With the broker stopped, metrics and table answer from the last reading, and readiness says what is wrong."""
    kafka = settings(local_kafka.bootstrap, topic_prefix)
    await provision(kafka, profile="local")
    async with running(kafka) as client:
        before = await asked(client, "/v1/ops/lag")
        await local_kafka.stop()
        try:
            await wait_until(lambda: is_not_ready(client), WITHIN)
            assert "wire_lag_records{" in (await client.get("/metrics")).text
            assert len(await asked(client, "/v1/ops/lag")) == len(before)
            assert "lag" in (await client.get("/readyz")).json()["reasons"]
        finally:
            await local_kafka.start()
            await local_kafka.ready()
        await wait_until(lambda: is_ready(client), 60, message="ready again after the broker came back")


async def is_not_ready(client: httpx2.AsyncClient) -> bool:
    answer = await client.get("/readyz")
    return answer.status_code == 503 and "lag" in answer.json()["reasons"]
