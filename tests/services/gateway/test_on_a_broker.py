"""The gateway as it runs: real topics, a real Redis, its jobs started and stopped as its process does."""

import json
from functools import partial
from typing import Any

import httpx2

from deploy.local.redis import LocalRedis
from shared.domain.events import DeskDecided, encode_event, parse_event
from shared.domain.facts import Facts
from shared.domain.state import KillRecord
from shared.domain.story import Kind
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.services.gateway.serving import BY_OPERATOR, empty, gateway, path_of, release, status
from tests.services.gateway.stories import URL, URN, filed, item, released
from tests.waiting import wait_until


async def _polled(http: httpx2.AsyncClient, count: int) -> list[dict[str, Any]] | None:
    """So many stories from the beginning, asked for with a ticket; None while there are fewer."""
    ticket = (await http.post("/v1/stream-tickets", headers=BY_OPERATOR)).json()["ticket"]
    answer = await http.get("/v1/poll", params={"cursor": "earliest", "ticket": ticket})
    assert (await http.get("/v1/poll", params={"ticket": ticket})).status_code == 401, "a ticket is good once"
    told: list[dict[str, Any]] = [event for event in answer.json()["events"] if event["event"] == "story"]
    return told if len(told) == count else None


async def test_a_release_is_read_and_comes_back_whole_when_redis_is_emptied(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """What is released shows in API and feed; an emptied Redis is 503, never 404, until all of it is back."""
    async with gateway(kafka, redis_url) as http:
        for of in (
            item(1),
            item(2, Kind.UPDATE, headline="Bridge closes"),
            item(1, story_id=URL, headline="Elsewhere"),
        ):
            await release(publisher, of)
        for story_id, headline in ((URN, "Bridge closes"), (URL, "Elsewhere")):
            read = await wait_until(partial(status, http, path_of(story_id), 200), 10)
            assert read is not None
            assert read.json()["story"]["headlines"][0]["value"] == headline
        before = (await http.get("/v1/stories", headers=BY_OPERATOR)).json()
        assert [one["story_id"] for one in before["items"]] == [URN, URL]
        assert "Bridge closes" in (await http.get("/feeds/latest.atom")).text
        polled = await wait_until(partial(_polled, http, 3), 10)
        assert [event["data"]["story_id"] for event in polled or []] == [URN, URN, URL]

        await empty(kafka, redis_url)
        statuses: set[int] = set()

        async def whole() -> bool:
            known, new = [
                await http.get(path, headers=BY_OPERATOR) for path in ("/v1/stories", f"{path_of(URN)}/versions")
            ]
            statuses.update((known.status_code, new.status_code))
            assert known.status_code != 200 or known.json() == before
            return (known.status_code, new.status_code) == (200, 200)

        await wait_until(whole, 20)
        assert statuses <= {200, 503}
        assert (await http.get("/v1/stories", headers=BY_OPERATOR)).json() == before
        assert len((await http.get(f"{path_of(URN)}/versions", headers=BY_OPERATOR)).json()["items"]) == 2


async def test_a_story_older_than_the_released_topics_is_read_from_its_newest_item(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """Retention has taken its releases; a rebuild finds it in story.current."""
    await publisher.publish(Topic.CURRENT, URN, encode_event(released(item(7))))
    async with gateway(kafka, redis_url) as http:
        read = await http.get(path_of(URN), headers=BY_OPERATOR)
        assert (read.status_code, read.json()["release_no"]) == (200, 7)


async def test_a_redis_that_dies_takes_no_release_with_it(
    kafka: KafkaSettings, publisher: Publisher, local_redis: LocalRedis
) -> None:
    """While it is away the gateway is not ready and says 503, what it has just read within a second.

    What was released meanwhile is there when it is back.
    """
    async with gateway(kafka, local_redis.url) as http:
        await release(publisher, item(1))
        await wait_until(lambda: status(http, path_of(URN), 200), 10)
        await local_redis.kill()
        try:
            assert (await http.get(f"{path_of(URN)}/versions", headers=BY_OPERATOR)).status_code == 503
            await wait_until(lambda: status(http, path_of(URN), 503), 10)
            await wait_until(lambda: status(http, "/readyz", 503), 10)
            await release(publisher, item(1, story_id=URL))
        finally:
            await local_redis.start()
            await local_redis.ready()
        for story_id in (URN, URL):
            await wait_until(partial(status, http, path_of(story_id), 200), 20)
        await wait_until(lambda: status(http, "/readyz", 200), 10)


async def test_a_kill_counts_before_the_views_have_it(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """The record of a kill alone, without its release, ends every way to the text."""
    async with gateway(kafka, redis_url) as http:
        await release(publisher, item(1))
        await wait_until(lambda: status(http, path_of(URN), 200), 10)
        kill = KillRecord(story_id=URN, version=1, release_no=2, cause="e9", at=1)
        await publisher.publish(Topic.KILLED, URN, kill.model_dump_json().encode())
        gone = await wait_until(lambda: status(http, path_of(URN), 410), 10)
        assert gone is not None
        feed = (await http.get("/feeds/latest.atom")).text
        assert "Bridge" not in gone.text + feed
        assert "deleted-entry" in feed
        assert (await http.get("/v1/stories", headers=BY_OPERATOR)).json()["items"] == []


async def test_products_hold_on_every_channel_and_beyond_a_restart(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """Set over HTTP, read back from the topic by the next process: of two stories one is there, read and polled."""
    products = {"products": [{"name": "Sport", "filter": {"sections": ["sport"]}}]}
    async with gateway(kafka, redis_url) as http:
        new = {"person": "sue", "subscriber": "acme", "scopes": ["subscriber"]}
        key = (await http.post("/v1/keys", json=new, headers=BY_OPERATOR)).json()["key"]
        put = await http.put("/v1/subscribers/acme/products", json=products, headers=BY_OPERATOR)
        assert put.status_code == 200, put.text
        await release(publisher, item(1))
        await release(publisher, item(1, story_id=URL), facts=Facts(sections=("sport",)))
    sue = {"authorization": f"Bearer {key}"}
    async with gateway(kafka, redis_url) as http:
        await wait_until(lambda: status(http, path_of(URN), 200), 10)
        await wait_until(lambda: status(http, path_of(URL), 200), 10)
        listed = (await http.get("/v1/stories", headers=sue)).json()["items"]
        assert [one["story_id"] for one in listed] == [URL]
        assert (await http.get(path_of(URN), headers=sue)).status_code == 404
        polled = await http.get("/v1/poll", params={"cursor": "earliest", "wait": "5"}, headers=sue)
        told = [one["data"]["story_id"] for one in polled.json()["events"] if one["event"] == "story"]
        assert told == [URL]


async def test_a_decision_goes_to_moderation_and_has_a_receipt(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """A kill of an id nobody knows is 202, lies in the flash inbox, and is received, then what the state says."""
    async with gateway(kafka, redis_url) as http:
        new = {"person": "eve", "scopes": ["editor"]}
        key = (await http.post("/v1/keys", json=new, headers=BY_OPERATOR)).json()["key"]
        eve = {"authorization": f"Bearer {key}"}
        asked = await http.post(f"/v1/desk/stories/{URN}/kill", json={"reason": "wrong"}, headers=eve)
        assert (asked.status_code, asked.json()["state"]) == (202, "accepted")
        [decided] = [parse_event(one.value) for one in await _all(kafka, Topic.INBOX_FLASH)]
        assert isinstance(decided, DeskDecided)
        assert (decided.data.action, decided.data.person) == ("kill", "eve")
        receipt = await http.get(f"/v1/desk/receipts/{decided.event_id}", headers=eve)
        assert receipt.json()["state"] == "received"


async def test_a_held_text_is_read_by_the_desk_alone(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """The text of a held version is found by its offset in story.text; an operator sees the state without it."""
    text = {"story_id": URN, "version": 1, "story": {"uri": URN, "headlines": [{"value": "Held back"}]}}
    at = await publisher.publish(Topic.TEXT, f"{URN}\t1", json.dumps(text).encode())
    state = filed(hold="names a minor", text_at=at.offset)
    [held] = state.versions.values()
    assert held.text is not None
    placed = held.model_copy(update={"text": held.text.model_copy(update={"partition": at.partition})})
    state = state.model_copy(update={"versions": {1: placed}})
    await publisher.publish(Topic.STATE, URN, state.model_dump_json().encode())
    async with gateway(kafka, redis_url) as http:
        new = {"person": "dan", "scopes": ["desk"]}
        key = (await http.post("/v1/keys", json=new, headers=BY_OPERATOR)).json()["key"]
        path = f"/v1/desk/stories/{URN}"
        answers = [
            await http.get(path, headers=headers) for headers in ({"authorization": f"Bearer {key}"}, BY_OPERATOR)
        ]
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        desk, operator = (answer.json() for answer in answers)
        assert desk["versions"][0]["story"]["headlines"][0]["value"] == "Held back"
        assert (operator["versions"][0]["reason"], operator["versions"][0]["story"]) == ("names a minor", None)


READ = (
    Topic.RELEASED,
    Topic.RELEASED_FLASH,
    Topic.CURRENT,
    Topic.STATE,
    Topic.KILLED,
    Topic.SUBSCRIPTION_STATE,
    Topic.PRINCIPAL_STATE,
    Topic.RECEIVED,
    Topic.INBOX_FLASH,
    Topic.ATTEMPTS,
    Topic.ENDPOINT_HEALTH,
    Topic.DEAD_ENRICH,
)


async def test_poison_on_every_topic_stops_nothing(kafka: KafkaSettings, publisher: Publisher, redis_url: str) -> None:
    """What is not JSON is there before the start and comes again after it; the release behind it shows all the same.

    Where the gateway acts on a topic, the bytes are parked.
    """
    headers = [("ce_id", b"e1"), ("ce_type", b"desk.decided")]
    poison = [Outgoing(topic, URN, b"\xff not json", headers) for topic in READ]
    await publisher.publish_all(poison)
    async with gateway(kafka, redis_url) as http:
        await publisher.publish_all(poison)
        await release(publisher, item(1))
        await wait_until(lambda: status(http, path_of(URN), 200), 10)
        assert (await http.get("/readyz")).status_code == 200
    parked = await _all(kafka, Topic.DEAD_GATEWAY)
    assert {one.headers["dlq-topic"].decode() for one in parked} == {Topic.RELEASED, Topic.RELEASED_FLASH}
    assert {one.value for one in parked} == {b"\xff not json"}


async def _all(kafka: KafkaSettings, topic: Topic) -> list[Record]:
    found: list[Record] = []
    async with Tail(kafka, (topic,)) as tail:
        await tail.load(found.append)
    return found
