"""Endpoints: registered where webhooks may go, their secrets, and everything that is done with one."""

from datetime import timedelta
from typing import Any

import pytest

from services.gateway.registry import Registry
from shared.domain.events import EndpointTest, parse_event
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.signature import parse_secret
from shared.platform.topics import Topic, key_of, partition_of
from tests.services.gateway.owners import HOOK, become, call, register, secrets_of
from tests.services.gateway.twins import NOON, SHARDS, World, record, world


async def test_an_endpoint_is_pending_with_a_challenge_and_a_secret(hooks: World) -> None:
    """What the deliverer needs lies in two records of one key's partition, the secret first."""
    made = await register(hooks, description="ours", rate_limit=50)
    assert (made["state"], made["url"], made["rate_limit"]) == ("pending", HOOK, 50)
    secret, endpoint = hooks.topics.on(Topic.SUBSCRIPTION_STATE)
    assert [secret.key, endpoint.key] == [key_of(made["endpoint_id"], part) for part in ("secret", "endpoint")]
    kept = Endpoint.model_validate_json(endpoint.value or b"")
    assert (kept.state, kept.subscriber, kept.challenged_at) == (EndpointState.PENDING, "acme", NOON)
    assert len(kept.challenge) >= 32


async def test_a_secret_is_shown_once_and_kept_sealed(hooks: World) -> None:
    """It is in the first answer, in no later one, and on no topic in the clear."""
    made = await register(hooks)
    parse_secret(made["secret"])
    assert secrets_of(hooks, made["endpoint_id"]) == [made["secret"]]
    later = [await call(hooks, "GET", path) for path in ("/v1/endpoints", f"/v1/endpoints/{made['endpoint_id']}")]
    written = b"".join(one.value or b"" for one in hooks.topics.written).decode()
    assert made["secret"] not in "".join(answer.text for answer in later) + written


async def test_a_subscriber_may_bring_its_own_secret(hooks: World) -> None:
    """As long as it is one: 24 to 64 bytes in base64. A bad one is named, never repeated."""
    own = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    assert (await register(hooks, secret=own))["secret"] == own
    bad = await call(hooks, "POST", "/v1/endpoints", {"url": HOOK, "secret": "whsec_c2hvcnQ="})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/secret")
    assert "c2hvcnQ" not in bad.text


async def test_a_public_key_comes_with_v1a(hooks: World) -> None:
    """The private half is kept sealed; v1 always stays."""
    made = await register(hooks, signing=["v1", "v1a"])
    assert made["public_key"].startswith("whpk_")
    assert [one[:5] for one in secrets_of(hooks, made["endpoint_id"])] == ["whsec", "whsk_"]
    alone = await call(hooks, "POST", "/v1/endpoints", {"url": HOOK, "signing": ["v1a"]})
    assert (alone.status_code, alone.json()["errors"][0]["pointer"]) == (422, "/signing")


@pytest.mark.parametrize(
    ("url", "rule", "address"),
    [
        ("http://hooks.example.com/x", "scheme", "http"),
        ("http://sue:secret@hooks.example.com/x", "credentials", "@"),
        ("https://127.0.0.1/x", "address", "127.0.0.1"),
        ("https://169.254.169.254/latest/meta-data", "address", "169.254.169.254"),
        ("https://[::ffff:10.0.0.1]/x", "address", "::ffff:a00:1"),
        ("https://localhost/x", "name", "localhost"),
        ("https://inside.example.com/x", "address", "10.0.0.1"),
        ("https://mixed.example.com/x", "address", "fd00::1"),
        ("https://mapped.example.com/x", "address", "::ffff:10.0.0.1"),
        ("https://metadata.example.com/x", "address", "169.254.169.254"),
        ("https://unknown.example.com/x", "name", "unknown.example.com"),
        ("https://hooks.example.com:22/x", "port", "22"),
        ("ftp://hooks.example.com/x", "scheme", "ftp"),
        ("hooks.example.com", "form", ""),
    ],
)
async def test_a_url_that_webhooks_may_not_go_to_is_refused(hooks: World, url: str, rule: str, address: str) -> None:
    """422 names the rule, the address that was judged and the setting; nothing is registered, by POST or PATCH."""
    hooks.names.known |= {
        "inside.example.com": ["10.0.0.1"],
        "mixed.example.com": ["93.184.216.34", "fd00::1"],
        "mapped.example.com": ["::ffff:10.0.0.1"],
        "metadata.example.com": ["169.254.169.254"],
    }
    made = await register(hooks)
    written = len(hooks.topics.written)
    posted = await call(hooks, "POST", "/v1/endpoints", {"url": url})
    patched = await call(hooks, "PATCH", f"/v1/endpoints/{made['endpoint_id']}", {"url": url})
    for answer in (posted, patched):
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["pointer"], error["rule"], error["address"]) == (422, "/url", rule, address)
        assert rule in answer.json()["detail"]
        if rule == "address":
            assert "WIRE_ENDPOINT_ALLOW" in error["message"]
    assert len(hooks.topics.written) == written


async def test_a_local_receiver_is_allowed_by_name_of_the_setting_only() -> None:
    """WIRE_ENDPOINT_ALLOW lifts the rules for exactly its host and port."""
    async with world(allow="127.0.0.1:9999") as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        allowed = await call(wire, "POST", "/v1/endpoints", {"url": "http://127.0.0.1:9999/x"})
        other = await call(wire, "POST", "/v1/endpoints", {"url": "http://127.0.0.1:9998/x"})
        assert (allowed.status_code, other.status_code) == (201, 422)


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"webhook-id": "x"}, {"a b": "x"}, {"x": "a\r\nb: c"}, {"x": ""}, {"x": "é"}, {"X": "1", "x": "2"}],
)
async def test_headers_that_would_break_a_webhook_are_refused(hooks: World, headers: dict[str, str]) -> None:
    """What the sender sets, what is no header, and line breaks."""
    answer = await call(hooks, "POST", "/v1/endpoints", {"url": HOOK, "headers": headers})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/headers")


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_while(hooks: World) -> None:
    """Both are kept, the new one first, and the old one retires on time; rotating again keeps all that are valid."""
    made = await register(hooks)
    rotate = f"/v1/endpoints/{made['endpoint_id']}/rotate-secret"
    answer = (await call(hooks, "POST", rotate, {"overlap_s": 3600})).json()
    assert secrets_of(hooks, made["endpoint_id"]) == [answer["secret"], made["secret"]]
    kept = hooks.registry.secret(made["endpoint_id"])
    assert kept is not None
    assert kept.retire_at == (None, NOON + timedelta(hours=1))
    hooks.clock.advance(timedelta(hours=2))
    third = (await call(hooks, "POST", rotate, {"overlap_s": 3600})).json()
    assert secrets_of(hooks, made["endpoint_id"]) == [third["secret"], answer["secret"]]


async def test_a_leaked_secret_is_gone_at_once(hooks: World) -> None:
    """`overlap_s` 0 leaves the new secret alone."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}/rotate-secret"
    answer = (await call(hooks, "POST", path, {"overlap_s": 0})).json()
    assert secrets_of(hooks, made["endpoint_id"]) == [answer["secret"]]


async def test_rotating_does_not_touch_the_endpoints_own_part(hooks: World) -> None:
    """Two gateways that change different parts never overwrite each other."""
    made = await register(hooks)
    before = len(hooks.topics.on(Topic.SUBSCRIPTION_STATE))
    await call(hooks, "POST", f"/v1/endpoints/{made['endpoint_id']}/rotate-secret", {})
    [written] = hooks.topics.on(Topic.SUBSCRIPTION_STATE)[before:]
    assert written.key == key_of(made["endpoint_id"], "secret")


async def test_a_change_needs_the_present_etag_if_one_is_given(hooks: World) -> None:
    """412 with a stale one, and nothing written; without one the change is made."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    etag = (await call(hooks, "GET", path)).headers["etag"]
    first = await call(hooks, "PATCH", path, {"description": "one"}, **{"if-match": etag})
    stale = await call(hooks, "PATCH", path, {"description": "two"}, **{"if-match": etag})
    assert (first.status_code, stale.status_code) == (200, 412)
    assert (await call(hooks, "GET", path)).json()["description"] == "one"
    assert first.headers["etag"] not in (etag, "")


async def test_another_url_has_to_meet_a_new_challenge(hooks: World) -> None:
    """Otherwise a met challenge would be a ticket to anywhere; the same URL changes nothing."""
    made = await register(hooks)
    hooks.names.known["new.example.com"] = ["93.184.216.34"]
    become(hooks, made["endpoint_id"], EndpointState.ACTIVE)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    same = (await call(hooks, "PATCH", path, {"url": HOOK})).json()["state"]
    other = (await call(hooks, "PATCH", path, {"url": "https://new.example.com/x"})).json()["state"]
    assert (same, other) == ("active", "pending")


async def test_a_challenge_may_be_asked_again_while_pending(hooks: World) -> None:
    """With a new token and a new time; an active endpoint has met its own."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}/challenge"
    hooks.clock.advance(timedelta(minutes=5))
    assert (await call(hooks, "POST", path)).status_code == 202
    first, again = (
        Endpoint.model_validate_json(one.value or b"")
        for one in hooks.topics.on(Topic.SUBSCRIPTION_STATE)
        if one.key.endswith("endpoint")
    )
    assert again.challenge != first.challenge
    assert again.challenged_at == NOON + timedelta(minutes=5)
    become(hooks, made["endpoint_id"], EndpointState.ACTIVE)
    assert (await call(hooks, "POST", path)).status_code == 409


@pytest.mark.parametrize(
    ("state", "verb", "status", "after"),
    [
        (EndpointState.ACTIVE, "pause", 200, "paused"),
        (EndpointState.PAUSED, "pause", 200, "paused"),
        (EndpointState.PAUSED, "resume", 200, "active"),
        (EndpointState.DISABLED, "enable", 200, "active"),
        (EndpointState.PENDING, "resume", 409, "pending"),
        (EndpointState.PENDING, "enable", 409, "pending"),
        (EndpointState.DISABLED, "resume", 409, "disabled"),
        (EndpointState.PAUSED, "enable", 409, "paused"),
    ],
)
async def test_states_move_as_their_owner_says(
    hooks: World, state: EndpointState, verb: str, status: int, after: str
) -> None:
    """No verb goes around the challenge."""
    made = await register(hooks)
    become(hooks, made["endpoint_id"], state)
    answer = await call(hooks, "POST", f"/v1/endpoints/{made['endpoint_id']}/{verb}")
    assert answer.status_code == status
    assert (await call(hooks, "GET", f"/v1/endpoints/{made['endpoint_id']}")).json()["state"] == after


async def test_a_test_event_goes_to_the_endpoints_shard(hooks: World) -> None:
    """By the flash lane of due deliveries, the way every delivery goes."""
    made = await register(hooks)
    answer = (await call(hooks, "POST", f"/v1/endpoints/{made['endpoint_id']}/test")).json()
    [sent] = hooks.topics.on(Topic.DUE_FLASH)
    event = parse_event(sent.value)
    shard = partition_of(made["endpoint_id"], SHARDS)
    assert isinstance(event, EndpointTest)
    assert (sent.key, sent.partition, event.data.shard) == (str(shard), shard, shard)
    assert (event.data.endpoint_id, event.data.test_id) == (made["endpoint_id"], answer["delivery_id"])


async def test_a_deleted_endpoint_leaves_tombstones_and_stream_subscriptions(hooks: World) -> None:
    """Every part goes; what was subscribed to it goes on without it."""
    made = await register(hooks)
    subscribed = (
        await call(hooks, "POST", "/v1/subscriptions", {"name": "all", "endpoint_id": made["endpoint_id"]})
    ).json()
    path = f"/v1/endpoints/{made['endpoint_id']}"
    assert (await call(hooks, "DELETE", path)).status_code == 204
    tombstones = {one.key for one in hooks.topics.on(Topic.SUBSCRIPTION_STATE) if one.value is None}
    assert tombstones == {
        key_of(made["endpoint_id"], part) for part in ("endpoint", "secret", "certificate", "headers")
    }
    assert (await call(hooks, "GET", path)).status_code == 404
    kept = (await call(hooks, "GET", f"/v1/subscriptions/{subscribed['subscription_id']}")).json()
    assert kept["endpoint_id"] is None


VERBS = [
    ("GET", "", None),
    ("PATCH", "", {"description": "mine now"}),
    ("DELETE", "", None),
    ("POST", "/test", None),
    ("POST", "/rotate-secret", {}),
    ("POST", "/challenge", None),
    ("POST", "/pause", None),
    ("POST", "/resume", None),
    ("POST", "/enable", None),
    ("POST", "/retry-failed", {"since": "2026-11-24T12:00:00Z"}),
    ("POST", "/replays", {"since": "2026-11-24T12:00:00Z"}),
    ("GET", "/replays/rpl_1", None),
    ("DELETE", "/replays/rpl_1", None),
]


@pytest.mark.parametrize(("method", "rest", "body"), VERBS)
async def test_anothers_endpoint_is_404_on_every_verb(hooks: World, method: str, rest: str, body: Any) -> None:
    """Word for word the answer of one that does not exist, and nothing is written."""
    made = await register(hooks)
    written = len(hooks.topics.written)
    foreign = await call(hooks, method, f"/v1/endpoints/{made['endpoint_id']}{rest}", body, who="tom")
    nobodys = await call(hooks, method, f"/v1/endpoints/ep_nobody{rest}", body, who="tom")
    assert (foreign.status_code, nobodys.status_code) == (404, 404)
    assert foreign.json() == nobodys.json()
    assert len(hooks.topics.written) == written


async def test_lists_hold_ones_own_and_an_operator_sees_all(hooks: World) -> None:
    """An operator reads; only the subscriber writes."""
    made = await register(hooks)
    assert (await call(hooks, "GET", "/v1/endpoints", who="tom")).json()["items"] == []
    seen = await hooks.http.get("/v1/endpoints", headers=hooks.operator)
    assert [one["endpoint_id"] for one in seen.json()["items"]] == [made["endpoint_id"]]
    denied = await hooks.http.delete(f"/v1/endpoints/{made['endpoint_id']}", headers=hooks.operator)
    assert denied.status_code == 403


@pytest.mark.parametrize("part", ["endpoint", "secret", "subscription"])
async def test_a_record_that_is_no_json_leaves_the_part_as_it_was(hooks: World, part: str) -> None:
    """Somebody's bad record takes nobody's endpoint away."""
    made = await register(hooks)
    hooks.registry.apply(record(Topic.SUBSCRIPTION_STATE, key_of(made["endpoint_id"], part), b"not json"))
    assert (await call(hooks, "GET", f"/v1/endpoints/{made['endpoint_id']}")).json()["url"] == HOOK


async def test_what_is_written_here_is_what_another_gateway_reads(hooks: World) -> None:
    """The records alone make the same endpoint."""
    made = await register(hooks, headers={"X-Team": "desk"})
    other = Registry()
    for one in hooks.topics.on(Topic.SUBSCRIPTION_STATE):
        other.apply(record(one.topic, one.key, one.value))
    kept = next(part.value for part in other._endpoints.values())
    assert other.header_names(kept) == ("x-team",)
    assert other.secret(made["endpoint_id"]) == hooks.registry.secret(made["endpoint_id"])
