"""Who can use a local instance? Keys for a desk, two editors and two subscribers, made once through the public API."""

from __future__ import annotations

import httpx2

ACCOUNTS: dict[str, dict[str, object]] = {
    "desk": {"person": "Dana Desk", "scopes": ["desk"]},
    "editor": {"person": "Edith Editor", "scopes": ["editor"]},
    "editor2": {"person": "Egon Editor", "scopes": ["editor"]},
    "subscriber": {"person": "Sam Subscriber", "subscriber": "sub_demo", "scopes": ["subscriber"]},
    "subscriber2": {"person": "Sue Subscriber", "subscriber": "sub_other", "scopes": ["subscriber"]},
}


async def ensure_keys(gateway: str, operator: str, kept: dict[str, str]) -> dict[str, str]:
    """Return a working key for every account, by name; those in `kept` that still work are kept.

    Raises `httpx2.HTTPStatusError` when the gateway refuses to make one.
    """
    keys = {}
    async with httpx2.AsyncClient(base_url=gateway, timeout=10.0) as client:
        for name, account in ACCOUNTS.items():
            key = kept.get(name)
            if key is None or not await _works(client, key):
                answer = await client.post("/v1/keys", json=account, headers=bearer(operator))
                answer.raise_for_status()
                key = str(answer.json()["key"])
            keys[name] = key
    return keys


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"}


async def _works(client: httpx2.AsyncClient, key: str) -> bool:
    answer = await client.get("/v1/stories", params={"limit": 1}, headers=bearer(key))
    return answer.status_code != 401
