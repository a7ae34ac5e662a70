"""Writes that are repeated under one Idempotency-Key are done once."""

import asyncio
from typing import Any

import httpx2
import pytest
from cryptography.fernet import Fernet

from services.gateway.adapters.sealed_answers import SealedAnswers
from services.gateway.repeated import Recorded
from shared.platform.redis import connect
from shared.platform.sealing import Sealer
from tests.services.gateway.owners import HOOK, call
from tests.services.gateway.twins import World

NEW_KEY = {"person": "ann", "scopes": ["desk"]}


async def post(wire: World, path: str, body: Any, key: str, who: str = "sue") -> httpx2.Response:
    return await call(wire, "POST", path, body, who, **{"idempotency-key": key})


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/endpoints", {"url": HOOK}), ("/v1/subscriptions", {"name": "all"})], ids=str
)
async def test_the_same_request_again_gets_the_first_answer(hooks: World, path: str, body: dict[str, Any]) -> None:
    """Its secret included; one thing is made, and the answer says that it is a copy."""
    first, second = [await post(hooks, path, body, "k1") for _ in range(2)]
    assert (first.status_code, second.status_code, second.content) == (201, 201, first.content)
    assert second.headers["location"] == first.headers["location"]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert len((await call(hooks, "GET", path)).json()["items"]) == 1


async def test_an_api_key_is_made_once(hooks: World) -> None:
    """By an operator, whose answer got lost."""
    answers = [
        await hooks.http.post("/v1/keys", json=NEW_KEY, headers=hooks.operator | {"idempotency-key": "k1"})
        for _ in range(2)
    ]
    assert answers[0].json()["key"] == answers[1].json()["key"]


async def test_many_at_once_are_one(hooks: World) -> None:
    """Those who come meanwhile wait for the first."""
    answers = await asyncio.gather(*(post(hooks, "/v1/endpoints", {"url": HOOK}, "k1") for _ in range(5)))
    assert len({answer.json()["endpoint_id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/endpoints", {"url": f"{HOOK}/2"}), ("/v1/subscriptions", {"name": "x"})]
)
async def test_a_key_is_for_one_request(hooks: World, path: str, body: dict[str, Any]) -> None:
    """Another body, or another path, is 422 and does nothing."""
    await post(hooks, "/v1/endpoints", {"url": HOOK}, "k1")
    written = len(hooks.topics.written)
    answer = await post(hooks, path, body, "k1")
    assert (answer.status_code, answer.json()["type"]) == (422, "/errors/idempotency-key-reused")
    assert len(hooks.topics.written) == written


async def test_keys_of_two_callers_are_two(hooks: World) -> None:
    """Nobody is given another one's answer."""
    mine, other = [await post(hooks, "/v1/endpoints", {"url": HOOK}, "k1", who) for who in ("sue", "tom")]
    assert mine.json()["endpoint_id"] != other.json()["endpoint_id"]


async def test_what_was_not_done_may_be_done_under_the_same_key(hooks: World) -> None:
    """A broker that was away, or a refusal, is no answer to be kept."""
    hooks.topics.away = True
    assert (await post(hooks, "/v1/endpoints", {"url": HOOK}, "k1")).status_code == 503
    hooks.topics.away = False
    assert (await post(hooks, "/v1/endpoints", {"url": HOOK}, "k1")).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_what_is_no_key_is_422(hooks: World, key: str) -> None:
    """Empty or longer than 255 characters."""
    answer = await post(hooks, "/v1/endpoints", {"url": HOOK}, key)
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "Idempotency-Key")


async def test_answers_lie_sealed_in_redis_for_a_day(redis_url: str, unique: str) -> None:
    """Another gateway finds them; nobody reads a secret in them."""
    recorded = Recorded("digest", 201, [(b"location", b"/v1/endpoints/ep_1")], b'{"secret": "whsec_1"}')
    async with connect(redis_url) as client:
        answers = SealedAnswers(client, Sealer(Fernet.generate_key().decode()), f"{unique}:")
        assert await answers.first("n") is None
        await answers.keep("n", recorded.encoded())
        assert Recorded.decoded(await answers.first("n") or b"") == recorded
        assert b"whsec" not in (await client.get(f"{unique}:n") or b"")
        assert 0 < await client.ttl(f"{unique}:n") <= 86_400


async def test_an_answer_under_a_key_that_was_dropped_is_forgotten(redis_url: str, unique: str) -> None:
    """Sealing keys are exchanged; what only the old one opens is as if it were not there."""
    async with connect(redis_url) as client:
        before, after = [SealedAnswers(client, Sealer(Fernet.generate_key().decode()), f"{unique}:") for _ in range(2)]
        await before.keep("n", b"answer")
        assert await after.first("n") is None


async def test_without_redis_nothing_is_remembered_and_nothing_fails() -> None:
    """The request is taken as new."""
    async with connect("redis://127.0.0.1:9/0") as nobody:
        answers = SealedAnswers(nobody, Sealer(Fernet.generate_key().decode()), "x:")
        await answers.keep("n", b"answer")
        assert await answers.first("n") is None
