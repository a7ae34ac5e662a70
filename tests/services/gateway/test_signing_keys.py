"""The keys an endpoint signs with: how many, for how long, and what their owner is shown."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from services.gateway.keychain import MOST_KEYS
from shared.platform.signature import HmacKey, parse_private_key, parse_secret, sign, verify_public
from shared.platform.topics import Topic
from tests.services.gateway.owners import call, register, secrets_of
from tests.services.gateway.twins import World


async def test_no_webhook_bears_more_signatures_than_receivers_read(hooks: World) -> None:
    """Ten secrets at once are the limit: the next rotation says when there is room, and changes nothing."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}/rotate-secret"
    answers = [await call(hooks, "POST", path, {"overlap_s": 3600}) for _ in range(MOST_KEYS)]
    assert [answer.status_code for answer in answers] == [200] * (MOST_KEYS - 1) + [409]
    assert "2026-11-24T13:00:00.000Z" in answers[-1].json()["detail"]
    assert len(secrets_of(hooks, made["endpoint_id"])) == MOST_KEYS
    assert (await call(hooks, "POST", path, {"overlap_s": 0})).status_code == 200
    assert len(secrets_of(hooks, made["endpoint_id"])) == 1


@pytest.mark.parametrize(("overlap_s", "status"), [(0, 200), (7 * 86_400, 200), (7 * 86_400 + 1, 422), (-1, 422)])
async def test_an_overlap_is_none_to_seven_days(hooks: World, overlap_s: int, status: int) -> None:
    """A secret that stays valid for ever was never rotated."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}/rotate-secret"
    assert (await call(hooks, "POST", path, {"overlap_s": overlap_s})).status_code == status


async def test_during_a_rotation_the_holder_of_either_secret_verifies(hooks: World) -> None:
    """By the published library for the shared ones, and by both public keys for ed25519."""
    made = await register(hooks, signing=["v1", "v1a"])
    rotated = (await call(hooks, "POST", f"/v1/endpoints/{made['endpoint_id']}/rotate-secret", {})).json()
    assert rotated["public_key"] != made["public_key"]
    kept = secrets_of(hooks, made["endpoint_id"])
    keys = [parse_private_key(one) if one.startswith("whsk_") else parse_secret(one) for one in kept]
    body, now = json.dumps({"type": "story.publish"}).encode(), int(datetime.now(UTC).timestamp())
    signatures = sign("dlv_1", now, body, keys)
    headers = {"webhook-id": "dlv_1", "webhook-timestamp": str(now), "webhook-signature": signatures}
    for secret in (made["secret"], rotated["secret"]):
        assert Webhook(secret).verify(body.decode(), headers)
    for public in (made["public_key"], rotated["public_key"]):
        assert verify_public(signatures, "dlv_1", now, body, public)
    assert sum(isinstance(key, HmacKey) for key in keys) == 2


async def test_the_public_key_shown_is_the_newest(hooks: World) -> None:
    """By POST, PATCH, GET and in lists; the private half in none of them."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    assert made["public_key"] is None
    patched = (await call(hooks, "PATCH", path, {"signing": ["v1", "v1a"]})).json()["public_key"]
    rotated = (await call(hooks, "POST", f"{path}/rotate-secret", {})).json()["public_key"]
    shown = await call(hooks, "GET", path)
    listed = await call(hooks, "GET", "/v1/endpoints")
    assert patched != rotated
    assert shown.json()["public_key"] == listed.json()["items"][0]["public_key"] == rotated
    assert "whsk_" not in shown.text + listed.text


async def test_two_rotations_at_once_both_stay_valid(hooks: World) -> None:
    """The second one reads what the first has written: nobody is told a secret that is then forgotten."""
    made = await register(hooks)
    path = f"/v1/endpoints/{made['endpoint_id']}/rotate-secret"
    answers = await asyncio.gather(*(call(hooks, "POST", path, {"overlap_s": 3600}) for _ in range(2)))
    told = [answer.json()["secret"] for answer in answers]
    assert sorted([*told, made["secret"]]) == sorted(secrets_of(hooks, made["endpoint_id"]))


async def test_a_rotation_that_the_broker_did_not_take_is_not_one(hooks: World) -> None:
    """503, and the secret before goes on alone."""
    made = await register(hooks)
    hooks.topics.away = True
    answer = await call(hooks, "POST", f"/v1/endpoints/{made['endpoint_id']}/rotate-secret", {})
    assert answer.status_code == 503
    kept = hooks.registry.secret(made["endpoint_id"])
    assert kept is not None
    assert kept.retire_at == (None,)
    assert len(hooks.topics.on(Topic.SUBSCRIPTION_STATE)) == 2
