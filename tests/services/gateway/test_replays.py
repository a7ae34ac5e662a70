"""Replays: asked for, followed, cancelled, each subscriber's own; the work itself is distribution's."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from services.gateway.health_view import HealthView
from services.gateway.replays import KEPT
from shared.domain.replays import Replay
from shared.domain.story import Lane
from shared.domain.subscription import EndpointState
from shared.platform.topics import Topic, key_of
from tests.services.gateway.owners import become, call, register
from tests.services.gateway.twins import LIFE, NOON, World, record

BEFORE_NOON = (NOON - timedelta(hours=1)).isoformat()


@pytest.fixture
async def endpoint_id(hooks: World) -> str:
    """An active endpoint of sue's."""
    made = await register(hooks)
    become(hooks, made["endpoint_id"], EndpointState.ACTIVE)
    return str(made["endpoint_id"])


async def ask(wire: World, endpoint_id: str, body: Any = None, who: str = "sue") -> httpx2.Response:
    wish = {"since": BEFORE_NOON} if body is None else body
    return await call(wire, "POST", f"/v1/endpoints/{endpoint_id}/replays", wish, who=who)


def written(wire: World) -> list[Replay]:
    """The requests as distribution reads them."""
    return [Replay.model_validate_json(one.value) for one in wire.topics.on(Topic.ENDPOINT_HEALTH) if one.value]


def tell(wire: World, asked: Replay, **fields: Any) -> None:
    """Distribution writes how far it is."""
    told = asked.model_copy(update=fields)
    made = record(Topic.ENDPOINT_HEALTH, key_of(*told.key_parts), told.model_dump_json().encode())
    wire.gateway.replays.view.apply(made)


async def test_a_replay_since_a_time_is_a_record_of_the_endpoints_health(hooks: World, endpoint_id: str) -> None:
    """With who asked and when; it can be looked at at once."""
    answer = await ask(hooks, endpoint_id)
    assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    [asked] = written(hooks)
    assert hooks.topics.on(Topic.ENDPOINT_HEALTH)[0].key == key_of(endpoint_id, "replay", answer.json()["replay_id"])
    assert (asked.since, asked.start, asked.asked_at) == (NOON - timedelta(hours=1), None, NOON)
    assert (asked.subscriber, asked.asked_by) == ("acme", "key_sue")
    assert (await call(hooks, "GET", answer.headers["location"])).json() == answer.json()


@pytest.mark.parametrize(
    ("cursor", "start"),
    [
        (f"{LIFE}-12-4020", {Lane.FLASH: 12, Lane.ROUTINE: 4020}),
        ("earliest", {Lane.FLASH: 0, Lane.ROUTINE: 0}),
    ],
)
async def test_a_cursor_of_the_stream_is_a_place_in_both_lanes(
    hooks: World, endpoint_id: str, cursor: str, start: dict[Lane, int]
) -> None:
    """The same that a subscription is told as `from`."""
    answer = await ask(hooks, endpoint_id, {"cursor": cursor})
    [asked] = written(hooks)
    assert (asked.since, asked.start) == (None, start)
    assert answer.json()["cursor"] == f"{LIFE}-{start[Lane.FLASH]}-{start[Lane.ROUTINE]}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"since": BEFORE_NOON, "cursor": f"{LIFE}-1-1"}, ""),
        ({"since": (NOON + timedelta(seconds=1)).isoformat()}, "/since"),
        ({"since": "yesterday"}, "/since"),
        ({"cursor": "12"}, "/cursor"),
        ({"cursor": "another-1-1"}, "/cursor"),
        ({"cursor": "x" * 200}, "/cursor"),
    ],
)
async def test_what_names_no_place_is_refused(hooks: World, endpoint_id: str, body: Any, pointer: str) -> None:
    """422 that says where, and no record."""
    answer = await ask(hooks, endpoint_id, body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert written(hooks) == []


@pytest.mark.parametrize("state", [EndpointState.PENDING, EndpointState.DISABLED])
async def test_nothing_is_replayed_to_an_endpoint_that_nothing_is_sent_to(
    hooks: World, endpoint_id: str, state: EndpointState
) -> None:
    """409: the challenge comes first, or `enable`; a paused one has it when it resumes."""
    become(hooks, endpoint_id, state)
    assert (await ask(hooks, endpoint_id)).status_code == 409
    become(hooks, endpoint_id, EndpointState.PAUSED)
    assert (await ask(hooks, endpoint_id)).status_code == 202


async def test_progress_is_what_distribution_says(hooks: World, endpoint_id: str) -> None:
    """Sent, skipped and left over both lanes; a lane that is through has no position."""
    path = (await ask(hooks, endpoint_id)).headers["location"]
    [asked] = written(hooks)
    assert (await call(hooks, "GET", path)).json()["left"] is None
    end = {Lane.FLASH: 10, Lane.ROUTINE: 500}
    tell(hooks, asked, state="running", end=end, position={Lane.ROUTINE: 120}, sent=70, skipped=3)
    shown = (await call(hooks, "GET", path)).json()
    assert [shown[name] for name in ("state", "sent", "skipped", "left")] == ["running", 70, 3, 380]
    tell(hooks, asked, state="done", end=end, sent=90)
    assert (await call(hooks, "GET", path)).json()["left"] == 0


async def test_one_replay_of_an_endpoint_goes_on_at_a_time(hooks: World, endpoint_id: str) -> None:
    """The second is refused with the first one's id until that has ended, also when both are asked at once."""
    answers = await asyncio.gather(*(ask(hooks, endpoint_id) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    [asked] = written(hooks)
    assert asked.replay_id in next(answer.text for answer in answers if answer.status_code == 409)
    tell(hooks, asked, state="failed", reason="the log keeps nothing that old")
    assert (await ask(hooks, endpoint_id)).status_code == 202


async def test_a_cancelled_replay_stays_so_whatever_was_on_its_way(hooks: World, endpoint_id: str) -> None:
    """Distribution may have written its progress before it read of the cancel; twice is once."""
    path = (await ask(hooks, endpoint_id)).headers["location"]
    [asked] = written(hooks)
    cancelled = await call(hooks, "DELETE", path)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert written(hooks)[-1].state == "cancelled"
    tell(hooks, asked, state="running", sent=5)
    shown = (await call(hooks, "GET", path)).json()
    assert (shown["state"], shown["sent"]) == ("cancelled", 5)
    assert (await call(hooks, "DELETE", path)).status_code == 200
    assert len(written(hooks)) == 2


async def test_what_has_ended_by_itself_cannot_be_cancelled(hooks: World, endpoint_id: str) -> None:
    """409 says what it is."""
    path = (await ask(hooks, endpoint_id)).headers["location"]
    tell(hooks, written(hooks)[0], state="done")
    answer = await call(hooks, "DELETE", path)
    assert (answer.status_code, "done" in answer.json()["detail"]) == (409, True)


async def test_the_last_replays_are_kept_and_older_ones_leave_the_topic(hooks: World, endpoint_id: str) -> None:
    """Newest first; a tombstone for the one that is one too many."""
    for minute in range(KEPT + 1):
        hooks.clock.advance(timedelta(minutes=minute))
        assert (await ask(hooks, endpoint_id)).status_code == 202
        tell(hooks, written(hooks)[-1], state="done")
    items = (await call(hooks, "GET", f"/v1/endpoints/{endpoint_id}/replays")).json()["items"]
    assert len(items) == KEPT
    assert [one["asked_at"] for one in items] == sorted((one["asked_at"] for one in items), reverse=True)
    gone = [one.key for one in hooks.topics.on(Topic.ENDPOINT_HEALTH) if one.value is None]
    assert gone == [key_of(*written(hooks)[0].key_parts)]


async def test_a_deleted_endpoint_takes_its_replays_along(hooks: World, endpoint_id: str) -> None:
    """Also the one that goes on: distribution has nothing left to do. A stale ETag takes nothing."""
    await ask(hooks, endpoint_id)
    path = f"/v1/endpoints/{endpoint_id}"
    assert (await call(hooks, "DELETE", path, **{"if-match": '"0"'})).status_code == 412
    assert [one.value is None for one in hooks.topics.on(Topic.ENDPOINT_HEALTH)] == [False]
    assert (await call(hooks, "DELETE", path)).status_code == 204
    assert [one.value is None for one in hooks.topics.on(Topic.ENDPOINT_HEALTH)] == [False, True]


async def test_an_endpoint_is_enabled_with_what_it_missed(hooks: World, endpoint_id: str) -> None:
    """The endpoint is active before its replay is asked for; null or nothing asks for none."""
    become(hooks, endpoint_id, EndpointState.DISABLED)
    path = f"/v1/endpoints/{endpoint_id}/enable"
    answer = await call(hooks, "POST", path, {"replay_since": BEFORE_NOON})
    assert (answer.status_code, answer.json()["state"], answer.json()["replay"]["state"]) == (
        200,
        "active",
        "requested",
    )
    assert [one.topic for one in hooks.topics.written[-2:]] == [Topic.SUBSCRIPTION_STATE, Topic.ENDPOINT_HEALTH]
    become(hooks, endpoint_id, EndpointState.DISABLED)
    assert (await call(hooks, "POST", path, {"replay_since": None})).json()["replay"] is None
    assert len(written(hooks)) == 1


async def test_an_endpoint_is_not_enabled_with_a_wish_that_makes_no_sense(hooks: World, endpoint_id: str) -> None:
    """Both or nothing: it stays disabled."""
    become(hooks, endpoint_id, EndpointState.DISABLED)
    late = {"replay_since": (NOON + timedelta(days=1)).isoformat()}
    assert (await call(hooks, "POST", f"/v1/endpoints/{endpoint_id}/enable", late)).status_code == 422
    assert (await call(hooks, "GET", f"/v1/endpoints/{endpoint_id}")).json()["state"] == "disabled"


async def test_anothers_replay_is_404_on_every_verb(hooks: World, endpoint_id: str) -> None:
    """Word for word as one that does not exist; an operator looks, and does not ask."""
    path = (await ask(hooks, endpoint_id)).headers["location"]
    for method, where in (("GET", path), ("DELETE", path), ("GET", path.rpartition("/")[0])):
        assert (await call(hooks, method, where, who="tom")).status_code == 404
    assert (await ask(hooks, endpoint_id, who="tom")).status_code == 404
    assert (await hooks.http.get(path, headers=hooks.operator)).status_code == 200
    assert (await hooks.http.delete(path, headers=hooks.operator)).status_code == 403


async def test_without_the_broker_nothing_was_asked(hooks: World, endpoint_id: str) -> None:
    """503, and the request can be made again."""
    hooks.topics.away = True
    assert (await ask(hooks, endpoint_id)).status_code == 503
    hooks.topics.away = False
    assert (await ask(hooks, endpoint_id)).status_code == 202


def test_a_record_that_cannot_be_read_leaves_the_one_before() -> None:
    """And parts of the topic that are not the gateway's are passed over."""
    view = HealthView()
    asked = Replay(
        replay_id="rpl_1", endpoint_id="ep_1", subscriber="acme", asked_by="k", asked_at=NOON, updated_at=NOON
    )
    key = key_of(*asked.key_parts)
    view.apply(record(Topic.ENDPOINT_HEALTH, key, asked.model_dump_json().encode()))
    view.apply(record(Topic.ENDPOINT_HEALTH, key, b"not json"))
    view.apply(record(Topic.ENDPOINT_HEALTH, key_of("ep_1", "held", "urn:x"), b"not json"))
    assert view.replays("ep_1") == [asked]
    view.apply(record(Topic.ENDPOINT_HEALTH, key, None))
    assert view.replays("ep_1") == []
