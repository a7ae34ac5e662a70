"""What is the poll's own: answers that are bounded, that wait, and that are none?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from services.gateway.stream.poll import MOST_BYTES, poll_endpoint
from shared.domain.story import Lane
from tests.services.gateway.stream.listening import Gateway, gateway
from tests.services.gateway.stream.releases import ReleasedLog, released
from tests.waiting import wait_until


@asynccontextmanager
async def polling(log: ReleasedLog | None = None, **options: Any) -> AsyncIterator[tuple[Gateway, httpx2.AsyncClient]]:
    """A gateway, and a client of its poll route."""
    async with gateway(log, **options) as running:
        app = Starlette(routes=[Route("/v1/poll", poll_endpoint(running.hub))])
        transport = httpx2.ASGITransport(app=app)
        headers = {"authorization": "Bearer k"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://wire", headers=headers) as http:
            yield running, http


async def ask(http: httpx2.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await http.get("/v1/poll", params=params)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def log_of(count: int, headline: str = "A headline") -> ReleasedLog:
    log = ReleasedLog()
    for number in range(count):
        log.append(released(f"urn:{number}", headline=headline))
    return log


@pytest.mark.parametrize("ring_age_s", [900, -60], ids=["from memory", "from the log"])
async def test_polling_on_adds_up_to_the_whole(ring_age_s: float) -> None:
    """Each answer's cursor is where the next goes on; nothing is missed and nothing comes twice."""
    async with polling(log_of(10), ring_age_s=ring_age_s) as (_, http):
        seen: list[int] = []
        cursor = "earliest"
        while len(seen) < 10:
            answer = await ask(http, cursor=cursor)
            seen += [event["data"]["seq"] for event in answer["events"] if event["event"] == "story"]
            cursor = answer["cursor"]
        assert seen == list(range(10))
        assert await ask(http, cursor=cursor) == {"events": [], "cursor": "e1-0-10"}


async def test_an_answer_has_its_bound_and_the_next_goes_on() -> None:
    """A large backlog comes in several answers."""
    async with polling(log_of(30, "A long headline. " * 5000)) as (_, http):
        first = await ask(http, cursor="e1-0-0")
        assert 0 < len(first["events"]) < 30
        second = await ask(http, cursor=first["cursor"])
        assert second["events"][0]["data"]["seq"] == len(first["events"])
        assert MOST_BYTES < sum(len(str(event)) for event in first["events"]) < 3 * MOST_BYTES


async def test_a_long_poll_ends_with_the_first_event() -> None:
    """It waits, and the story that comes is the answer."""
    async with polling() as (running, http):
        asked = asyncio.ensure_future(ask(http, wait="30"))
        await wait_until(lambda: running.clients() == 1, within=5)
        running.log.append(released(lane=Lane.FLASH))
        answer = await asyncio.wait_for(asked, 5)
        assert [(event["id"], event["event"]) for event in answer["events"]] == [("e1-1-0", "story")]
        assert answer["cursor"] == "e1-1-0"
        assert running.clients() == 0


async def test_a_long_poll_ends_when_the_process_stops() -> None:
    """With what there is, so that nobody waits for a process that leaves."""
    async with polling() as (running, http):
        asked = asyncio.ensure_future(ask(http, wait="30"))
        await wait_until(lambda: running.clients() == 1, within=5)
        running.stop.set()
        assert await asyncio.wait_for(asked, 5) == {"events": [], "cursor": "e1-0-0"}


async def test_a_log_that_cannot_be_read_is_no_answer() -> None:
    """503 with Retry-After, and no cursor: the one that was sent is still the client's."""
    log = log_of(3)
    async with polling(log, ring_age_s=-60) as (_, http):
        log.away = True
        answer = await http.get("/v1/poll", params={"cursor": "e1-0-1"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        log.away = False
        told = await ask(http, cursor="e1-0-1")
        assert [event["data"]["seq"] for event in told["events"]] == [1, 2]


@pytest.mark.parametrize("query", ["wait=soon", "wait=-1", "wait=3600", "wait=nan", "colour=red", "cursor=x"])
async def test_what_cannot_be_meant_is_refused(query: str) -> None:
    """422 as problem+json that names the parameter, like on the stream."""
    async with polling() as (_, http):
        answer = await http.get(f"/v1/poll?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert [error["parameter"] for error in answer.json()["errors"]] == [query.partition("=")[0]]
