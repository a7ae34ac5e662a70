"""What does somebody see who listens to the stream? Server-sent events as they come, each item judged."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.journeys.judges import assert_releasable
from tests.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `id` None where it stands on no resume point, `at` when it was read (epoch µs)."""

    event: str
    data: Any
    id: str | None
    at: int


@dataclass(slots=True)
class Stream:
    """An open stream; `events` grows while the block of `listen` lasts."""

    events: list[Event] = field(default_factory=list)

    @property
    def stories(self) -> list[dict[str, Any]]:
        """The items seen so far."""
        return [each.data for each in self.events if each.event == "story"]

    @property
    def start(self) -> str:
        """The resume point at which it began."""
        assert self.events[0].event == "hello"
        assert self.events[0].id is not None
        return self.events[0].id

    def about(self, story_id: str) -> list[dict[str, Any]]:
        return [item for item in self.stories if item["story_id"] == story_id]

    async def story(self, story_id: str, release_no: int | None = None, within: float = 30.0) -> dict[str, Any]:
        """The first item of a story (or one release of it), once it was seen."""

        def seen() -> list[dict[str, Any]]:
            return [each for each in self.about(story_id) if release_no in {None, each["release_no"]}]

        return (await wait_until(seen, within, message=f"{story_id} on the stream"))[0]


@asynccontextmanager
async def listen(
    client: httpx2.AsyncClient, query: Mapping[str, Any], last_event_id: str | None = None
) -> AsyncIterator[Stream]:
    """Follow `/v1/stream` in the background; at the end every item seen must be one that may be shown."""
    stream = Stream()
    following = asyncio.create_task(follow(client, query, last_event_id, stream))
    try:
        await wait_until(lambda: stream.events or following.done(), 15, message="hello on the stream")
        if following.done():
            following.result()
        yield stream
        if following.done():
            following.result()
        for item in stream.stories:
            assert_releasable(item)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, httpx2.HTTPError, StreamRefused):
            await following


class StreamRefused(Exception):
    """The stream was not opened."""


async def follow(
    client: httpx2.AsyncClient, query: Mapping[str, Any], last_event_id: str | None, stream: Stream
) -> None:
    """Append what comes to `stream.events` until the stream ends; raises `StreamRefused`."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": last_event_id} if last_event_id else {})
    patient = httpx2.Timeout(10.0, read=60.0)
    async with client.stream("GET", "/v1/stream", params=query, headers=headers, timeout=patient) as answer:
        if answer.status_code != 200:
            raise StreamRefused(f"{answer.status_code} {(await answer.aread())[:300]!r}")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                at = time.time_ns() // 1000
                data = json.loads(fields["data"])
                stream.events.append(Event(fields.get("event", "message"), data, fields.get("id"), at))
                fields = {}
            else:
                fields = {}
