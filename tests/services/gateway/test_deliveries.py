"""Deliveries: what became of what was owed, each subscriber's own, and one more try."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from services.gateway.deliveries_view import DeliveriesView
from services.gateway.retries import AT_ONCE
from shared.domain.events import DeliveryRetry, encode_event, parse_event
from shared.domain.health import CatchUp, EndpointHealth, Loose
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.topics import Topic, key_of, partition_of
from tests.services.gateway.delivery_rows import attempt, tell
from tests.services.gateway.health_records import goes_to
from tests.services.gateway.health_records import tell as tell_health
from tests.services.gateway.owners import become
from tests.services.gateway.stories import URL, URN, document, filed
from tests.services.gateway.twins import NOON, SHARDS, World, record


@pytest.fixture
def sent(wire: World) -> World:
    """Two subscribers with an endpoint each."""
    for who, subscriber in (("sue", "acme"), ("tom", "other")):
        wire.key(who, "subscriber", subscriber=subscriber)
        endpoint = Endpoint(endpoint_id=f"ep_{who}", subscriber=subscriber, url="https://x.example", created_at=NOON)
        key = key_of(endpoint.endpoint_id, "endpoint")
        wire.registry.apply(record(Topic.SUBSCRIPTION_STATE, key, endpoint.model_dump_json().encode()))
    return wire


async def get(wire: World, path: str, who: str = "sue", **params: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer sl_local_{who}"}
    return await wire.http.get(path, params=params or None, headers=headers)


async def retry(wire: World, delivery: str, who: str = "sue") -> httpx2.Response:
    headers = {"authorization": f"Bearer sl_local_{who}"}
    return await wire.http.post(f"/v1/deliveries/{delivery}/retry", headers=headers)


async def test_a_delivery_shows_all_its_tries(sent: World) -> None:
    """In the interface's names, oldest first; a repeated row changes nothing."""
    failed, done = attempt(state="retrying"), attempt(n=2, minute=1)
    tell(sent, failed, failed, done)
    shown = (await get(sent, "/v1/deliveries/dlv_1")).json()
    assert {"delivery_id", "endpoint_id", "story_id", "version", "release_no", "next_attempt_at"} <= shown.keys()
    assert (shown["state"], [one["n"] for one in shown["attempts"]]) == ("delivered", [1, 2])
    assert {"n", "at", "status", "outcome", "ms", "answer"} <= shown["attempts"][0].keys()


async def test_waiting_without_a_try_is_no_attempt(sent: World) -> None:
    """What was put off, superseded or killed was never sent."""
    tell(sent, attempt(state="retrying", n=0, tried=False), attempt(state="superseded", n=0, tried=False))
    shown = (await get(sent, "/v1/deliveries/dlv_1")).json()
    assert (shown["state"], shown["attempts"]) == ("superseded", [])


async def test_a_try_says_where_its_time_went(sent: World) -> None:
    """Every step by name; null for one that did not happen, as connecting on a kept connection."""
    tell(sent, attempt())
    [tried] = (await get(sent, "/v1/deliveries/dlv_1")).json()["attempts"]
    assert tried["ms"] == {"dns": None, "connect": None, "tls": None, "first_byte": None, "total": 8.5}


async def test_what_was_put_off_before_its_first_try_is_pending(sent: World) -> None:
    """With the time it is looked at again; after a failed try it is retrying."""
    tell(sent, attempt(state="retrying", n=0, tried=False))
    assert (await get(sent, "/v1/deliveries/dlv_1")).json()["state"] == "pending"
    tell(sent, attempt(state="retrying", minute=1))
    assert (await get(sent, "/v1/deliveries/dlv_1")).json()["state"] == "retrying"


async def test_a_try_of_a_replay_stands_beside_the_first(sent: World) -> None:
    """The same number and state at another time is another try, not a row that came twice."""
    tell(sent, attempt(), attempt(minute=5))
    assert len((await get(sent, "/v1/deliveries/dlv_1")).json()["attempts"]) == 2


async def test_what_was_given_up_is_expired_and_a_failed_test_failed(sent: World) -> None:
    """The interface's words for a delivery know no failure but this."""
    tell(sent, attempt(state="failed"), attempt("tst_1", state="failed", kind="test"))
    assert (await get(sent, "/v1/deliveries/dlv_1")).json()["state"] == "expired"
    assert (await get(sent, "/v1/deliveries/tst_1")).json()["state"] == "failed"


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["dlv_3", "dlv_2", "dlv_1"]),
        ({"endpoint_id": "ep_sue"}, ["dlv_3", "dlv_2", "dlv_1"]),
        ({"story_id": URL}, ["dlv_2"]),
        ({"state": "retrying"}, ["dlv_3"]),
        ({"since": (NOON + timedelta(minutes=2)).isoformat()}, ["dlv_3", "dlv_2"]),
        ({"until": (NOON + timedelta(minutes=3)).isoformat()}, ["dlv_2", "dlv_1"]),
        ({"story_id": URL, "endpoint_id": "ep_sue", "state": "delivered"}, ["dlv_2"]),
        ({"story_id": "urn:nobody"}, []),
    ],
)
async def test_lists_are_newest_first_and_filtered(sent: World, params: dict[str, str], found: list[str]) -> None:
    """By endpoint, story, state and time."""
    tell(
        sent,
        attempt("dlv_1", minute=1),
        attempt("dlv_2", minute=2, story_id=URL),
        attempt("dlv_3", minute=3, state="retrying"),
        attempt("dlv_4", "ep_tom", minute=4, subscriber="other"),
    )
    items = (await get(sent, "/v1/deliveries", **params)).json()["items"]
    assert [one["delivery_id"] for one in items] == found


async def test_pages_hold_every_delivery_once(sent: World) -> None:
    """Also where several ended at one moment."""
    tell(sent, *(attempt(f"dlv_{number}") for number in range(7)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await get(sent, "/v1/deliveries", limit=3, **cursor)).json()
        seen += [one["delivery_id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    "params",
    [{"state": "lost"}, {"cursor": "abc"}, {"cursor": "MjAyNi0xMS0yNFQxMjowMDowMAlkbHZfMQ"}, {"since": "noon"}],
)
async def test_what_no_list_can_be_filtered_by_is_refused(sent: World, params: dict[str, str]) -> None:
    """422 rather than a list of everything; a cursor without an offset is none of ours."""
    assert (await get(sent, "/v1/deliveries", **params)).status_code == 422


async def test_anothers_delivery_is_404_on_every_verb(sent: World) -> None:
    """One by one, by its endpoint and by asking for a retry; lists leave it out."""
    tell(sent, attempt(state="retrying"))
    assert (await get(sent, "/v1/deliveries/dlv_1", who="tom")).status_code == 404
    assert (await retry(sent, "dlv_1", who="tom")).status_code == 404
    assert (await get(sent, "/v1/deliveries", who="tom", endpoint_id="ep_sue")).status_code == 404
    assert (await get(sent, "/v1/deliveries", who="tom")).json()["items"] == []


async def test_a_retry_brings_a_waiting_delivery_forward(sent: World) -> None:
    """The same delivery id and number of tries, the item as it was released, due now, on the endpoint's shard."""
    sent.views.put(document(1))
    tell(sent, attempt(state="retrying"))
    sent.clock.advance(timedelta(minutes=5))
    assert (await retry(sent, "dlv_1")).status_code == 202
    [written] = sent.topics.on(Topic.RETRY_10S)
    event = parse_event(written.value)
    shard = partition_of("ep_sue", SHARDS)
    assert isinstance(event, DeliveryRetry)
    assert (written.key, written.partition, event.data.shard) == (str(shard), shard, shard)
    assert (event.data.delivery_id, event.data.attempts, event.data.first_failed_at) == ("dlv_1", 1, NOON)
    assert (event.data.item, event.data.due_at) == (document(1).item, sent.clock.now())


@pytest.mark.parametrize("state", ["delivered", "superseded", "killed", "failed"])
async def test_what_is_over_is_not_tried_again(sent: World, state: str) -> None:
    """409, and no record."""
    sent.views.put(document(1))
    tell(sent, attempt(state=state))
    assert (await retry(sent, "dlv_1")).status_code == 409
    assert sent.topics.on(Topic.RETRY_10S) == []


async def test_what_was_given_up_is_tried_once_more(sent: World) -> None:
    """With the number of tries made, so that the deliverer knows it for the next."""
    sent.views.put(document(1))
    tell(sent, attempt(state="retrying"), attempt(n=2, minute=1, state="expired"))
    assert (await retry(sent, "dlv_1")).status_code == 202
    [written] = sent.topics.on(Topic.RETRY_10S)
    event = parse_event(written.value)
    assert isinstance(event, DeliveryRetry)
    assert (event.data.delivery_id, event.data.attempts) == ("dlv_1", 2)


@pytest.mark.parametrize("how", ["killed", "withheld", "newer"])
async def test_no_retry_carries_a_text_that_was_taken_back_or_replaced(sent: World, how: str) -> None:
    """The topic of retries gets no dead text either."""
    sent.views.put(document(1))
    if how == "killed":
        sent.views.put(document(2, Kind.KILL))
        sent.views.texts.clear()
    elif how == "withheld":
        sent.know(filed().model_copy(update={"withheld": True, "release_no": 2}))
    else:
        sent.views.put(document(2, Kind.REPEAT, version=1))
    tell(sent, attempt(state="retrying"))
    assert (await retry(sent, "dlv_1")).status_code == 409
    assert sent.topics.on(Topic.RETRY_10S) == []


async def test_a_retry_says_why_it_does_not_go_at_once(sent: World) -> None:
    """To an endpoint that is left alone until its next probe, paused, or pending; to one that does well it goes now."""
    sent.views.put(document(1))
    tell(sent, attempt(state="retrying"))
    assert (await retry(sent, "dlv_1")).json()["waits"] == {"why": "pending", "until": None}
    become(sent, "ep_sue", EndpointState.PAUSED)
    assert (await retry(sent, "dlv_1")).json()["waits"] == {"why": "paused", "until": None}
    become(sent, "ep_sue", EndpointState.ACTIVE)
    assert (await retry(sent, "dlv_1")).json()["waits"] is None
    told = EndpointHealth(endpoint_id="ep_sue", state="open", opened=1, probe_at=NOON + timedelta(minutes=1))
    tell_health(sent, told)
    answer = await retry(sent, "dlv_1")
    assert (answer.status_code, answer.json()["waits"]) == (
        202,
        {"why": "breaker", "until": "2026-11-24T12:01:00.000Z"},
    )
    assert (await retry_failed(sent)).json()["waits"] == answer.json()["waits"]
    tell_health(sent, EndpointHealth(endpoint_id="ep_sue", catch_up=CatchUp(why="slow", since=NOON)))
    assert (await retry(sent, "dlv_1")).json()["waits"] == {"why": "slow", "until": None}
    tell_health(sent, EndpointHealth(endpoint_id="ep_sue", catch_up=CatchUp(why="burst", since=NOON)))
    assert (await retry(sent, "dlv_1")).json()["waits"] is None


async def test_nothing_is_tried_again_at_an_endpoint_that_is_disabled(sent: World) -> None:
    """It would end as failed at once, and could then never be retried."""
    sent.views.put(document(1))
    tell(sent, attempt(state="expired"))
    become(sent, "ep_sue", EndpointState.DISABLED)
    assert (await retry(sent, "dlv_1")).status_code == 409
    sent.registry.apply(replace(record(Topic.SUBSCRIPTION_STATE, key_of("ep_sue", "endpoint"), None), offset=9))
    assert (await retry(sent, "dlv_1")).status_code == 409
    assert sent.topics.on(Topic.RETRY_10S) == []


async def test_what_an_owner_was_told_is_listed_and_is_not_tried_again_by_hand(sent: World) -> None:
    """It has no release: what it says is in the health of the endpoint that it was about."""
    row = attempt("evt_1", state="expired", kind="failing")
    tell(sent, row.model_copy(update={"story_id": "", "version": None, "release_no": None}))
    [listed] = (await get(sent, "/v1/deliveries", endpoint_id="ep_sue")).json()["items"]
    assert (listed["kind"], listed["state"]) == ("failing", "expired")
    assert (await retry(sent, "evt_1")).status_code == 409


async def test_a_list_says_what_is_owed_and_not_in_it(sent: World) -> None:
    """Why, since when, from which release of which lane on, and how many at most; nothing of it costs the broker."""
    assert (await get(sent, "/v1/deliveries", endpoint_id="ep_sue")).json()["owed"] is None
    owed = CatchUp(why="paused", since=NOON, position={Lane.ROUTINE: 4030}, loose={Lane.FLASH: (Loose(offset=9),)})
    tell_health(sent, EndpointHealth(endpoint_id="ep_sue", catch_up=owed))
    goes_to(sent, 4130, 50)
    shown = (await get(sent, "/v1/deliveries", endpoint_id="ep_sue")).json()["owed"]
    assert shown == {
        "why": "paused",
        "since": "2026-11-24T12:00:00.000Z",
        "begins": {"flash": 9, "routine": 4030},
        "releases": 101,
        "until": None,
    }
    assert (await get(sent, "/v1/deliveries")).json()["owed"] is None
    sent.gateway.followed.loaded = False
    assert (await get(sent, "/v1/deliveries", endpoint_id="ep_sue")).json()["owed"]["releases"] is None
    tell_health(sent, EndpointHealth(endpoint_id="ep_sue"))
    assert (await get(sent, "/v1/deliveries", endpoint_id="ep_sue")).json()["owed"] is None


async def retry_failed(wire: World, who: str = "sue", since: int = 0) -> httpx2.Response:
    headers = {"authorization": f"Bearer sl_local_{who}"}
    body = {"since": (NOON + timedelta(minutes=since)).isoformat()}
    return await wire.http.post("/v1/endpoints/ep_sue/retry-failed", json=body, headers=headers)


@pytest.fixture
def active(sent: World) -> World:
    become(sent, "ep_sue", EndpointState.ACTIVE)
    return sent


async def test_all_that_failed_since_a_time_is_tried_again(active: World) -> None:
    """What waits and what was given up, oldest first; not what was delivered, put off, earlier or another's."""
    active.views.put(document(1))
    tell(
        active,
        attempt("dlv_early", state="expired"),
        attempt("dlv_given_up", state="expired", minute=2),
        attempt("dlv_waits", state="retrying", minute=3),
        attempt("dlv_put_off", state="retrying", n=0, tried=False, minute=3),
        attempt("dlv_done", minute=3),
        attempt("tst_1", state="failed", kind="test", minute=3),
        attempt("dlv_tom", "ep_tom", state="expired", subscriber="other", minute=3),
    )
    answer = await retry_failed(active, since=1)
    assert (answer.status_code, answer.json()["retried"], answer.json()["replaced"]) == (202, 2, 0)
    events = [parse_event(one.value) for one in active.topics.on(Topic.RETRY_10S)]
    assert [one.data.delivery_id for one in events if isinstance(one, DeliveryRetry)] == ["dlv_given_up", "dlv_waits"]


async def test_what_was_replaced_meanwhile_is_counted_and_left_out(active: World) -> None:
    """More than one batch of them, and no dead text in the topic of retries."""
    active.views.put(document(1))
    tell(active, *(attempt(f"dlv_{n}", state="expired", release_no=1 + n % 2) for n in range(AT_ONCE * 2 + 2)))
    answer = (await retry_failed(active)).json()
    assert (answer["retried"], answer["replaced"]) == (AT_ONCE + 1, AT_ONCE + 1)
    assert len(active.topics.on(Topic.RETRY_10S)) == AT_ONCE + 1


async def test_a_bulk_of_retries_is_its_owners_and_for_an_active_endpoint(active: World) -> None:
    """404 for anybody else, 409 where nothing would be sent."""
    assert (await retry_failed(active, who="tom")).status_code == 404
    become(active, "ep_sue", EndpointState.DISABLED)
    assert (await retry_failed(active)).status_code == 409


async def test_the_desk_sees_who_was_sent_what(sent: World) -> None:
    """By release; tests are nobody's story."""
    sent.key("eve", "editor")
    sent.know(filed())
    tell(sent, attempt(release_no=2, delivery="dlv_2"), attempt(), attempt("dlv_4", "ep_tom", subscriber="other"))
    answer = await get(sent, f"/v1/desk/stories/{URN}/recipients", who="eve")
    found = [(one["subscriber"], one["release_no"], one["state"]) for one in answer.json()["items"]]
    assert sorted(found[:2]) == [("acme", 1, "delivered"), ("other", 1, "delivered")]
    assert found[2:] == [("acme", 2, "delivered")]


def test_each_endpoint_keeps_its_newest_deliveries_only() -> None:
    """One that gets much does not push out another's, and memory is bounded."""
    view = DeliveriesView(kept=3)
    quiet = attempt("dlv_quiet", "ep_quiet")
    for one in (quiet, *(attempt(f"dlv_{number}", minute=number) for number in range(10))):
        view.apply(record(Topic.ATTEMPTS, "0", encode_event(one)))
    assert [log.delivery_id for log in view.newest(["ep_sue"])] == ["dlv_9", "dlv_8", "dlv_7"]
    assert view.get("dlv_0") is None
    assert view.get("dlv_quiet") is not None
    assert len(view.of_story(URN)) == 4


def test_all_endpoints_together_keep_so_many_and_forget_the_longest_quiet() -> None:
    """Memory does not grow with the number of endpoints; nothing of a forgotten delivery stays behind."""
    view = DeliveriesView(in_all=3)
    rows = [attempt(f"dlv_{number}", f"ep_{number}", story_id=f"urn:{number}") for number in range(5)]
    for one in (rows[0], rows[1], rows[2], attempt("dlv_0", "ep_0", n=2, story_id="urn:0"), rows[3], rows[4]):
        view.apply(record(Topic.ATTEMPTS, "0", encode_event(one)))
    assert [log.delivery_id for log in view.newest([f"ep_{number}" for number in range(5)])] == [
        "dlv_4",
        "dlv_3",
        "dlv_0",
    ]
    assert view.of_story("urn:1") == []
    assert view.get("dlv_2") is None


def test_a_row_that_is_no_json_is_passed_over() -> None:
    """The view stays as it was."""
    view = DeliveriesView()
    view.apply(record(Topic.ATTEMPTS, "0", b"not json"))
    assert list(view.newest(["ep_sue"])) == []
