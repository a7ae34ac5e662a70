"""Who may see the stream's clients, page by page, and what is told of each? `GET /v1/stream/clients`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from services.gateway.stream.listing import rows
from shared.domain.keys import Scope
from shared.domain.story import Lane
from tests.services.gateway.stream.channels import CHANNELS, SSE
from tests.services.gateway.stream.listening import Gateway, gateway
from tests.services.gateway.stream.releases import released
from tests.services.gateway.twins import World, world
from tests.waiting import wait_until

PATH = "/v1/stream/clients"


@asynccontextmanager
async def listened_to(**options: Any) -> AsyncIterator[tuple[World, Gateway]]:
    """A gateway's API, and the stream whose clients it tells of."""
    async with gateway(**options) as running, world(listening=partial(rows, running.hub)) as wire:
        yield wire, running


async def asked(wire: World, path: str = PATH) -> dict[str, Any]:
    answer = await wire.http.get(path, headers=wire.operator)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize(
    ("scope", "status"), [(None, 401), ("subscriber", 403), ("desk", 403), ("editor", 403), ("operator", 200)]
)
async def test_operators_only_are_told(wire: World, scope: Scope | None, status: int) -> None:
    """Who listens is nothing for other subscribers."""
    headers = wire.key("ann", scope, subscriber="acme") if scope else {}
    assert (await wire.http.get(PATH, headers=headers)).status_code == status


async def test_where_nobody_listens_the_list_is_empty(wire: World) -> None:
    """And has no next page."""
    assert await asked(wire) == {"items": [], "next": None}


async def test_each_client_is_told_with_its_channel_and_how_far_it_is() -> None:
    """In the order in which they came; all that the document names, and no more."""
    async with listened_to() as (wire, running):
        for channel in CHANNELS:
            await channel.greeted(running, f"client=desk-{channel}")
        items = (await asked(wire))["items"]
        assert [one["channel"] for one in items] == ["sse", "ws", "poll"]
        numbers = [one["client_id"] for one in items]
        assert numbers == sorted(set(numbers))
        first = items[0]
        since = datetime.fromisoformat(first.pop("since"))
        assert since.tzinfo is not None
        assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)
        assert first == {
            "client_id": numbers[0],
            "channel": "sse",
            "subscriber": "sub_1",
            "key_id": "",
            "name": "desk-sse",
            "queue_bytes": 0,
            "age_s": 0.0,
            "position": "e1-0-0",
            "acknowledged": None,
            "skipped": 0,
            "gaps": 0,
        }


async def test_what_a_client_was_told_moves_its_row() -> None:
    """Its position, and the gap it was told of."""
    async with listened_to() as (wire, running):
        client = await SSE.greeted(running, last_id="old-1-1")
        assert (await client.next()).event == "gap"
        running.log.append(released())
        await client.next()
        [row] = (await asked(wire))["items"]
        assert (row["position"], row["gaps"]) == ("e1-0-1", 1)


async def test_a_client_that_does_not_read_is_told_with_its_queue_and_age() -> None:
    """What waits for it, and since when."""
    async with listened_to(write_buffer=1024, socket_buffer=4096) as (wire, running):
        client = await SSE.greeted(running)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of every transport that reads
        routine = running.log.lanes[Lane.ROUTINE]

        async def row_when_behind() -> dict[str, Any] | None:
            for _ in range(10):
                running.log.append(released(f"urn:{len(routine)}", headline="A long headline. " * 1000))
            [row] = (await asked(wire))["items"]
            return row if row["age_s"] > 0 else None

        row = await wait_until(row_when_behind, within=20)
        assert row is not None
        assert row["queue_bytes"] > 0

        async def is_older() -> bool:
            [later] = (await asked(wire))["items"]
            return bool(later["age_s"] > row["age_s"])

        await wait_until(is_older, within=5)


async def test_the_list_comes_in_pages_and_each_names_the_next() -> None:
    """In `next` and in the Link header; together they are all, once."""
    async with listened_to() as (wire, running):
        for _ in range(5):
            await SSE.greeted(running)
        whole = [one["client_id"] for one in (await asked(wire))["items"]]
        assert len(whole) == 5
        seen, path = list[int](), f"{PATH}?limit=2"
        while path:
            answer = await wire.http.get(path, headers=wire.operator)
            told = answer.json()
            seen += [one["client_id"] for one in told["items"]]
            path = answer.links["next"]["url"] if "link" in answer.headers else ""
            assert bool(path) == (told["next"] is not None)
            assert not path or f"cursor={told['next']}" in path
        assert seen == whole


async def test_a_client_that_leaves_between_two_pages_moves_nobody() -> None:
    """A page goes on behind a number, not behind a count."""
    async with listened_to() as (wire, running):
        clients = [await SSE.greeted(running) for _ in range(4)]
        first = await asked(wire, f"{PATH}?limit=2")
        await clients[0].close()
        await wait_until(lambda: running.clients() == 3, within=5)
        second = await asked(wire, f"{PATH}?limit=2&cursor={first['next']}")
        numbers = [one["client_id"] for one in (*first["items"], *second["items"])]
        assert len(set(numbers)) == 4
        assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=-1", "cursor=", "cursor=1e9", f"cursor={'9' * 19}"],
)
async def test_what_cannot_be_meant_is_refused(wire: World, query: str) -> None:
    """422 that names the parameter."""
    answer = await wire.http.get(f"{PATH}?{query}", headers=wire.operator)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [one["parameter"] for one in answer.json()["errors"]] == [query.partition("=")[0]]
