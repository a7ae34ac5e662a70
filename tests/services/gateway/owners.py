"""What owners of endpoints do over HTTP, and what the records then hold."""

from dataclasses import replace
from typing import Any

import httpx2

from shared.domain.subscription import EndpointSecret, EndpointState
from shared.platform.topics import Topic, key_of
from tests.services.gateway.twins import SEALER, World, record

HOOK = "https://hooks.example.com/slugline"


async def call(
    wire: World, method: str, path: str, body: Any = None, who: str = "sue", **headers: str
) -> httpx2.Response:
    return await wire.http.request(
        method, path, json=body, headers={"authorization": f"Bearer sl_local_{who}", **headers}
    )


async def register(wire: World, **fields: Any) -> dict[str, Any]:
    answer = await call(wire, "POST", "/v1/endpoints", {"url": HOOK, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def become(wire: World, endpoint_id: str, state: EndpointState) -> None:
    """The deliverer writes the endpoint's part."""
    part = wire.registry._endpoints[endpoint_id]
    changed = part.value.model_copy(update={"state": state})
    key = key_of(endpoint_id, "endpoint")
    written = record(Topic.SUBSCRIPTION_STATE, key, changed.model_dump_json().encode())
    wire.registry.apply(replace(written, offset=part.offset + 1))


def secrets_of(wire: World, endpoint_id: str) -> list[str]:
    """The plain secrets as the deliverer reads them, newest first."""
    newest = [one for one in wire.topics.on(Topic.SUBSCRIPTION_STATE) if one.key == key_of(endpoint_id, "secret")][-1]
    return [SEALER.open(one) for one in EndpointSecret.model_validate_json(newest.value or b"").sealed]
