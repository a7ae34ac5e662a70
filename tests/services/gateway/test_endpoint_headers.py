"""The headers that an owner gives its endpoint may be credentials: sealed in the records, masked in every answer."""

from dataclasses import replace

from services.distribution.registry import Registry as SendersRegistry
from services.gateway.routes.endpoint_shapes import MASK
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.sealing import Sealer
from shared.platform.topics import Topic, key_of
from tests.services.gateway.owners import HOOK, become, call, register
from tests.services.gateway.resealed import NEW, OLD, records_of, walk
from tests.services.gateway.twins import NOON, SEALER, World, record, world

TOKEN = "Bearer s3cr3t"
HEADERS = {"authorization": TOKEN, "x-team": "desk"}


def sent_with(wire: World, sealer: Sealer = SEALER) -> dict[str, str]:
    """The headers as the sender reads them of what was written, and of what was there before."""
    sender = SendersRegistry(sealer.open)
    for one in records_of(wire):
        sender.apply(one)
    [endpoint] = sender.endpoints.values()
    return dict(sender.headers_of(endpoint))


def plain(wire: World) -> Endpoint:
    """An endpoint from before headers were sealed."""
    old = Endpoint(
        endpoint_id="ep_old", subscriber="acme", url=HOOK, headers=HEADERS, state=EndpointState.ACTIVE, created_at=NOON
    )
    wire.registry.apply(record(Topic.SUBSCRIPTION_STATE, key_of("ep_old", "endpoint"), old.model_dump_json().encode()))
    return old


async def test_values_of_headers_are_on_no_topic_and_in_no_answer(hooks: World) -> None:
    """Their names are shown; the sender has them whole."""
    made = await register(hooks, headers=HEADERS)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    answers = [
        await call(hooks, "GET", "/v1/endpoints"),
        await call(hooks, "GET", path),
        await call(hooks, "PATCH", path, {"headers": {"authorization": TOKEN}}),
    ]
    assert made["headers"] == {"authorization": MASK, "x-team": MASK}
    assert answers[-1].json()["headers"] == {"authorization": MASK}
    written = b"".join(one.value or b"" for one in hooks.topics.written).decode()
    assert TOKEN not in "".join(answer.text for answer in answers) + written
    assert sent_with(hooks) == {"authorization": TOKEN}


async def test_a_masked_value_cannot_be_sent_back_as_a_value(hooks: World) -> None:
    """Whoever edits an answer and sends it whole is told, and nothing changes."""
    made = await register(hooks, headers=HEADERS)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    answer = await call(hooks, "PATCH", path, {"headers": made["headers"]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/headers/authorization")
    assert sent_with(hooks) == HEADERS


async def test_headers_are_taken_away_by_an_empty_object(hooks: World) -> None:
    """And a change of anything else leaves them."""
    made = await register(hooks, headers=HEADERS)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    kept = await call(hooks, "PATCH", path, {"description": "ours"})
    assert kept.json()["headers"].keys() == HEADERS.keys()
    assert (await call(hooks, "PATCH", path, {"headers": {}})).json()["headers"] == {}
    assert sent_with(hooks) == {}


async def test_plain_headers_of_old_go_on_masked_and_are_sealed_by_the_next_change(hooks: World) -> None:
    """Nothing is lost on the way."""
    old = plain(hooks)
    shown = (await call(hooks, "GET", "/v1/endpoints/ep_old")).json()["headers"]
    assert shown == {"authorization": MASK, "x-team": MASK}
    changed = await call(hooks, "PATCH", "/v1/endpoints/ep_old", {"description": "ours"})
    assert changed.json()["headers"] == shown
    assert sent_with(hooks) == old.headers
    assert TOKEN not in b"".join(one.value or b"" for one in hooks.topics.written).decode()


async def test_resealing_covers_headers_and_seals_plain_ones() -> None:
    """After one walk the new key alone opens all of them, and no plain one is left; a second walk has nothing to do."""
    async with world(sealer=Sealer(OLD)) as before:
        before.key("sue", "subscriber", subscriber="acme")
        await register(before, headers=HEADERS)
        old = records_of(before)
    async with world(sealer=Sealer(f"{NEW},{OLD}")) as wire:
        for one in old:
            wire.registry.apply(one)
        plain(wire)
        await walk(wire)
        assert [page["resealed"] for page in await walk(wire)] == [0, 0]
        sender = SendersRegistry(Sealer(NEW).open)
        for one in [*old, *records_of(wire)]:
            sender.apply(one)
    assert [dict(sender.headers_of(each)) for each in sender.endpoints.values()] == [HEADERS, HEADERS]
    assert all(each.headers == {} for each in sender.endpoints.values())


async def test_an_endpoint_says_why_it_is_disabled_until_it_is_enabled(hooks: World) -> None:
    """The reason that distribution wrote with it."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    become(hooks, made["endpoint_id"], EndpointState.DISABLED)
    part = hooks.registry._endpoints[made["endpoint_id"]]
    why = {"reason": "gone", "at": NOON, "since": NOON}
    told = Endpoint.model_validate({**part.value.model_dump(), "disabled": why})
    written = record(Topic.SUBSCRIPTION_STATE, key_of(made["endpoint_id"], "endpoint"), told.model_dump_json().encode())
    hooks.registry.apply(replace(written, offset=part.offset + 1))
    shown = (await call(hooks, "GET", path)).json()["disabled"]
    assert shown == {"reason": "gone", "at": "2026-11-24T12:00:00.000Z", "since": "2026-11-24T12:00:00.000Z"}
    assert (await call(hooks, "POST", f"{path}/enable")).json()["disabled"] is None
    [*_, last] = hooks.topics.on(Topic.SUBSCRIPTION_STATE)
    assert b'"disabled":null' in (last.value or b"")
