"""Does every client of others end with exactly what it is owed, however often the gateway is killed?"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from tests.clients.browser import browsing, page_server
from tests.clients.driving import Driver, Gateway, driving
from tests.clients.listening import ALL, BROWSER, Listener, running
from tests.clients.oracle import Put, Wants, faults
from tests.npm import Unavailable
from tests.waiting import wait_until

KILLS = int(os.environ.get("CLIENT_KILLS", "20"))
WORLD, WANTS = "sections=world", Wants("world", "en")
BACK_WITHIN_S = 60.0


@dataclass(slots=True)
class Outcome:
    """What was put on the wire, what each client was told, and why some could not be run."""

    published: list[Put] = field(default_factory=list)
    listeners: dict[str, Listener] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def outcome(kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All clients at once on one gateway that is killed again and again."""
    return asyncio.run(_play(kafka_bootstrap, redis_url, tmp_path_factory.mktemp("gateway")))


async def _play(bootstrap: str, redis_url: str, logs: Path) -> Outcome:
    found, port = Outcome(), free_port()
    async with driving(bootstrap, redis_url, logs, f"http://127.0.0.1:{port}") as (gateway, driver):
        found.published = driver.published
        async with AsyncExitStack() as opened:
            await _listen(found, gateway, await gateway.new_key(), port, opened)
            telling = asyncio.create_task(driver.go_on())
            await _all_hear(found.listeners, driver, "urn:example:first")
            for number in range(KILLS):
                await gateway.kill()
                await _all_hear(found.listeners, driver, f"urn:example:back:{number}")
            telling.cancel()
            await asyncio.wait({telling})
            await _all_hear(found.listeners, driver, "urn:example:last")
    return found


async def _listen(found: Outcome, gateway: Gateway, key: str, port: int, opened: AsyncExitStack) -> None:
    for name in ALL:
        listening = _page(port, gateway, key) if name == BROWSER else running(name, gateway.url, key, WORLD)
        try:
            found.listeners[name] = await opened.enter_async_context(listening)
        except Unavailable as why:
            found.missing[name] = str(why)


@asynccontextmanager
async def _page(port: int, gateway: Gateway, key: str) -> AsyncIterator[Listener]:
    async with page_server(port, gateway.url, key) as listener, browsing(port, gateway.url, WORLD):
        yield listener


async def _all_hear(listeners: Mapping[str, Listener], driver: Driver, story_id: str) -> None:
    """Put a story on the wire, and return once every client has it."""
    await driver.tell_all(story_id)

    def silent() -> list[str]:
        return [name for name, listener in listeners.items() if not listener.has(story_id)]

    try:
        await wait_until(lambda: not silent(), BACK_WITHIN_S)
    except AssertionError as late:
        raise AssertionError(f"{story_id} was not heard by {silent()}") from late


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ALL)
def test_a_client_has_what_it_is_owed_after_twenty_kills(outcome: Outcome, name: str) -> None:
    """In order, once by release number, nothing outside its filter and products, nothing missing."""
    if why := outcome.missing.get(name):
        pytest.skip(f"{name}: {why}")
    assert faults(outcome.published, outcome.listeners[name].told, WANTS) == []
    assert name == "poll" or outcome.listeners[name].connections > KILLS
