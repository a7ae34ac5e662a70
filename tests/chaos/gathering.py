"""What does the product itself say became of everything? Receipts, deliveries and dead letters, asked at the end."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from shared.domain.events import DeliveryAttempted, parse_event
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.chaos.books import Entry, Ledger
from tests.chaos.history import Place
from tests.chaos.poison import is_misplaced
from tests.chaos.recordings import Listener

AT_ONCE = 8
AGAIN_AFTER_S = 0.5
MISPLACED = "misplaced"


async def gather_receipts(gateway: httpx2.AsyncClient, ledger: Ledger, within: float) -> None:
    """Ask for the receipt of every accepted step until it is as planned, or `within` seconds have passed."""
    deadline = time.time() + within
    waiting = [entry for _, entry in ledger.entries() if entry.event_id]
    while waiting:
        still = list[Entry]()

        async def work(waiting: list[Entry] = waiting, still: list[Entry] = still) -> None:
            while waiting:
                entry = waiting.pop()
                await _ask(gateway, entry)
                if entry.receipt not in entry.step.ends and not entry.twice:
                    still.append(entry)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
        if time.time() > deadline:
            return
        waiting = still
        if waiting:
            await asyncio.sleep(AGAIN_AFTER_S)


async def _ask(gateway: httpx2.AsyncClient, entry: Entry) -> None:
    try:
        answer = await gateway.get(f"/v1/desk/receipts/{entry.event_id}")
    except httpx2.TransportError:
        return
    if answer.status_code == 200:
        told = answer.json()
        entry.receipt, entry.release_no = told["state"], told["release_no"]
    elif answer.status_code == 404:
        entry.receipt = "unknown"


async def delivery_rows(bootstrap: str) -> dict[Place, str]:
    """Read the whole delivery log; return the last state of each delivery."""
    rows: dict[Place, str] = {}

    def apply(record: Record) -> None:
        try:
            event = parse_event(record.value)
        except Exception:  # noqa: BLE001 - poison of our own lies there too
            return
        if isinstance(event, DeliveryAttempted) and event.release_no is not None:
            rows[event.data.endpoint_id, event.story_id, event.release_no] = event.data.state

    async with Tail(KafkaSettings(bootstrap=bootstrap), (Topic.ATTEMPTS,)) as tail:
        await tail.load(apply)
    return rows


async def deliveries_told(client: httpx2.AsyncClient, listener: Listener) -> dict[Place, str]:
    """What `GET /v1/deliveries` says of an endpoint: its newest thousand, page by page."""
    told: dict[Place, str] = {}
    cursor: str | None = None
    while True:
        query = {"endpoint_id": listener.endpoint_id, "limit": "100"} | ({"cursor": cursor} if cursor else {})
        answer = await client.get("/v1/deliveries", params=query)
        answer.raise_for_status()
        page = answer.json()
        for row in page["items"]:
            if row["release_no"] is not None:
                told[listener.endpoint_id, row["story_id"], row["release_no"]] = row["state"]
        cursor = page["next"]
        if cursor is None:
            return told


async def breaker_told(client: httpx2.AsyncClient, listener: Listener) -> str:
    """What the product says of an endpoint's breaker; `closed` where it has nothing to say."""
    answer = await client.get(f"/v1/endpoints/{listener.endpoint_id}")
    answer.raise_for_status()
    health = answer.json()["health"]
    return str(health["state"]) if health else "closed"


async def dead_letters(monitor: httpx2.AsyncClient) -> list[tuple[str, str]]:
    """Every dead letter as (service, key); the key is `MISPLACED` where it lay in a partition that is not its own."""
    letters: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        answer = await monitor.get("/v1/ops/dead", params={"limit": "2000"} | ({"cursor": cursor} if cursor else {}))
        answer.raise_for_status()
        page = answer.json()
        letters += [(one["service"], MISPLACED if _misplaced(one) else one["key"] or "") for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return letters


def _misplaced(letter: Mapping[str, Any]) -> bool:
    if letter["from_topic"] is None or letter["key"] is None:
        return False
    return is_misplaced(Topic(letter["from_topic"]), letter["from_partition"], letter["key"])
