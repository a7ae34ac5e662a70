"""Who may knock: keys, scopes, 401 and 403."""

import hashlib
import json

import pytest

from services.gateway.described import OPERATIONS
from shared.domain.keys import hash_key
from shared.domain.state import Principal
from shared.platform.topics import Topic
from tests.services.gateway.twins import World, world


async def test_a_key_made_by_an_operator_opens_doors_at_once(wire: World) -> None:
    """The value comes once, in the answer; the next request may use it."""
    new = {"person": "ann", "scopes": ["editor"]}
    made = await wire.http.post("/v1/keys", json=new, headers=wire.operator)
    assert made.status_code == 201
    answer = await wire.http.get("/v1/desk/queue", headers={"authorization": f"Bearer {made.json()['key']}"})
    assert answer.status_code == 200


async def test_only_the_hash_of_a_key_is_kept(wire: World) -> None:
    """Neither the topic nor the list of keys holds a value that opens anything."""
    made = (await wire.http.post("/v1/keys", json={"person": "ann", "scopes": ["desk"]}, headers=wire.operator)).json()
    [kept] = wire.topics.on(Topic.PRINCIPAL_STATE)
    assert Principal.model_validate_json(kept.value or b"").hash == hash_key(made["key"])
    listed = await wire.http.get("/v1/keys", headers=wire.operator)
    assert made["key"] not in (kept.value or b"").decode() + listed.text


async def test_a_revoked_key_is_unknown(wire: World) -> None:
    """Revoking answers 204, and from then on the key is 401 like any other unknown one."""
    made = (await wire.http.post("/v1/keys", json={"person": "ann", "scopes": ["desk"]}, headers=wire.operator)).json()
    gone = await wire.http.delete(f"/v1/keys/{made['key_id']}", headers=wire.operator)
    answer = await wire.http.get("/v1/desk/queue", headers={"authorization": f"Bearer {made['key']}"})
    assert (gone.status_code, answer.status_code) == (204, 401)


async def test_a_subscribers_key_names_its_subscriber(wire: World) -> None:
    """Without one nothing could be said to be its own."""
    new = {"person": "ann", "scopes": ["subscriber"]}
    answer = await wire.http.post("/v1/keys", json=new, headers=wire.operator)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/subscriber"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sl_local_nobody"}, {"authorization": "Basic YTpi"}])
async def test_every_route_needs_a_known_key(wire: World, headers: dict[str, str]) -> None:
    """401 as a problem, on every documented route and verb, also where the body could not be read."""
    document = (await wire.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        if path in OPERATIONS:  # the stream's own door answers these, and the stream's tests ask it
            continue
        for verb in operations:
            answer = await wire.http.request(verb, path.replace("{form}", "atom"), headers=headers, content=b"")
            assert answer.status_code == 401, (verb, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/docs", "/docs.css", "/openapi.json", "/errors/invalid"]
)
async def test_health_metrics_and_documents_need_none(wire: World, path: str) -> None:
    """Probes and readers of the documentation have no key."""
    assert (await wire.http.get(path)).status_code == 200


async def test_an_unknown_key_is_503_until_all_keys_are_read(wire: World) -> None:
    """A key that is good must not be told it is not, only because this process has just started."""
    wire.known[0] = False
    answer = await wire.http.get("/v1/stories", headers={"authorization": "Bearer sl_local_early"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/desk/stories/urn:x:1/withhold"),
        ("GET", "/v1/desk/receipts/e1"),
        ("GET", "/v1/endpoints/ep_1"),
        ("GET", "/v1/subscriptions"),
        ("GET", "/v1/deliveries/dlv_1"),
    ],
)
async def test_nothing_is_not_found_until_all_tables_are_read(wire: World, method: str, path: str) -> None:
    """A process that has just started does not know yet what is there: no 404, no empty list."""
    headers = wire.key("eve", "editor", "subscriber")
    wire.known[0] = False
    answer = await wire.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/keys", {"person": "x", "scopes": ["desk"]}),
        ("GET", "/v1/desk/queue", None),
        ("POST", "/v1/desk/stories/urn:x:1/kill", {"reason": "wrong"}),
        ("GET", "/v1/desk/receipts/e1", None),
    ],
)
async def test_a_subscribers_key_is_403_at_the_desk(
    wire: World, method: str, path: str, body: dict[str, object] | None
) -> None:
    """The wrong scope is told as such."""
    mine = wire.key("sue", "subscriber", subscriber="acme")
    answer = await wire.http.request(method, path, json=body, headers=mine)
    assert answer.status_code == 403
    assert "scope" in answer.json()["detail"]


async def test_a_desk_key_does_not_decide_and_an_editor_key_does_not_subscribe(wire: World) -> None:
    """Editor includes desk, and nothing else includes anything."""
    desk, editor = wire.key("dan", "desk"), wire.key("eve", "editor")
    for action in ("release", "reject", "withhold"):
        answer = await wire.http.post(f"/v1/desk/stories/urn:x:1/{action}", json={}, headers=desk)
        assert answer.status_code == 403, action
    assert (await wire.http.get("/v1/endpoints", headers=editor)).status_code == 403


async def test_feeds_need_a_key_unless_the_site_is_public() -> None:
    """WIRE_PUBLIC_SITE opens the feeds and nothing of the API."""
    async with world(public_site=True) as public, world() as private:
        assert (await public.http.get("/feeds/latest.atom")).status_code == 200
        assert (await public.http.get("/v1/stories")).status_code == 401
        assert (await private.http.get("/feeds/latest.atom")).status_code == 401


async def test_the_audit_of_a_process_is_one_chain(wire: World) -> None:
    """Each entry holds the hash of the one before it, and no key."""
    for name in ("ann", "bob"):
        await wire.http.post("/v1/keys", json={"person": name, "scopes": ["desk"]}, headers=wire.operator)
    first, second = (one.value or b"" for one in wire.topics.on(Topic.AUDIT))
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()
    assert (json.loads(first)["n"], json.loads(second)["n"]) == (1, 2)
    assert b"sl_local_" not in first + second


async def test_a_key_that_is_not_on_the_broker_is_not_given_out(wire: World) -> None:
    """503 with Retry-After; the same request later makes one key."""
    wire.topics.away = True
    answer = await wire.http.post("/v1/keys", json={"person": "ann", "scopes": ["desk"]}, headers=wire.operator)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert len(wire.book.all()) == 1
