"""What do readers of the stream see who come back after every cut, where they had been?"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from tests.chaos.recordings import Listener, seen

AGAIN_AFTER_S = 0.3
POLL_WAIT_S = 5


def parameters(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A filter as the parameters of the stream."""
    plain = {name: value for name, value in wanted.items() if name != "not"}
    return plain | {f"not.{name}": value for name, value in wanted.get("not", {}).items()}


async def follow_stream(client: httpx2.AsyncClient, listener: Listener, opened: asyncio.Event) -> None:
    """Read server-sent events for ever; after a cut go on from the last `id`. `opened` is set at the first hello."""
    position: str | None = None
    patient = httpx2.Timeout(5.0, read=45.0)
    while True:
        headers = {"accept": "text/event-stream"} | ({"last-event-id": position} if position else {})
        try:
            asked = parameters(listener.wanted)
            async with client.stream("GET", "/v1/stream", params=asked, headers=headers, timeout=patient) as answer:
                if answer.status_code == 200:
                    fields: dict[str, str] = {}
                    async for line in answer.aiter_lines():
                        if line:
                            name, _, value = line.partition(":")
                            fields[name] = value.removeprefix(" ")
                            continue
                        position = fields.get("id", position)
                        if "data" in fields:
                            _take(listener, fields.get("event", ""), json.loads(fields["data"]))
                            opened.set()
                        fields = {}
        except httpx2.TransportError:
            pass  # cut: that is what it is here for
        listener.reconnects += 1
        await asyncio.sleep(AGAIN_AFTER_S)


async def follow_poll(client: httpx2.AsyncClient, listener: Listener, opened: asyncio.Event) -> None:
    """Ask `/v1/poll` for ever, each time from the cursor of the answer before."""
    cursor: str | None = None
    while True:
        wanted = parameters(listener.wanted) | {"wait": POLL_WAIT_S} | ({"cursor": cursor} if cursor else {})
        asked = time.time()
        try:
            answer = await client.get("/v1/poll", params=wanted, timeout=30.0)
        except httpx2.TransportError:
            answer = None
        if answer is None or answer.status_code != 200:
            listener.reconnects += 1
            await asyncio.sleep(AGAIN_AFTER_S)
            continue
        told = answer.json()
        for event in told["events"]:
            _take(listener, event["event"], event["data"], asked)
        cursor = told["cursor"]
        opened.set()


def _take(listener: Listener, event: str, data: Mapping[str, Any], asked: float = 0.0) -> None:
    if event == "story":
        listener.came.append(seen(data, time.time(), asked=asked))
    elif event == "gap":
        listener.gaps.append(f"{data['reason']}: {data['from']} to {data['to']}")
