"""Two sealing keys, and the walk that brings everything under the newer one."""

from typing import Any

from cryptography.fernet import Fernet

from shared.platform.topics import Topic
from tests.services.gateway.twins import World, record

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PATH = "/v1/secrets/reseal"


async def walk(wire: World, limit: int = 2) -> list[dict[str, Any]]:
    """Every page from the first to the last."""
    pages: list[dict[str, Any]] = []
    cursor = None
    while not pages or cursor is not None:
        answer = await wire.http.post(PATH, json={"cursor": cursor, "limit": limit}, headers=wire.operator)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        cursor = pages[-1]["next"]
    return pages


def records_of(wire: World) -> list[Any]:
    return [record(one.topic, one.key, one.value) for one in wire.topics.on(Topic.SUBSCRIPTION_STATE)]
