"""What does the door say when it is started while the broker is away?"""

import asyncio
from contextlib import AsyncExitStack

import httpx2
from pydantic import SecretStr

from deploy.local.ports import free_port
from services.ingest.main import jobs
from services.ingest.settings import IngestSettings
from shared.platform.settings import KafkaSettings
from tests.waiting import wait_until


async def test_a_door_started_without_the_broker_asks_to_come_back() -> None:
    """503 and `Retry-After`, not a refused connection: its callers' retries go on as in any outage."""
    nobody, port = free_port(), free_port()
    away = KafkaSettings(bootstrap=f"127.0.0.1:{nobody}")
    settings = IngestSettings(kafka=away, ingest_port=port, operator_key=SecretStr("sl_x"))
    async with AsyncExitStack() as opened, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        todo, stop = await jobs(settings, opened), asyncio.Event()
        serving = asyncio.ensure_future(todo["http"](stop))

        async def answered() -> httpx2.Response | None:
            try:
                return await client.post("/v1/intake/stories", json={}, headers={"authorization": "Bearer sl_y"})
            except httpx2.TransportError:
                return None

        answer = await wait_until(answered, 10)
        assert answer is not None
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        stop.set()
        await serving
